"""One block of a slice, flooded with what lies around it, to be joined with its neighbours.

A seed that a block sees in the core of another is named by a pixel there: so both are known to
be the same, wherever blocks cut it, and basins are those of the whole slice but where a seed lies
farther away than a block sees.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.region_borders import find_borders
from napari_unet.neurons.segmentation import Probability, Segmentation
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import Labels, fill_neurons, label_neurons

UNKNOWN = np.iinfo(np.int64).max
RIMS: dict[str, Any] = {
    "top": np.s_[:1],
    "bottom": np.s_[-1:],
    "left": np.s_[:, :1],
    "right": np.s_[:, -1:],
}
"""The outermost pixels of a block (Y, X), by side."""


def flood_block(
    probability: Probability,
    core: tuple[range, range],
    origin: tuple[int, int],
    width: int,
    how: Segmentation,
) -> dict[str, NDArray[Any]]:
    """Find the basins of a block, and all by which they are joined with those of its neighbours.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1, of the block and what lies around it.
    core : tuple of range
        Rows and columns of the block in it.
    origin : tuple of int
        Row and column of its first pixel in the slice.
    width : int
        The slice's, in pixels.
    how : Segmentation

    Returns
    -------
    dict
        ``labels`` (Y, X) of int32: the block's basins, from 1 to N. ``first`` (N + 1,) of int64:
        the first pixel of each one's seed within the block, counted through the slice; UNKNOWN
        where it has none. ``links`` (K, 3) of int64: a basin, and row and column in the slice of
        a pixel of its seed in another block. ``is_seeded`` (): whether there is any seed.
        ``low``, ``high``, ``strength``, ``length``: the borders within the block, or, of
        components, ``is_kept`` (Y, X) of bool: pixels that no border is drawn on. ``top``,
        ``bottom``, ``left``, ``right``: its rims; ``p_top``... the probability there.
    """
    is_watershed = how.method == "watershed"
    rows, columns = (slice(part.start, part.stop) for part in core)
    inside = rows, columns
    seeds = label_neurons(probability < (how.seeds if is_watershed else how.threshold))
    is_seeded = bool(seeds.any())
    if not is_seeded:
        regions = np.ones_like(seeds)
    else:
        regions = flood(probability, how.seeds).regions if is_watershed else fill_neurons(seeds)
    values = np.flatnonzero(np.bincount(regions[inside].ravel()))
    numbers = np.zeros(int(values.max()) + 1, np.int32)
    numbers[values] = np.arange(1, len(values) + 1)
    labels = numbers[regions[inside]]
    seen = np.ascontiguousarray(probability[inside])
    found: dict[str, NDArray[Any]] = {
        "labels": labels,
        "first": _find_first(seeds, values, core, origin, width),
        "links": _find_links(seeds, values, core, origin),
        "is_seeded": np.array(is_seeded),
    }
    if is_watershed:
        found |= find_borders(labels, seen)._asdict()
    else:
        found["is_kept"] = seeds[inside] > 0
    for side, rim in RIMS.items():
        found |= {side: labels[rim].ravel(), f"p_{side}": seen[rim].ravel()}
    return found


def _find_first(
    seeds: Labels,
    values: NDArray[np.intp],
    core: tuple[range, range],
    origin: tuple[int, int],
    width: int,
) -> NDArray[np.int64]:
    rows, columns = core
    block = seeds[rows.start : rows.stop, columns.start : columns.stop]
    numbers, places = _first_places(block)
    y, x = np.divmod(places, len(columns))
    first = np.full(len(values) + 1, UNKNOWN, np.int64)
    pixels = (y + rows.start + origin[0]) * width + x + columns.start + origin[1]
    first[np.searchsorted(values, numbers) + 1] = pixels
    if not seeds.any():
        first[1] = (rows.start + origin[0]) * width + columns.start + origin[1]
    return first


def _find_links(
    seeds: Labels,
    values: NDArray[np.intp],
    core: tuple[range, range],
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
    pixels = np.flatnonzero(labels)[::-1]
    first = np.full(int(labels.max(initial=0)) + 1, -1, np.intp)
    first[labels.ravel()[pixels]] = pixels  # the last one that is written is the first in order
    numbers = np.flatnonzero(first >= 0)
    return numbers, first[numbers]
