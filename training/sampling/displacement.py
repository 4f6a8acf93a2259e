"""How far labels lie beside what they label.

ISBI's labels lie 0.6 pixels above and 0.1 pixels left of their membranes, in every slice.
Images that are flipped or turned would take that displacement with them, and a network that
sees it on all sides only learns to blur. So it is measured, and training shifts turned labels to
where they would lie beside an image that was not turned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEARCH = 4  # pixels
FINE, COARSE = 1.0, 8.0  # sigmas of the band-pass: a membrane's width, a cell's
Displacement = tuple[float, float]


def measure_displacement(
    images: NDArray[Any] | Sequence[NDArray[Any]],
    membrane: NDArray[np.bool_] | Sequence[NDArray[np.bool_]],
) -> Displacement:
    """Measure how far labels lie beside their images.

    It is the peak of the band-passed cross-correlation, summed over the slices, to a fraction of
    a pixel by parabolas (phase correlation's usual refinement, Foroosh et al. 2002). Membranes
    may be dark or bright.

    Parameters
    ----------
    images : array (Z, Y, X) or sequence of array (Y, X)
        Any real dtype.
    membrane : array (Z, Y, X) or sequence of array (Y, X), of bool

    Returns
    -------
    displacement : (float, float)
        In pixels (y, x); (0, 0) where no peak lies within 4 pixels.
    """
    correlation = sum(map(_correlation, images, membrane))
    magnitude = np.abs(correlation)
    y, x = (int(place) for place in np.unravel_index(magnitude.argmax(), magnitude.shape))
    if not (0 < y < 2 * SEARCH and 0 < x < 2 * SEARCH):
        return 0.0, 0.0
    return (
        y - SEARCH + _peak(magnitude[y - 1 : y + 2, x]),
        x - SEARCH + _peak(magnitude[y, x - 1 : x + 2]),
    )


def _correlation(image: NDArray[Any], membrane: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Cross-correlate at shifts of up to SEARCH pixels: (2 * SEARCH + 1, 2 * SEARCH + 1)."""
    spectra = [np.fft.rfft2(plane.astype(np.float64)) for plane in (image, membrane)]
    correlation = np.fft.irfft2(
        np.conj(spectra[0]) * spectra[1] * _band(image.shape), s=image.shape
    )
    near = np.arange(-SEARCH, SEARCH + 1)
    window = correlation[np.ix_(near % image.shape[0], near % image.shape[1])]
    norm = np.sqrt(np.square(correlation).mean())
    found: NDArray[np.float64] = window / norm if norm else window
    return found


def _band(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Compute a difference of Gaussians' power at ``rfft2``'s frequencies, (Y, X // 2 + 1)."""
    y, x = np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.rfftfreq(shape[1])
    exponent = -2 * math.pi**2 * (y**2 + x**2)
    band: NDArray[np.float64] = np.exp(FINE**2 * exponent) - np.exp(COARSE**2 * exponent)
    return band**2


def _peak(values: NDArray[np.float64]) -> float:
    """Find the offset of a parabola's top from the middle of three values, in -0.5..0.5."""
    before, middle, after = (float(value) for value in values)
    curvature = before - 2 * middle + after
    return (before - after) / (2 * curvature) if curvature else 0.0


def turn_displacement(displacement: Displacement, is_flipped: bool, quarters: int) -> Displacement:
    """Give a displacement's direction once its image is flipped along X, then turned.

    Parameters
    ----------
    displacement : (float, float)
        In pixels (y, x).
    is_flipped : bool
    quarters : int
        Quarter turns of ``numpy.rot90``.

    Returns
    -------
    displacement : (float, float)
        In pixels (y, x).
    """
    y, x = displacement
    if is_flipped:
        x = -x
    for _ in range(quarters % 4):
        y, x = -x, y
    return y, x


def shift_plane(
    plane: NDArray[np.float32], shift: Displacement, border: int
) -> NDArray[np.float32]:
    """Shift a plane bilinearly, and take its border off.

    Parameters
    ----------
    plane : array (Y, X) of float32
    shift : (float, float)
        In pixels (y, x).
    border : int
        In pixels; at least as wide as the shift.

    Returns
    -------
    array (Y - 2 * border, X - 2 * border) of float32
    """
    for axis, length in enumerate(shift):
        whole = math.floor(border - length)
        share = np.float32(border - length - whole)
        size = plane.shape[axis] - 2 * border
        near = plane.take(range(whole, whole + size), axis)
        if share:
            near = near + share * (plane.take(range(whole + 1, whole + 1 + size), axis) - near)
        plane = near
    return plane
