"""One block of a slice, by itself, with all by which it is joined with its neighbours.

Of the watershed a block has the basins of its pixels, which see no farther than the next pixel, and
which of its neighbours' basins go on in its own: the basins of all blocks are those of the whole
slice, and so are the neurons. Components grow into membranes from seeds that lie in other blocks,
as far as a block sees; such a seed is named by a pixel there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.region_borders import find_borders, join_borders
from napari_unet.neurons.segmentation import Probability
from napari_unet.neurons.watershed import find_basins, join_basins
from training.metrics.neuron_metrics import Labels, fill_neurons, label_neurons
from training.stacks.windows import Window

UNKNOWN = np.iinfo(np.int64).max
RIMS: dict[str, Any] = {
    "top": np.s_[:1],
    "bottom": np.s_[-1:],
    "left": np.s_[:, :1],
    "right": np.s_[:, -1:],
}
"""The outermost pixels of a block (Y, X), by side."""
FACES = (((1, 0), "bottom", "top"), ((0, 1), "right", "left"))
"""Steps from a block to the next ones, and by which side of both they touch."""


def flood_block(
    probability: Probability,
    core: Window,
    origin: tuple[int, int],
    shape: tuple[int, int],
    levels: Sequence[float],
) -> dict[str, NDArray[Any]]:
    """Find the basins of a block by the watershed.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1, of the block and one pixel around it.
    core : tuple of range
        Rows and columns of the block in it.
    origin : tuple of int
        Row and column of its first pixel in the slice.
    shape : tuple of int
        (Y, X) of the slice.
    levels : sequence of float
        As of :func:`~napari_unet.neurons.watershed.flood`.

    Returns
    -------
    dict
        ``labels`` (Y, X) of unsigned int: the block's basins, from 1 to N. ``first`` (N + 1,) of
        int64: of a basin with a seed, the first pixel of that within the block, counted through the
        slice; of one with a minimum, that pixel counted on after the slice's last; UNKNOWN of
        others, which go on in another block. ``lowest_within`` (N + 1,) of float32: the probability
        at that minimum, else 1. ``low``, ``high``, ``strength``, ``length``,
        ``lowest``: the borders within the block. ``top``, ``bottom``, ``left``, ``right``: its
        rims; ``p_top``... the probability there; ``beyond_top``... which of its basins is that of
        each pixel beyond them, or 0.
    """
    rows, columns = core
    inside = np.s_[rows.start : rows.stop, columns.start : columns.stop]
    beyond = _ring(core, probability.shape)
    labels = label_neurons(probability < levels[0])
    seeds, places = _first_places(labels[inside])
    fixed = _number_pixels(labels, beyond.values())
    minima = find_basins(np.ascontiguousarray(probability), labels, fixed)
    first = np.full(fixed + 1 + len(minima), UNKNOWN, np.int64)
    first[fixed + 1 :] = _in_slice(minima, labels.shape[1], origin, shape[1])
    first[fixed + 1 :] += shape[0] * shape[1]
    lowest = np.ones(len(first), np.float32)
    lowest[fixed + 1 :] = probability.ravel()[minima]
    corner = origin[0] + rows.start, origin[1] + columns.start
    first[seeds] = _in_slice(places, len(columns), corner, shape[1])

    # Minima that may be seeds, which is seen in the whole slice.
    is_here = _find_basins_in(labels, core, len(first))
    is_kept = is_here & (lowest < levels[-1])
    is_kept[seeds] = True
    for rim in RIMS.values():
        is_kept[labels[inside][rim]] = True
    kept = np.flatnonzero(is_kept)
    present = np.concatenate([kept, np.flatnonzero(is_here & ~is_kept)])
    numbers = np.zeros(len(first), np.int32)
    numbers[present] = np.arange(1, len(present) + 1)
    basins = numbers.take(labels[inside])
    borders = find_borders(basins, probability[inside])
    # The others touch nothing that is unknown, so it is known which regions they belong to.
    regions = join_basins(borders, np.arange(1, len(kept) + 1, dtype=np.int32), len(present))
    borders = join_borders([borders], regions)
    found = _describe(narrow(regions).take(basins), probability[inside])
    found["first"] = np.concatenate([[UNKNOWN], first[kept]])
    found["lowest_within"] = np.concatenate([np.ones(1, np.float32), lowest[kept]])
    found |= {f"beyond_{side}": numbers[labels[place]].ravel() for side, place in beyond.items()}
    found |= {name: narrow(array) for name, array in borders._asdict().items()}
    return found


def _ring(core: Window, shape: tuple[int, ...]) -> dict[str, Any]:
    """The pixels beyond those sides of a block that are not the slice's."""
    rows, columns = (slice(part.start, part.stop) for part in core)
    ring = {}
    if rows.start > 0:
        ring["top"] = np.s_[rows.start - 1 : rows.start, columns]
    if rows.stop < shape[0]:
        ring["bottom"] = np.s_[rows.stop : rows.stop + 1, columns]
    if columns.start > 0:
        ring["left"] = np.s_[rows, columns.start - 1 : columns.start]
    if columns.stop < shape[1]:
        ring["right"] = np.s_[rows, columns.stop : columns.stop + 1]
    return ring


def _number_pixels(labels: Labels, places: Iterable[Any]) -> int:
    """Give pixels of no seed a number of their own, so that nothing flows on from there."""
    highest = int(labels.max())
    for place in places:
        pixels = labels[place]
        is_free = pixels == 0
        count = np.count_nonzero(is_free)
        pixels[is_free] = np.arange(highest + 1, highest + 1 + count)
        highest += count
    return highest


def _find_basins_in(labels: Labels, core: Window, count: int) -> NDArray[np.bool_]:
    """Find which of so many basins, array (N,), have a pixel in a block."""
    (top, bottom), (left, right) = ((part.start, part.stop) for part in core)
    around = labels[:top], labels[bottom:], labels[:, :left], labels[:, right:]
    is_here = np.ones(count, bool)
    is_here[0] = False
    for pixels in around:  # those beyond that go on in it are at its rims
        is_here[pixels] = False
    for rim in RIMS.values():
        is_here[labels[top:bottom, left:right][rim]] = True
    return is_here


def _in_slice(
    places: NDArray[np.intp], width: int, corner: tuple[int, int], of_slice: int
) -> NDArray[np.int64]:
    """Count pixels through a slice of some width that are counted through a piece of it."""
    y, x = np.divmod(places, width)
    return np.asarray((y + corner[0]) * of_slice + x + corner[1], np.int64)


def _describe(labels: Labels, probability: Probability) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {"labels": narrow(labels)}
    for side, rim in RIMS.items():
        found |= {side: labels[rim].ravel(), f"p_{side}": probability[rim].ravel()}
    return found


def narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Give whole numbers the fewest bits that they fit in, which are the quickest to keep.

    An array (N,) or (Y, X) of int becomes one of unsigned int; one of float stays as it is.
    """
    if array.dtype.kind == "f":
        return array
    return array.astype(np.min_scalar_type(array.max(initial=0)), copy=False)


def grow_block(
    probability: Probability,
    core: Window,
    origin: tuple[int, int],
    width: int,
    threshold: float,
) -> dict[str, NDArray[Any]]:
    """Find the components of a block, grown into membranes.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1, of the block and what it sees around it.
    core, origin
        As of :func:`flood_block`.
    width : int
        The slice's, in pixels.
    threshold : float
        Connected regions below it are components.

    Returns
    -------
    dict
        ``labels``, ``first``, the rims and the probability there as of :func:`flood_block`.
        ``links`` (K, 3) of int64: a component, and row and column in the slice of a pixel of it in
        another block. ``is_seeded`` (): whether there is any. ``is_kept`` (Y, X) of bool: pixels
        that no border is drawn on.
    """
    rows, columns = (slice(part.start, part.stop) for part in core)
    inside = rows, columns
    seeds = label_neurons(probability < threshold)
    regions = fill_neurons(seeds)
    values = np.flatnonzero(np.bincount(regions[inside].ravel()))
    numbers = np.zeros(int(values.max()) + 1, np.int32)
    numbers[values] = np.arange(1, len(values) + 1)
    return _describe(numbers[regions[inside]], np.ascontiguousarray(probability[inside])) | {
        "first": _find_first(seeds, values, core, origin, width),
        "links": _find_links(seeds, values, core, origin),
        "is_seeded": np.array(seeds.any()),
        "is_kept": seeds[inside] > 0,
    }


def _find_first(
    seeds: Labels,
    values: NDArray[np.intp],
    core: Window,
    origin: tuple[int, int],
    width: int,
) -> NDArray[np.int64]:
    rows, columns = core
    block = seeds[rows.start : rows.stop, columns.start : columns.stop]
    numbers, places = _first_places(block)
    first = np.full(len(values) + 1, UNKNOWN, np.int64)
    corner = rows.start + origin[0], columns.start + origin[1]
    pixels = _in_slice(places, len(columns), corner, width)
    first[np.searchsorted(values, numbers) + 1] = pixels
    if not seeds.any():
        first[1] = (rows.start + origin[0]) * width + columns.start + origin[1]
    return first


def _find_links(
    seeds: Labels,
    values: NDArray[np.intp],
    core: Window,
    origin: tuple[int, int],
) -> NDArray[np.int64]:
    """Name seeds by a pixel of each of their parts in each of the blocks around."""
    cuts = [
        list(pairwise((0, part.start, part.stop, length)))
        for part, length in zip(core, seeds.shape, strict=True)
    ]
    links = [np.empty((0, 3), np.int64)]
    for (y, (top, bottom)), (x, (left, right)) in product(*map(enumerate, cuts)):
        piece = seeds[top:bottom, left:right]
        if (y, x) == (1, 1) or not piece.size:
            continue
        _, places = _first_places(label_neurons(piece > 0))
        of_window = piece.ravel()[places]
        is_ours = np.isin(of_window, values)
        rows, columns = np.divmod(places[is_ours], right - left)
        ours = np.searchsorted(values, of_window[is_ours]) + 1
        links.append(
            np.stack([ours, rows + top + origin[0], columns + left + origin[1]], 1).astype(np.int64)
        )
    return np.concatenate(links)


def _first_places(labels: Labels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The numbers in a piece (Y, X), and the first pixel of each, counted in the piece."""
    row = labels.ravel()
    is_other = np.ones(row.shape, bool)  # than the one before it
    np.not_equal(row[1:], row[:-1], out=is_other[1:])
    pixels = np.flatnonzero(is_other)[::-1]
    first = np.full(int(labels.max(initial=0)) + 1, -1, np.intp)
    first[row[pixels]] = pixels  # the last one that is written is the first in order
    first[0] = -1
    numbers = np.flatnonzero(first >= 0)
    return numbers, first[numbers]
