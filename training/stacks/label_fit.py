"""Whether labels lie on their images, or are mirrored or turned against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.sparse_labels import INSIDE, MEMBRANE

_MIDDLE = 512  # pixels of a slice's side that are looked at
_TILE = 32  # pixels a side; brightness that changes more slowly does not count
_FEWEST = 128 * 128  # pixels of all slices; fewer may fit by chance
_FEWEST_LABELLED = 64 * 64  # of them; so may these
_CLEAR = 0.25  # correlation from which labels fit their images
_CLEARLY_BETTER = 3.0  # times that of the labels as they are
# Turns by 90 degrees to the left, of labels as they are and of their transpose.
_SYMMETRIES = (
    (
        "",
        "turned by 90 degrees to the left",
        "turned by 180 degrees",
        "turned by 90 degrees to the right",
    ),
    (
        "with rows and columns exchanged",
        "flipped top to bottom",
        "turned by 180 degrees with rows and columns exchanged",
        "flipped left to right",
    ),
)


def take_middle(pages: NDArray[Any]) -> NDArray[Any]:
    """Take the middle of slices (Y, X) or (N, Y, X) of any dtype: enough to compare.

    It is 512 x 512 pixels or less, has the symmetries of the whole, and its sides are whole
    multiples of 32 pixels.
    """
    kept = [min(length, _MIDDLE) // _TILE * _TILE for length in pages.shape[-2:]]
    y, x = ((length - side) // 2 for length, side in zip(pages.shape[-2:], kept, strict=True))
    return pages[..., y : y + kept[0], x : x + kept[1]]


def question_fit(
    images: NDArray[Any],
    labels: NDArray[Any],
    read: Callable[[NDArray[Any]], NDArray[np.uint8]],
) -> str:
    """Ask whether labels are mirrored or turned, where they fit their images much better so.

    Parameters
    ----------
    images, labels : arrays (N, Y, X)
        Some slices, of any real dtype.
    read : callable
        Reads labels (N, Y, X) as codes: 1 is membrane, 2 inside; others do not count.

    Returns
    -------
    str
        A sentence; empty where the labels fit as they are, not in any way, or are too small.
    """
    pixels = take_middle(images)
    if pixels.size < _FEWEST:
        return ""
    codes = read(take_middle(labels))
    if np.count_nonzero(codes) < _FEWEST_LABELLED:
        return ""
    with np.errstate(over="ignore", invalid="ignore"):  # NaN is refused elsewhere
        low = float(pixels.min())  # float32 may have fewer digits than the pixels
        above = np.empty(pixels.shape, np.float32)
        for index, page in enumerate(pixels):
            above[index] = page.astype(np.float64) - low
        fits = _correlations(above, codes)
    best = max(fits, key=lambda symmetry: fits[symmetry])
    if fits[best] >= max(_CLEAR, _CLEARLY_BETTER * fits[""]):
        return f"The labels fit the images much better {best}: is their orientation right?"
    return ""


def _correlations(images: NDArray[np.float32], codes: NDArray[np.uint8]) -> dict[str, float]:
    """Correlate brightness with membrane where it is known, 0..1, by the symmetry of the labels."""
    membrane = np.count_nonzero(codes == MEMBRANE)
    share = membrane / max(membrane + np.count_nonzero(codes == INSIDE), 1)
    of_code = np.zeros(3, np.float32)
    of_code[[MEMBRANE, INSIDE]] = 1 - share, -share
    labels, pixels = _halve(of_code[codes]), _halve(_without_shading(images))
    fits = {"": 0.0}
    for transposed, names in zip((labels, labels.transpose(0, 2, 1)), _SYMMETRIES, strict=True):
        for turns, name in enumerate(names):
            turned = np.rot90(transposed, turns, (1, 2))
            if turned.shape == pixels.shape:
                length = float(np.linalg.norm(turned) * np.linalg.norm(pixels[turned != 0]))
                fits[name] = abs(float(np.vdot(turned, pixels))) / length if length else 0.0
    return fits


def _halve(pages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum each 2 x 2 pixels of slices (N, Y, X)."""
    rows = pages[:, ::2] + pages[:, 1::2]
    return np.asarray(rows[..., ::2] + rows[..., 1::2])


def _without_shading(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean of each tile."""
    slices, height, width = images.shape
    tiles = images.reshape(slices, height // _TILE, _TILE, width // _TILE, _TILE)
    return np.asarray(tiles - tiles.mean((2, 4), keepdims=True)).reshape(images.shape)
