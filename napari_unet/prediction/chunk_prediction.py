"""A stack predicted into Zarr folders chunk by chunk, by run after run until they are whole."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.chunk_record import (
    check_same,
    edit_warning,
    read_how,
    write_how,
)
from napari_unet.prediction.predictor import Predictor
from training.console import list_names
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.formats.file_times import file_times
from training.formats.stack import Stack
from training.masks.result_files import SliceResult
from training.masks.result_warnings import share_warning
from training.masks.shares import WHOLE, Share
from training.masks.zarr_image import CHUNK
from training.model.slice_view import SliceView
from training.model.stack_part import StackPart
from training.model.stack_scale import card_for
from training.model.tiling import tile_starts
from training.resources.limits import memory_to_take
from training.stacks.intensities import Membranes
from training.stacks.padding import find_any_padding
from training.stacks.windows import Window

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

GIBI = 2**30
_PROGRAM = GIBI // 4  # bytes of this process without pixels
_PART_PIXEL = 40  # bytes that a part takes for each of its pixels, the network's included
_MOST_TOLD = 8  # parts that could not be predicted


class PartlyDoneError(UserError):
    """Some parts of a stack could not be predicted; all others were."""


@dataclass(frozen=True)
class Outcome:
    """What became of parts of a stack.

    Parameters
    ----------
    failures : tuple of str
        Where one could not be predicted, and why.
    membrane, pixels : int
        Pixels of the others that are membrane, and all of them.
    """

    failures: tuple[str, ...] = ()
    membrane: int = 0
    pixels: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.failures + other.failures,
            self.membrane + other.membrane,
            self.pixels + other.pixels,
        )


class ChunkPrediction:
    """The prediction of a part of a stack, as far as earlier runs have not done it.

    Go through it, or have other processes :meth:`predict_batch`, and :meth:`take` what became of
    them; then :meth:`finish_if_whole`. Each step is a part of a slice, as large as the tiles of the
    network that make up chunks of the results. Where none do, as of slices that are resized or
    turned, it is the whole slice, or bands of its rows where that takes too much memory.

    Parameters
    ----------
    predictor : Predictor
    stack : Stack
        Stays open until the last part was predicted.
    part : StackPart
        What is predicted.
    zoom : tuple of float
        Factors (Y, X) by which a slice is resized.
    membranes : Membranes
        Those of the stack.
    results : mapping of str to ZarrChunks
        By kind; held by this process.
    make : callable
        From a probability of membrane (Y, X), or of classes (C, Y, X), to what is written.
    record : dict
        What the results depend on, by :func:`describe_job`, to refuse going on with others.
    memory : float or None
        Bytes that the process may take; None: half of what is free.
    share : Share
        Which of the slices it does.

    Attributes
    ----------
    note, warning : str
        As of :class:`PartPrediction`; where an earlier run has said it, the warning is of a stack
        that may have been edited since.
    predictor, stack
        As given.
    card : ModelCard
        The model's.
    folders : list of Path
        Where the results are until they are whole.
    turns : list of str
        Of the results, see :meth:`ZarrChunks.help`.
    slices : range
        Those that it does, of the part's.
    record : dict
        What the results say of how they are made, but their kinds.
    memory : float
        Bytes that the process may take.
    done : int
        Parts of them that earlier runs had done when it was asked for first.

    Raises
    ------
    UserError
        If earlier runs had another model, another stack or other options; if a slice is too large
        for the memory; if the stack can't be read, or the results can't be written.
    """

    def __init__(
        self,
        predictor: Predictor,
        stack: Stack,
        part: StackPart,
        zoom: tuple[float, float],
        membranes: Membranes,
        results: Mapping[str, ZarrChunks],
        make: Callable[[NDArray[np.float32]], SliceResult],
        record: dict[str, Any],
        memory: float | None = None,
        share: Share = WHOLE,
    ) -> None:
        self.predictor, self.stack, self._part, self._zoom = predictor, stack, part, zoom
        self.card = predictor.card
        self.folders = [chunks.folder for chunks in results.values()]
        self.turns = [chunks.turn for chunks in results.values()]
        self._results, self._make = results, make
        self.slices = share.of_slices(part.shape[0])
        self.note = self._doubt = ""
        self._begun: dict[ZarrChunks, dict[str, Any]] = {}
        for kind, chunks in results.items():
            former = chunks.read_record()
            if former is not None:
                check_same(chunks, former, record | {"kind": kind})
                self._begun[chunks] = former
        known = next(iter(self._begun.values()), None)
        if known is None:
            files = file_times(stack.path)
            card, self.note, self._doubt = card_for(predictor.card, _Readable(stack), membranes)
            known = record | {"how": write_how(card), "files": files}
        self._card = read_how(known["how"], predictor.card)
        self.memory = memory_to_take(memory)
        self._parts = self._cut()
        self._most = self._count_at_once()
        self.record = {key: said for key, said in known.items() if key != "kind"}
        for kind, chunks in results.items():
            chunks.open(known | {"kind": kind})
        self._outcome = Outcome()
        self._used: set[int] = set()

    def __len__(self) -> int:
        """Count the parts, those that are done too."""
        return len(self.slices) * len(self._parts)

    def __iter__(self) -> Iterator[None]:
        """Predict all that is missing.

        Raises
        ------
        UserError
            If the results can't be written, such as on a full disk.
        """
        return self.predict_slices(self.slices)

    @cached_property
    def warning(self) -> str:
        return edit_warning(self.stack, self._begun) if self._begun else self._doubt

    @cached_property
    def done(self) -> int:
        return len(self) - sum(len(self._missing_parts(index)) for index in self.slices)

    def count_missing(self, indices: Iterable[int]) -> dict[int, int]:
        """Count the missing parts of slices that lack anything, smaller sizes as well."""
        parts = {index: len(self._missing_parts(index)) for index in indices}
        return {
            index: count for index, count in parts.items() if count or self._lacks_levels(index)
        }

    def predict_batch(self, indices: Sequence[int]) -> Outcome:
        """Predict what is missing of slices, and say what became of it; errors as iterating."""
        for _ in self.predict_slices(indices):
            pass
        outcome, self._outcome = self._outcome, Outcome()
        return outcome

    def predict_slices(self, indices: Iterable[int]) -> Iterator[None]:
        """Predict the parts of slices that are missing; few are in memory at a time.

        Errors as of iterating.
        """
        waiting: deque[tuple[str, Future[Outcome]]] = deque()
        threads = min(self._most, self.predictor.parallel + 1)  # one of them may be writing
        # Smaller sizes of several parts have a thread of their own, which waits for all of them.
        with ThreadPoolExecutor(threads) as executor, ThreadPoolExecutor(1) as shrinking:
            try:
                for place, future in self._submit(executor, shrinking, indices):
                    waiting.append((place, future))
                    while sum(bool(place) for place, _ in waiting) >= self._most:
                        yield from self._take(*waiting.popleft())
                while waiting:
                    yield from self._take(*waiting.popleft())
            except BaseException:
                for each in (executor, shrinking):
                    each.shutdown(wait=False, cancel_futures=True)
                raise

    @property
    def bytes_needed(self) -> int:
        """About how many bytes of memory this process takes while it predicts."""
        return self._need(self._parts, self._most)

    def check_whole(self) -> None:
        """Refuse to go on with results that lack parts.

        Raises
        ------
        PartlyDoneError
            If parts could not be predicted; what is there keeps its other name.
        """
        failures = self._outcome.failures
        if failures:
            count, folders = len(failures), list(map(str, self.folders))
            told = "; ".join(failures[:_MOST_TOLD]) + ("; ..." * (count > _MOST_TOLD))
            raise PartlyDoneError(
                f"{count} of {len(self)} parts of {self.stack.path} can't be predicted: {told}.",
                f"All others are in {list_names(folders)}. Mend these, then give the same command.",
            )

    def finish_if_whole(self) -> bool:
        """Give the results their names, unless slices of other shares are missing.

        Returns
        -------
        bool
            Whether they have them.

        Raises
        ------
        PartlyDoneError
            As :meth:`check_whole`.
        UserError
            If they can't be renamed.
        """
        with ExitStack() as alone:
            for chunks in self._results.values():
                alone.enter_context(chunks.alone())
            left = [chunks for chunks in self._results.values() if not chunks.is_finished()]
            if len(left) == len(self._results):
                self.check_whole()
                if not all(map(self.has_slice, range(self._part.shape[0]))):
                    return False
            for chunks in left:  # all, or those that a killed process of another share left
                chunks.finish()
        return True

    def has_slice(self, index: int) -> bool:
        """Whether nothing of a slice is missing."""
        return not self._missing_parts(index) and not self._lacks_levels(index)

    def drop_slice(self, index: int) -> None:
        """Delete the results of a slice, which were used, and take it for predicted.

        Raises
        ------
        UserError
            If they can't be deleted.
        """
        self._used.add(index)
        for chunks in self._results.values():
            chunks.delete_slice(index)

    def take(self, outcome: Outcome) -> None:
        """Count what another process has done."""
        self._outcome += outcome

    def fail(self, index: int, reason: str) -> None:
        """Count a slice as one that can't be predicted."""
        missing = self._missing_parts(index)
        number = self._part.indices[index]
        failures = tuple(f"{_place(number, window)}: {reason}" for window in missing)
        self.take(Outcome(failures or (f"slice {number}: {reason}",)))

    def share_warning(self) -> str:
        """Say what speaks against the whole mask; empty where nothing does, or others began it."""
        if self.done:
            return ""
        found = self._outcome
        return share_warning(found.membrane, found.pixels, self.predictor.of_class)

    def _cut(self) -> list[Window]:
        """Cut a slice where tiles and chunks end."""
        view = SliceView(self._zoom, self._part.window)
        shape = self.stack.shape[1:]
        if not self.predictor.cuts_tiles(self._card, shape, view):
            return self._cut_rows()
        geometry = self._card.geometry
        axes = []
        for length, wanted in zip(shape, self._part.window, strict=True):
            starts = tile_starts(geometry, length)
            inner = [start for start in starts if start in wanted[CHUNK::CHUNK]]
            edges = [wanted.start, *inner, wanted.stop]
            axes.append([range(*limits) for limits in pairwise(edges)])
        parts = [(rows, columns) for rows, columns in product(*axes)]
        return parts if len(parts) > 1 else self._cut_rows()

    def _cut_rows(self) -> list[Window]:
        """Cut a slice where chunks end that no tiles do, as far as the memory asks.

        Bands take some tiles more than the whole.
        """
        rows, columns = self._part.window
        height, parts = len(rows), [(rows, columns)]
        if self.predictor.is_foreign:  # it prepares whole slices
            return parts
        while self._need(parts, 1) > self.memory and height > CHUNK:
            height = max(CHUNK, height // 2 // CHUNK * CHUNK)
            edges = [*rows[::height], rows.stop]
            parts = [(range(*limits), columns) for limits in pairwise(edges)]
        return parts

    def _count_at_once(self) -> int:
        """Find how many parts are under way at once, by the memory that they take."""
        for count in range(self.predictor.parallel + 1, 0, -1):
            if self._need(self._parts, count) <= self.memory:
                return count
        least = self._need(self._parts, 1)
        raise UserError(
            f"A slice of {self.stack.path} takes about {least / GIBI:.1f} GiB to predict, and "
            f"{self.memory / GIBI:.1f} GiB may be taken.",
            "Give more by --memory, or predict a --region.",
        )

    def _need(self, parts: Sequence[Window], count: int) -> int:
        """Estimate the bytes that so many parts at once take, of slices that are cut so."""
        _, height, width = self.stack.shape
        slice_bytes = height * width * (self.stack.dtype.itemsize + 1)
        slices = 1 + -(-count // len(parts))  # the next one is read meanwhile
        largest = max(len(rows) * len(columns) for rows, columns in parts)
        return _PROGRAM + slices * slice_bytes + count * _PART_PIXEL * largest

    def _lacks_levels(self, index: int) -> bool:
        return index not in self._used and any(
            chunks.lacks_levels(index) for chunks in self._results.values()
        )

    def _missing_parts(self, index: int) -> list[Window]:
        """Find the parts of a slice that any result lacks."""
        if index in self._used:
            return []
        inside = {self._in_result(window): window for window in self._parts}
        missing: set[Window] = set()
        for chunks in self._results.values():
            missing.update(chunks.missing_parts(index, inside.keys() - missing))
        return [window for place, window in inside.items() if place in missing]

    def _in_result(self, window: Window) -> Window:
        """Give the place of a window of the stack in the results."""
        rows, columns = (
            range(wanted.start - whole.start, wanted.stop - whole.start)
            for wanted, whole in zip(window, self._part.window, strict=True)
        )
        return rows, columns

    def _submit(
        self, executor: ThreadPoolExecutor, shrinking: ThreadPoolExecutor, indices: Iterable[int]
    ) -> Iterator[tuple[str, Future[Outcome]]]:
        """Begin what is missing, slice by slice, each part with the place that is told of it."""
        for index in indices:
            number = self._part.indices[index]
            parts = self._missing_parts(index)
            futures: list[Future[Outcome]] = []
            if parts:
                try:
                    image = self.stack.read(number)
                except (UserError, OSError) as error:
                    self.take(Outcome(tuple(_place(number, window, error) for window in parts)))
                    continue
                padding = find_any_padding(image)
            for window in parts:
                future = executor.submit(self._predict, index, image, window, padding)
                futures.append(future)
                yield _place(number, window), future
            is_shrunk_there = parts and len(self._parts) == 1
            if not is_shrunk_there and self._lacks_levels(index):
                yield "", shrinking.submit(self._write_levels, index, futures)

    def _take(self, place: str, future: Future[Outcome]) -> Iterator[None]:
        """Wait for a part, and keep what was wrong with it."""
        try:
            self.take(future.result())
        except UnwritableError:
            raise
        except UserError as error:
            told = f"{place}: {error.problem}" if place else str(error)
            self.take(Outcome((told.rstrip("."),)))
        if place:
            yield

    def _predict(
        self,
        index: int,
        image: NDArray[Any],
        window: Window,
        padding: NDArray[np.bool_] | Literal[False],
    ) -> Outcome:
        view = SliceView(self._zoom, window)
        found = self._make(self.predictor.predict_part(image, self._card, view, padding))
        inside = self._in_result(window)
        for kind, chunks in self._results.items():
            chunks.write(index, inside, found.pages[kind])
            if len(self._parts) == 1:  # while its pixels are in the cache of this core
                chunks.write_levels(index)
        if self.predictor.classes:  # of which no share is usual
            return Outcome()
        return Outcome((), found.membrane, math.prod(map(len, window)))

    def _write_levels(self, index: int, parts: Sequence[Future[Outcome]]) -> Outcome:
        """Write a slice's smaller sizes, once its parts are there."""
        # Each of these waits for its part, and fails for one that was cancelled.
        if not any(future.exception() for future in parts):
            for chunks in self._results.values():
                chunks.write_levels(index)
        return Outcome()


class _Readable:
    """The slices of a stack, in the place of which that can't be read the next one that can."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __len__(self) -> int:
        return len(self._stack)

    def __getitem__(self, index: int) -> NDArray[Any]:
        for other in range(index, index + len(self)):
            try:
                return self._stack[other % len(self)]
            except UserError as error:
                failure = error
        raise failure


def _place(number: int, window: Window, error: Exception | None = None) -> str:
    rows, columns = (f"{wanted.start}:{wanted.stop}" for wanted in window)
    place = f"slice {number}, rows {rows}, columns {columns}"
    if error is None:
        return place
    problem = error.problem if isinstance(error, UserError) else str(error)
    return f"{place}: {problem.rstrip('.')}"
