"""Pixels of blocks, by the numbers that their basins have in the slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.block_flood import FACES
from napari_unet.neurons.linking import REACH
from napari_unet.neurons.search_files import Arrays, Block, SearchFiles
from training.metrics.neuron_metrics import Labels

FRAME: dict[str, Any] = {
    "top": np.s_[0, 1:-1],
    "bottom": np.s_[-1, 1:-1],
    "left": np.s_[1:-1, 0],
    "right": np.s_[1:-1, -1],
}
"""The pixels around a block, in a page with one more on all sides, by side."""
_TABLES = 2 * (REACH + 1)  # that are kept in memory, each of a few bytes a basin


class FramedPage(NamedTuple):
    """A block with the pixels around it.

    Parameters
    ----------
    numbers : array (Y + 2, X + 2) of int32
        Where no block is beside it, those of its rim again.
    around : dict of arrays (N,) of float32
        The probability of membrane of the pixels around it, by the sides that a block is at.
    """

    numbers: Labels
    around: dict[str, NDArray[np.float32]]


class BlockPages:
    """Reads the basins of blocks; threads may ask it at once.

    Parameters
    ----------
    files : SearchFiles
    blocks : sequence of Block
        Those of a slice.
    """

    def __init__(self, files: SearchFiles, blocks: Sequence[Block]) -> None:
        self._files, self._blocks = files, blocks
        self._tables: dict[tuple[str, int], Arrays] = {}  # those that were read last

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockPages, (self._files, self._blocks)

    def table(self, kind: str, index: int) -> Arrays:
        """Read the arrays of a slice, of the shape and dtype they have."""
        found = self._tables.get((kind, index))
        if found is None:
            found = self._files.read(kind, index)
            for last in list(self._tables)[: 1 - _TABLES]:
                self._tables.pop(last, None)
            self._tables[kind, index] = found
        return found

    def basins(self, index: int, block: Block) -> NDArray[Any]:
        """Read the basins of a block, array (Y, X) of unsigned int, as they are numbered in it."""
        return self._files.open("basins", index, block)["labels"]

    def numbered(self, index: int, block: Block, numbers: NDArray[np.int32]) -> Labels:
        """Read a block (Y, X) of int32 by new numbers (N,) of int32 of its slice's basins."""
        first = self._start(index)[block] + 1
        return numbers[first:].take(self.basins(index, block) - 1)

    def framed(self, index: int, block: Block, numbers: NDArray[np.int32]) -> FramedPage:
        """Read a block (Y, X) of int32 as :meth:`numbered`, with the pixels around it."""
        page = np.pad(self.numbered(index, block, numbers), 1, mode="edge")
        start, around = self._start(index), {}
        for (down, right), side, other_side in FACES:
            for step, here, there in ((1, side, other_side), (-1, other_side, side)):
                beside = block[0] + step * down, block[1] + step * right
                if beside in start:
                    other = self._files.open("basins", index, beside)
                    page[FRAME[here]] = numbers[other[there].astype(np.intp) + start[beside]]
                    around[here] = other[f"p_{there}"]
        return FramedPage(page, around)

    def _start(self, index: int) -> dict[Block, int]:
        offsets = self.table("slices", index)["offsets"]
        return dict(zip(self._blocks, offsets.tolist(), strict=True))
