"""The basins of all blocks of a slice, joined to the regions of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.block_flood import FACES, UNKNOWN
from napari_unet.neurons.region_borders import Borders, borders_between, join_borders
from napari_unet.neurons.search_files import Arrays, Block
from napari_unet.neurons.watershed import find_roots, join_basins


@dataclass(frozen=True)
class JoinedBasins:
    """The regions of a slice.

    Parameters
    ----------
    regions : array (N,) of int32
        The region of each basin: those of the first block, from its basin 1 on, and then those of
        the next ones. From 1, in the order of the regions' first pixels, as in a whole slice.
    offsets : array (B,) of int64
        What is added to the basins of each block to find them there.
    count : int
        How many regions there are.
    borders : Borders
        Those between them.
    """

    regions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    count: int
    borders: Borders


def join_blocks(
    blocks: Mapping[Block, Arrays],
    pixels: int,
    levels: Sequence[float],
    side: int = 0,
    labels_of: Callable[[Block], NDArray[Any]] | None = None,
) -> JoinedBasins:
    """Join the basins of all blocks.

    Parameters
    ----------
    blocks : mapping of Block to mapping of arrays
        Of each block what was found of its basins, or of its components, but its pixels.
    pixels : int
        Those of the slice.
    levels : sequence of float
        As of :func:`~napari_unet.neurons.watershed.flood`.
    side, labels_of
        Pixels of a block's side, and what reads the components of one, array (Y, X) of unsigned
        int; None: they are basins.
    """
    start = _start(blocks)
    first = np.concatenate([found["first"][1:] for found in blocks.values()])
    links, parts = [np.empty((0, 2), np.int64)], [Borders.none()]
    if labels_of is None:
        _join_basins(blocks, start, links, parts)
    else:
        links += _links_of_components(blocks, start, side, labels_of)
    joined = _union(np.concatenate(links), len(first))
    earliest = np.full(int(joined.max()) + 1, UNKNOWN, np.int64)
    np.minimum.at(earliest, joined, first)
    # In the order of their first pixels, as those of a whole slice are numbered.
    order = np.empty(len(earliest), np.int64)
    order[np.argsort(earliest, kind="stable")] = np.arange(len(earliest)) + 1
    basins = order[joined]
    borders = join_borders(parts, basins)
    del parts
    seeds = int(np.count_nonzero(earliest < pixels))
    lowest = np.ones(len(earliest), np.float32)
    if labels_of is None:
        within = [found["lowest_within"][1:] for found in blocks.values()]
        np.minimum.at(lowest, basins - 1, np.concatenate(within))
    roots = find_roots(borders, seeds, lowest[seeds:], levels[1:])
    regions = join_basins(borders, roots, len(earliest))
    borders = join_borders([borders], regions)
    offsets = np.array(list(start.values()), np.int64)
    return JoinedBasins(regions[basins], offsets, max(len(roots), 1), borders)


def _start(blocks: Mapping[Block, Arrays]) -> dict[Block, int]:
    """Find what is added to the basins of each block so that the first of all is 0."""
    counts = [len(found["first"]) - 1 for found in blocks.values()]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]) - 1
    return dict(zip(blocks, offsets.tolist(), strict=True))


def _join_basins(
    blocks: Mapping[Block, Arrays],
    start: Mapping[Block, int],
    links: list[NDArray[np.int64]],
    borders: list[Borders],
) -> None:
    """Add pairs (K, 2) of basins of different blocks that are the same, and the borders."""
    for block, found in blocks.items():
        numbers = start[block] + np.arange(len(found["first"]))
        here = Borders(*(found[name] for name in Borders._fields))
        borders.append(here._replace(low=numbers[here.low], high=numbers[here.high]))
        for side, other_side, beside in _faces(blocks, block):
            other = blocks[beside]
            rims = _rims(blocks, start, block, side, beside, other_side)
            borders.append(borders_between(*rims, found[f"p_{side}"], other[f"p_{other_side}"]))
            goes_on = found[f"beyond_{side}"], other[f"beyond_{other_side}"]
            links += [
                np.stack([there[ours > 0], ours[ours > 0] + first_of], 1)
                for ours, first_of, there in zip(
                    goes_on, (start[block], start[beside]), reversed(rims), strict=True
                )
            ]


def _links_of_components(
    blocks: Mapping[Block, Arrays],
    start: Mapping[Block, int],
    length: int,
    labels_of: Callable[[Block], NDArray[Any]],
) -> list[NDArray[np.int64]]:
    """Find the components of different blocks that are the same, pairs (K, 2)."""
    seen = np.concatenate(
        [found["links"] + [start[block], 0, 0] for block, found in blocks.items()]
    )
    owners = seen[:, 1:] // length
    links = []
    for block, found in blocks.items():
        ours = seen[(owners == block).all(axis=1)]
        y, x = (ours[:, 1:] - np.multiply(block, length)).T
        theirs = labels_of(block)[y, x].astype(np.int64) + start[block]
        links.append(np.stack([ours[:, 0], theirs], 1))
        for side, other_side, beside in _faces(blocks, block):
            if not (found["is_seeded"] or blocks[beside]["is_seeded"]):
                rims = _rims(blocks, start, block, side, beside, other_side)
                links.append(np.stack([rim[:1] for rim in rims], 1))
    return links


def _faces(blocks: Mapping[Block, Arrays], block: Block) -> list[tuple[str, str, Block]]:
    """Give the sides of a block, below and on the right, that another one lies at."""
    faces = [
        (side, other_side, (block[0] + down, block[1] + right))
        for (down, right), side, other_side in FACES
    ]
    return [face for face in faces if face[2] in blocks]


def _rims(
    blocks: Mapping[Block, Arrays],
    start: Mapping[Block, int],
    block: Block,
    side: str,
    beside: Block,
    other_side: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the basins on both sides of a face."""
    return (
        blocks[block][side].astype(np.int64) + start[block],
        blocks[beside][other_side].astype(np.int64) + start[beside],
    )


def _union(links: NDArray[np.int64], count: int) -> NDArray[np.intp]:
    """Find which of a number of basins are one (count,), by pairs (K, 2) that are the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (count, count))
    _, joined = connected_components(graph, directed=False)
    return np.asarray(joined, np.intp)
