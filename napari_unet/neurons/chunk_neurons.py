"""Neurons of a stack of any size, found block by block, by run after run until they are whole.

Each step is a task by itself, whose file in the work folder says that it is done: basins of each
block, neurons of each slice (a union over the basins that blocks share, then joined and merged over
the whole slice), what each block shows of them, and numbers through the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.block_flood import UNKNOWN, flood_block, grow_block
from napari_unet.neurons.linking import (
    REACH,
    NeuronLinker,
    Overlaps,
    count_overlaps,
    weigh_pixels,
    weigh_regions,
)
from napari_unet.neurons.region_borders import Borders, borders_between, join_borders
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.search_files import Arrays, Block, SearchFiles
from napari_unet.neurons.segmentation import Segmentation
from napari_unet.neurons.watershed import join_basins
from training.metrics.neuron_metrics import Labels, part_neurons

SIDE = 1024  # pixels of a block along Y and X
HALO = 192  # pixels around it that components are seen in; the watershed needs one

Step = Literal["flood", "merge", "count"]
"""A method of :class:`ChunkNeurons` whose tasks do not wait for each other."""
_OF_PIXELS = ("labels", "is_kept", "weights")  # arrays as large as a block
_FACES = (((1, 0), "bottom", "top"), ((0, 1), "right", "left"))


class ChunkNeurons:
    """The search for the neurons of a stack. Can be pickled, so that any process takes a task.

    Call :meth:`flood` for all slices and blocks, then :meth:`merge` for all slices, then
    :meth:`count` for all slices and blocks, then :meth:`number`, then :meth:`read_block`. What is
    done already is not done again.

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
        self._probability, self._how = probability, how
        self._is_watershed = how.method == "watershed"
        self._is_linked, self._side = is_linked, side
        self._halo = 1 if self._is_watershed else min(halo, side)
        self.shape: tuple[int, int, int] = tuple(probability.shape)
        self._files = SearchFiles(folder)
        self._last: tuple[int, Arrays] | None = None  # slice that was read

    @cached_property
    def blocks(self) -> list[Block]:
        """Those of a slice."""
        rows, columns = (range(-(-length // self._side)) for length in self.shape[1:])
        return list(product(rows, columns))

    @property
    def tasks(self) -> list[tuple[int, Block]]:
        """Every block of every slice."""
        return list(product(range(self.shape[0]), self.blocks))

    def window(self, block: Block) -> tuple[range, range]:
        """Give the rows and columns of a block in its slice."""
        rows, columns = (
            range(number * self._side, min((number + 1) * self._side, length))
            for number, length in zip(block, self.shape[1:], strict=True)
        )
        return rows, columns

    def flood(self, task: tuple[int, Block]) -> None:
        """Find the basins of a block."""
        if self._files.has("basins", *task):
            return
        index, block = task
        core = self.window(block)
        seen = [
            range(max(part.start - self._halo, 0), min(part.stop + self._halo, length))
            for part, length in zip(core, self.shape[1:], strict=True)
        ]
        cut = tuple(slice(part.start, part.stop) for part in seen)
        page = np.asarray(self._probability[index, *cut], np.float32)
        origin = seen[0].start, seen[1].start
        rows, columns = (
            range(part.start - start, part.stop - start)
            for part, start in zip(core, origin, strict=True)
        )
        within = rows, columns
        if self._is_watershed:
            found = flood_block(page, within, origin, self.shape[1:], self._how.seeds)
        else:
            found = grow_block(page, within, origin, self.shape[2], self._how.threshold)
        if self._is_linked:
            inside = tuple(slice(part.start, part.stop) for part in within)
            found["weights"] = weigh_pixels(page[inside])
        self._files.write("basins", index, block, **found)

    def is_flooded(self, index: int) -> bool:
        """Whether all basins of a slice are found: then nobody reads its probability again."""
        return all(self._files.has("basins", index, block) for block in self.blocks)

    def merge(self, index: int) -> None:
        """Find the neurons of a slice, whose blocks are flooded."""
        if self.is_merged(index):
            return
        first, links, parts, offsets = self._join(index)
        joined = _union(links, len(first))
        earliest = np.full(int(joined.max()) + 1, UNKNOWN, np.int64)
        np.minimum.at(earliest, joined, first)
        # In the order of their first pixels, as those of a whole slice are numbered.
        order = np.empty(len(earliest), np.int64)
        order[np.argsort(earliest, kind="stable")] = np.arange(len(earliest)) + 1
        basins = order[joined]
        borders = join_borders(parts, basins)
        del parts
        seeds = int(np.count_nonzero(earliest < self.shape[1] * self.shape[2]))
        regions = join_basins(borders, seeds, len(earliest))
        borders = join_borders([borders], regions)
        [neurons] = merge_regions(max(seeds, 1), borders, [self._how.threshold])
        self._files.write("slices", index, numbers=neurons[regions[basins]], offsets=offsets)

    def is_merged(self, index: int) -> bool:
        """Whether the neurons of a slice are found."""
        return self._files.has("slices", index)

    def count(self, task: tuple[int, Block]) -> None:
        """Weigh the regions of a block, and what they share with those of the next slices."""
        if self._files.has("counts", *task):
            return
        index, block = task
        page, weights = self._bordered(index, block), self._weights(index, block)
        found = {"sizes": weigh_regions(page, weights)}
        for distance in self._reach(index):
            after = index + distance
            others = self._bordered(after, block), self._weights(after, block)
            found |= _named(count_overlaps(page, others[0], weights, others[1]), distance)
        self._files.write("counts", index, block, **found)

    def number(self) -> int:
        """Number the neurons of all slices; give their number.

        What was weighed is in memory, no pixels. Regions that borders cover get none.
        """
        linker = NeuronLinker()
        waiting: dict[tuple[int, int], Overlaps] = {}  # by the earlier slice and the distance
        for index in range(self.shape[0]):
            counts = [self._files.read("counts", index, block) for block in self.blocks]
            sizes = np.zeros(max(len(found["sizes"]) for found in counts), np.int64)
            for found in counts:
                sizes[: len(found["sizes"])] += found["sizes"]
            before = range(1, min(REACH, index) + 1) if self._is_linked else ()
            linker.add(sizes, [waiting.pop((index - far, far)) for far in before])
            waiting |= {(index, far): _overlaps(counts, far) for far in self._reach(index)}
        numbers = linker.numbers()
        for index, of_slice in enumerate(numbers):
            if not self._files.has("numbers", index):
                self._files.write("numbers", index, numbers=of_slice)
        return max(int(of_slice.max()) for of_slice in numbers)

    def _weights(self, index: int, block: Block) -> NDArray[np.uint8]:
        """Read the weights of a block's pixels (Y, X); unlinked, all count the same."""
        found = self._files.open("basins", index, block)
        return found["weights"] if self._is_linked else np.ones(found["labels"].shape, np.uint8)

    def _reach(self, index: int) -> range:
        """How far the slices are after this one that its regions may be linked with."""
        after = self.shape[0] - 1 - index
        return range(1, min(REACH, after) + 1) if self._is_linked else range(0)

    def read_block(self, index: int, block: Block) -> NDArray[np.int64]:
        """Read a block: array (Y, X) of int64, the numbers of its neurons; 0 are borders."""
        numbers = self._files.read("numbers", index)["numbers"]
        found: NDArray[np.int64] = numbers[self._bordered(index, block)]
        return found

    def _join(
        self, index: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Borders], NDArray[np.int64]]:
        """Put the basins of all blocks of a slice side by side: first, links, borders, offsets."""
        basins = {
            block: {name: found[name] for name in found if name not in _OF_PIXELS}
            for block in self.blocks
            for found in [self._files.open("basins", index, block)]
        }
        counts = [len(found["first"]) - 1 for found in basins.values()]
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]) - 1  # basin 1 is node 0
        start = dict(zip(self.blocks, offsets.tolist(), strict=True))
        first = np.concatenate([found["first"][1:] for found in basins.values()])
        links, borders = [np.empty((0, 2), np.int64)], [Borders.none()]
        if not self._is_watershed:
            links += self._links_of_components(index, basins, start)
        for block, found in basins.items():
            if self._is_watershed:
                numbers = start[block] + np.arange(len(found["first"]))
                here = Borders(*(found[name] for name in Borders._fields))
                borders.append(here._replace(low=numbers[here.low], high=numbers[here.high]))
            for (down, right), side, other_side in _FACES:
                beside = block[0] + down, block[1] + right
                if beside not in basins:
                    continue
                other = basins[beside]
                rims = (
                    found[side].astype(np.int64) + start[block],
                    other[other_side].astype(np.int64) + start[beside],
                )
                if self._is_watershed:
                    borders.append(
                        borders_between(*rims, found[f"p_{side}"], other[f"p_{other_side}"])
                    )
                    goes_on = found[f"beyond_{side}"], other[f"beyond_{other_side}"]
                    links += [
                        np.stack([there[ours > 0], ours[ours > 0] + first_of], 1)
                        for ours, first_of, there in zip(
                            goes_on, (start[block], start[beside]), reversed(rims), strict=True
                        )
                    ]
                elif not (found["is_seeded"] or other["is_seeded"]):
                    links.append(np.stack([rim[:1] for rim in rims], 1))
        return first, np.concatenate(links), borders, offsets

    def _links_of_components(
        self, index: int, blocks: Mapping[Block, Arrays], start: Mapping[Block, int]
    ) -> list[NDArray[np.int64]]:
        """Find the components of different blocks that are the same, pairs (K, 2)."""
        seen = np.concatenate(
            [found["links"] + [start[block], 0, 0] for block, found in blocks.items()]
        )
        owners = seen[:, 1:] // self._side
        links = []
        for block in blocks:
            ours = seen[(owners == block).all(axis=1)]
            corner = [part.start for part in self.window(block)]
            y, x = (ours[:, 1:] - corner).T
            labels = self._files.open("basins", index, block)["labels"]
            theirs = labels[y, x].astype(np.int64) + start[block]
            links.append(np.stack([ours[:, 0], theirs], 1))
        return links

    def _read_slice(self, index: int) -> Arrays:
        last = self._last
        if last is None or last[0] != index:
            last = self._last = index, self._files.read("slices", index)
        return last[1]

    def _bordered(self, index: int, block: Block) -> Labels:
        """Read a block (Y, X) of the neurons of a slice, with borders between them."""
        merged = self._read_slice(index)
        offsets = dict(zip(self.blocks, merged["offsets"].tolist(), strict=True))
        found = self._files.open("basins", index, block)
        numbers = merged["numbers"].take(found["labels"].astype(np.intp) + offsets[block])
        page = np.pad(numbers, 1, mode="edge")
        has_kept = self._how.method == "components"
        is_kept = np.pad(found["is_kept"], 1, mode="edge") if has_kept else None
        frame = {"bottom": np.s_[-1, 1:-1], "right": np.s_[1:-1, -1]}
        frame |= {"top": np.s_[0, 1:-1], "left": np.s_[1:-1, 0]}
        for (down, right), side, other_side in _FACES:
            for step, here, there in ((1, side, other_side), (-1, other_side, side)):
                beside = block[0] + step * down, block[1] + step * right
                if beside not in offsets:
                    continue
                other = self._files.open("basins", index, beside)
                rim = other[there].astype(np.intp) + offsets[beside]
                page[frame[here]] = merged["numbers"][rim]
                if is_kept is not None:
                    is_kept[frame[here]] = other[f"p_{there}"] < self._how.threshold
        return part_neurons(page, is_kept)[1:-1, 1:-1]


@dataclass(frozen=True)
class SearchStep:
    """A step of a search, for a process that does its tasks; see :class:`cluster.Work`."""

    search: ChunkNeurons
    step: Step

    @contextmanager
    def open(self, threads: int) -> Iterator[Callable[[Any], None]]:
        """Give what does a task."""
        yield getattr(self.search, self.step)


def slices_of(search: ChunkNeurons) -> Iterator[Labels]:
    """Put the numbered blocks of a search together, slice by slice: arrays (Y, X) of int64."""
    for index in range(search.shape[0]):
        page = np.zeros(search.shape[1:], np.int64)
        for block in search.blocks:
            rows, columns = search.window(block)
            page[rows.start : rows.stop, columns.start : columns.stop] = search.read_block(
                index, block
            )
        yield page


def _union(links: NDArray[np.int64], count: int) -> NDArray[np.intp]:
    """Find which of a number of basins are one (count,), by pairs (K, 2) that are the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (count, count))
    _, joined = connected_components(graph, directed=False)
    return np.asarray(joined, np.intp)


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
