"""Neurons of a stack of any size, found block by block, by run after run until they are whole.

Each step is a task by itself, whose file in the work folder says that it is done: basins of each
block, regions of each slice (a union over the basins that blocks share, then joined and merged over
the whole slice), where merges are learned what each block shows of their borders and the neurons
that follow, these as each block shows them, what they share if they are linked, and numbers through
the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.block_flood import flood_block, grow_block, narrow
from napari_unet.neurons.block_joining import join_blocks
from napari_unet.neurons.block_pages import FRAME, BlockPages
from napari_unet.neurons.border_features import CONTEXT, SEEDS, features_of
from napari_unet.neurons.border_tables import BorderTable, describe_borders, join_tables
from napari_unet.neurons.linking import (
    REACH,
    NeuronLinker,
    Overlaps,
    count_overlaps,
    weigh_pixels,
    weigh_regions,
)
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.search_files import Arrays, Block, SearchFiles
from napari_unet.neurons.segmentation import Segmentation, merge_numbers
from training.errors import UserError
from training.metrics.neuron_metrics import Labels, part_neurons
from training.model.slice_view import cut_window, grow_window
from training.stacks.windows import Window

SIDE = 1024  # pixels of a block along Y and X
HALO = 192  # pixels around it that components are seen in; the watershed needs one

Step = Literal["flood", "join", "describe", "merge", "draw", "count", "add_up"]
"""A method of :class:`ChunkNeurons` whose tasks do not wait for each other."""
_OF_PIXELS = ("labels", "is_kept", "weights")  # arrays as large as a block


class ChunkNeurons:
    """The search for the neurons of a stack. Can be pickled, so that any process takes a task.

    Call :meth:`flood` for all slices and blocks, then :meth:`join` for all slices; where
    :attr:`is_learned` :meth:`describe` for all slices and blocks, and :meth:`merge` for all slices;
    then :meth:`draw` for all slices and blocks, and :meth:`count` for all if they are linked; then
    :meth:`add_up` for all slices, then :meth:`number`, then :meth:`read_block`. What is done
    already is not done again.

    Parameters
    ----------
    folder : Path
        Where what is found on the way is kept. Made if it is missing.
    probability : array (Z, Y, X) of float32
        Probability of membrane, 0..1; may be a Zarr array.
    how : Segmentation
    is_linked : bool
        Link regions to neurons, as :class:`linking.StackLinker` does.
    side, halo : int
        Pixels of a block, and around it; the halo, of components alone, is at most the side.

    Attributes
    ----------
    is_learned : bool
        Whether merges that were learned decide: not in a slice that has none beside.
    is_linked : bool
        As given.
    """

    def __init__(
        self,
        folder: Path,
        probability: Any,
        how: Segmentation,
        is_linked: bool = False,
        side: int = SIDE,
        halo: int = HALO,
    ) -> None:
        self._probability, self._how = probability, replace(how, merges=None)
        self.shape: tuple[int, int, int] = tuple(probability.shape)
        self._merges = how.merges if self.shape[0] > 1 else None
        self.is_learned = self._merges is not None
        self._is_watershed = how.method == "watershed"
        self.is_linked, self._side = is_linked, side
        self._halo = 1 if self._is_watershed else min(halo, side)
        self._files = SearchFiles(folder)
        self._pages = BlockPages(self._files, self.blocks)
        self._merges_file = folder / "merges.npz"
        if self._merges is not None and not self._merges_file.exists():
            self._merges.write(self._merges_file)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out merges, which are large, and which other processes read from their file."""
        return self.__dict__ | {"_merges": None}

    @property
    def _levels(self) -> tuple[float, ...]:
        """Below which probability seeds are."""
        return SEEDS if self.is_learned else (self._how.seeds,)

    @cached_property
    def blocks(self) -> list[Block]:
        """Those of a slice."""
        rows, columns = (range(-(-length // self._side)) for length in self.shape[1:])
        return list(product(rows, columns))

    @property
    def tasks(self) -> list[tuple[int, Block]]:
        """Every block of every slice."""
        return list(product(range(self.shape[0]), self.blocks))

    def window(self, block: Block) -> Window:
        """Give the rows and columns of a block in its slice."""
        rows, columns = (
            range(number * self._side, min((number + 1) * self._side, length))
            for number, length in zip(block, self.shape[1:], strict=True)
        )
        return rows, columns

    def flood(self, task: tuple[int, Block]) -> None:
        """Find the basins of a block."""
        index, block = task
        if self._is_flooded(index, block):
            return
        core = self.window(block)
        seen = grow_window(core, self._halo, self.shape[1:])
        cut = tuple(slice(part.start, part.stop) for part in seen)
        page = np.asarray(self._probability[index, *cut], np.float32)
        origin = seen[0].start, seen[1].start
        rows, columns = (
            range(part.start - start, part.stop - start)
            for part, start in zip(core, origin, strict=True)
        )
        within = rows, columns
        if self._is_watershed:
            found = flood_block(page, within, origin, self.shape[1:], self._levels)
        else:
            found = grow_block(page, within, origin, self.shape[2], self._how.threshold)
        inside = cut_window(page, within)
        if self.is_linked:
            found["weights"] = weigh_pixels(inside)
        if self.is_learned:
            self._files.write("pixels", index, block, probability=inside)
        self._files.write("basins", index, block, **found)

    def is_flooded(self, index: int) -> bool:
        """Whether all basins of a slice are found: then nobody reads its probability again."""
        return all(self._is_flooded(index, block) for block in self.blocks)

    def _is_flooded(self, index: int, block: Block) -> bool:
        return self._files.has("basins", index, block) and (
            self._files.has("pixels", index, block) or not self._needs_pixels(index, block)
        )

    def join(self, index: int) -> None:
        """Find the regions of a slice, whose blocks are flooded, merged by the threshold."""
        if self.is_joined(index):
            return
        basins = {
            block: {name: found[name] for name in found if name not in _OF_PIXELS}
            for block in self.blocks
            for found in [self._files.open("basins", index, block)]
        }
        components = None if self._is_watershed else partial(self._pages.basins, index)
        pixels = self.shape[1] * self.shape[2]
        joined = join_blocks(basins, pixels, self._levels, self._side, components)
        threshold = CONTEXT if self.is_learned else self._how.threshold
        [merged] = merge_regions(joined.count, joined.borders, [threshold])
        numbers = {"numbers": merged[joined.regions]}
        if self.is_learned:
            numbers["regions"] = joined.regions
        self._files.write("slices", index, None, offsets=joined.offsets, **numbers)

    def is_joined(self, index: int) -> bool:
        """Whether the regions of a slice are found."""
        return self._files.has("slices", index)

    def near(self, index: int) -> range:
        """Give a slice and those beside it."""
        return range(max(index - 1, 0), min(index + 2, self.shape[0]))

    def can_describe(self, index: int) -> bool:
        """Whether the regions of a slice and of those beside it are found."""
        return all(map(self.is_joined, self.near(index)))

    def describe(self, task: tuple[int, Block]) -> None:
        """Describe the borders of the regions of a block, between those of the slices beside."""
        index, block = task
        if self._files.has("borders", index, block):
            return
        others = [other for other in self.near(index) if other != index]
        try:
            here, *there = (self._pixels(other, block) for other in (index, *others))
        except UserError:
            if self._files.has("borders", index, block):  # by another process, meanwhile
                return
            raise
        framed = self._pages.framed(index, block, self._pages.table("slices", index)["regions"])
        beside = [
            (
                page,
                self._pages.numbered(other, block, self._pages.table("slices", other)["numbers"]),
            )
            for other, page in zip(others, there, strict=True)
        ]
        corner = block[0] * self._side, block[1] * self._side
        probability = np.pad(here, 1, mode="edge")
        for side, values in framed.around.items():
            probability[FRAME[side]] = values
        inner = np.s_[1:, 1:]
        found = describe_borders(framed.numbers[inner], probability[inner], beside, corner)
        self._files.write("borders", index, block, **found._asdict())
        for other in self.near(index):
            if not self._needs_pixels(other, block):
                self._files.delete("pixels", other, block)

    def merge(self, index: int) -> None:
        """Find the neurons of a slice, whose blocks are described, by learned merges."""
        if not self.is_learned or self.is_merged(index):
            return
        if self._merges is None:
            self._merges = MergeForest.read(self._merges_file)
        parts = [BorderTable(**self._files.read("borders", index, block)) for block in self.blocks]
        regions = self._pages.table("slices", index)["regions"]
        count = int(regions.max())
        numbers = merge_numbers(count, *features_of(join_tables(parts)), self._merges)
        self._files.write("merged", index, numbers=numbers[regions])

    def is_merged(self, index: int) -> bool:
        """Whether the neurons of a slice are found."""
        return self._files.has(self._found, index)

    @property
    def _found(self) -> str:
        """The files that say which neurons basins are of."""
        return "merged" if self.is_learned else "slices"

    def draw(self, task: tuple[int, Block]) -> None:
        """Draw the borders of the neurons of a block, whose slice is merged, and weigh them."""
        index, block = task
        if self._files.has("drawn", index, block):
            return
        page = self._bordered(index, block)
        weights = self._weights(index, block) if self.is_linked else None
        sizes = weigh_regions(page, weights)
        self._files.write("drawn", index, block, neurons=narrow(page), sizes=sizes)

    def count(self, task: tuple[int, Block]) -> None:
        """Count what the neurons of a block share with those of the next slices."""
        if self._files.has("counts", *task):
            return
        index, block = task
        page, weights = self._drawn(index, block), self._weights(index, block)
        found: dict[str, NDArray[np.int64]] = {}
        for distance in self._reach(index):
            after = index + distance
            others = self._drawn(after, block), self._weights(after, block)
            found |= _named(count_overlaps(page, others[0], weights, others[1]), distance)
        self._files.write("counts", index, block, **found)

    def add_up(self, index: int) -> None:
        """Add up what was weighed in the blocks of a slice."""
        if self._files.has("sums", index):
            return
        drawn = [self._files.open("drawn", index, block)["sizes"] for block in self.blocks]
        sizes = np.zeros(max(map(len, drawn)), np.int64)
        for found in drawn:
            sizes[: len(found)] += found
        sums = {"sizes": sizes}
        blocks = self.blocks if self.is_linked else []
        counts = [self._files.read("counts", index, block) for block in blocks]
        for distance in self._reach(index):
            sums |= _named(_overlaps(counts, distance), distance)
        self._files.write("sums", index, None, **sums)

    def number(self) -> int:
        """Number the neurons of all slices; give their number.

        What was weighed is in memory, no pixels. Regions that borders cover get none.
        """
        linker = NeuronLinker()
        waiting: dict[tuple[int, int], Overlaps] = {}  # by the earlier slice and the distance
        for index in range(self.shape[0]):
            found = self._files.read("sums", index)
            before = range(1, min(REACH, index) + 1) if self.is_linked else ()
            linker.add(found["sizes"], [waiting.pop((index - far, far)) for far in before])
            waiting |= {(index, far): _overlaps([found], far) for far in self._reach(index)}
        numbers = linker.numbers()
        for index, of_slice in enumerate(numbers):
            if not self._files.has("numbers", index):
                self._files.write("numbers", index, numbers=narrow(of_slice))
        return max(int(of_slice.max()) for of_slice in numbers)

    @property
    def is_numbered(self) -> bool:
        """Whether the neurons of all slices have their numbers."""
        return self._files.has("numbers", self.shape[0] - 1)

    def _weights(self, index: int, block: Block) -> NDArray[np.uint8]:
        """Read the weights of a block's pixels (Y, X)."""
        return self._files.open("basins", index, block)["weights"]

    def _drawn(self, index: int, block: Block) -> NDArray[Any]:
        """Read a block (Y, X) of unsigned int: the neurons of its slice, with borders."""
        return self._files.open("drawn", index, block)["neurons"]

    def _reach(self, index: int) -> range:
        """How far the slices are after this one that its regions may be linked with."""
        after = self.shape[0] - 1 - index
        return range(1, min(REACH, after) + 1) if self.is_linked else range(0)

    def read_block(self, index: int, block: Block) -> NDArray[Any]:
        """Read a block: array (Y, X) of unsigned int, its neurons' numbers; 0 are borders."""
        return self._pages.table("numbers", index)["numbers"].take(self._drawn(index, block))

    def _needs_pixels(self, index: int, block: Block) -> bool:
        """Whether borders are still to be described by a block's probability."""
        return self.is_learned and not all(
            self._files.has("borders", other, block) for other in self.near(index)
        )

    def _pixels(self, index: int, block: Block) -> NDArray[np.float32]:
        return self._files.read("pixels", index, block)["probability"]

    def _bordered(self, index: int, block: Block) -> Labels:
        """Find the neurons of a block (Y, X), with borders between them."""
        merged = self._pages.table(self._found, index)
        framed = self._pages.framed(index, block, merged["numbers"])
        is_kept = None
        if self._how.method == "components":
            found = self._files.open("basins", index, block)
            is_kept = np.pad(found["is_kept"], 1, mode="edge")
            for side, values in framed.around.items():
                is_kept[FRAME[side]] = values < self._how.threshold
        return part_neurons(framed.numbers, is_kept)[1:-1, 1:-1]


@dataclass(frozen=True)
class SearchStep:
    """A step of a search, for a process that does its tasks; see :class:`cluster.Work`."""

    search: ChunkNeurons
    step: Step

    @contextmanager
    def open(self, threads: int) -> Iterator[Callable[[Any], None]]:
        """Give what does a task."""
        yield getattr(self.search, self.step)


def _named(overlaps: Overlaps, distance: int) -> dict[str, NDArray[np.int64]]:
    """Give overlaps the names of arrays in a file, one number a pair."""
    pairs = overlaps.earlier << 32 | overlaps.later
    return {f"pairs_{distance}": pairs, f"shared_{distance}": overlaps.shared}


def _overlaps(counts: Sequence[Arrays], distance: int) -> Overlaps:
    """Add up what :func:`_named` named."""
    found = [[each[f"{name}_{distance}"] for each in counts] for name in ("pairs", "shared")]
    pairs, places = np.unique(np.concatenate(found[0]), return_inverse=True)
    shared = np.zeros(len(pairs), np.int64)
    np.add.at(shared, places, np.concatenate(found[1]))
    return Overlaps(pairs >> 32, pairs & 0xFFFFFFFF, shared)
