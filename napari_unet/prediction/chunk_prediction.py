"""A stack predicted into Zarr folders chunk by chunk, by run after run until they are whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_unet.prediction.part_prediction import StackPart
from napari_unet.prediction.predictor import Predictor
from training import __version__
from training.console import list_names
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.formats.chunked_stack import unreadable
from training.formats.stack import Stack
from training.masks.result_warnings import share_warning
from training.masks.zarr_image import CHUNK
from training.model.model_card import ModelCard
from training.model.slice_view import SliceView, Window
from training.model.stack_scale import card_for
from training.stacks.even_slices import pick_evenly
from training.stacks.fingerprint import fingerprint
from training.stacks.intensities import Membranes
from training.stacks.padding import find_padding
from training.stacks.scaling import Scaling

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

GIBI = 2**30
_PROGRAM = GIBI // 4  # bytes of this process without pixels
_PART_PIXEL = 40  # bytes that a part takes for each of its pixels, the network's included
_KNOWN_BY = 3  # slices that a stack is known again by
_MOST_TOLD = 8  # parts that could not be predicted
_TOLD = {"version": "by another version", "model": "with another model"}


class PartlyDoneError(UserError):
    """Some parts of a stack could not be predicted; all others were."""


class ChunkPrediction:
    """The prediction of a part of a stack, as far as earlier runs have not done it.

    Go through it, then :meth:`finish`. Each step is a part of a slice, as large as the tiles of the
    network that make up chunks of the results; or the whole slice, where it is resized or turned.

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
    to_page : callable
        From a kind of result and a probability of membrane (Y, X) to what is written.
    options : dict
        All else that the results depend on, as a person gave it, to refuse going on with others.
    memory : float or None
        Bytes that the process may take; None: half of what is free.

    Attributes
    ----------
    note, warning : str
        As of :class:`PartPrediction`; empty where an earlier run has said it.
    done : int
        Parts that earlier runs have done.

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
        to_page: Callable[[str, NDArray[np.float32]], NDArray[Any]],
        options: dict[str, Any],
        memory: float | None = None,
    ) -> None:
        self._predictor, self._stack, self._part, self._zoom = predictor, stack, part, zoom
        self._results, self._to_page = results, to_page
        self.note = self.warning = ""
        record = {
            "version": __version__,
            "model": predictor.digest,
            "stack": _describe(stack),
            "options": options,
        }
        begun = {chunks: chunks.read_record() for chunks in results.values()}
        known = next((former for former in begun.values() if former is not None), None)
        for chunks, former in begun.items():
            if former is not None:
                _check_same(chunks, former, record)
        if known is None:
            card, self.note, self.warning = card_for(predictor.card, _Readable(stack), membranes)
            known = record | {"how": _write_how(card)}
        self._card = _read_how(known["how"], predictor.card)
        self._parts = self._cut()
        self._most = self._count_at_once(memory)
        for chunks in results.values():
            chunks.open(known)
        self.done = len(self) - sum(
            self._lacks(index, window) for index in range(part.shape[0]) for window in self._parts
        )
        self._failures: list[str] = []
        self._membrane = self._pixels = 0

    def __len__(self) -> int:
        """Count the parts, those that are done too."""
        return self._part.shape[0] * len(self._parts)

    def __iter__(self) -> Iterator[None]:
        """Predict the parts that are missing; few are in memory at a time.

        Raises
        ------
        UserError
            If the results can't be written, such as on a full disk.
        """
        waiting: deque[tuple[str, Future[None]]] = deque()
        threads = min(self._most, self._predictor.parallel + 1)  # one of them may be writing
        with ThreadPoolExecutor(threads) as executor:
            try:
                for place, future in self._submit(executor):
                    waiting.append((place, future))
                    while len(waiting) >= self._most:
                        yield from self._take(*waiting.popleft())
                while waiting:
                    yield from self._take(*waiting.popleft())
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise

    def check_whole(self) -> None:
        """Refuse to go on with results that lack parts.

        Raises
        ------
        PartlyDoneError
            If parts could not be predicted; what is there keeps its other name.
        """
        if self._failures:
            count, folders = len(self._failures), [str(r.folder) for r in self._results.values()]
            told = "; ".join(self._failures[:_MOST_TOLD]) + ("; ..." * (count > _MOST_TOLD))
            raise PartlyDoneError(
                f"{count} of {len(self)} parts of {self._stack.path} can't be predicted: {told}.",
                f"All others are in {list_names(folders)}. Mend these, then give the same command.",
            )

    def finish(self) -> None:
        """Give the results their names.

        Raises
        ------
        PartlyDoneError
            As :meth:`check_whole`.
        UserError
            If they can't be renamed.
        """
        self.check_whole()
        for chunks in self._results.values():
            chunks.finish()

    def share_warning(self) -> str:
        """Say what speaks against the whole mask; empty where nothing does, or others began it."""
        return "" if self.done else share_warning(self._membrane, self._pixels)

    def _cut(self) -> list[Window]:
        """Cut a slice where tiles and chunks end."""
        view = SliceView(self._zoom, self._part.window)
        shape = self._stack.shape[1:]
        if not self._predictor.cuts_tiles(self._card, shape, view):
            return [self._part.window]
        geometry = self._card.geometry
        axes = []
        for length, wanted in zip(shape, self._part.window, strict=True):
            starts = [span.keep_from for span in geometry.tiles(geometry.output_length(length))]
            inner = [start for start in starts if start in wanted[CHUNK::CHUNK]]
            edges = [wanted.start, *inner, wanted.stop]
            axes.append([range(*limits) for limits in pairwise(edges)])
        return [(rows, columns) for rows, columns in product(*axes)]

    def _count_at_once(self, memory: float | None) -> int:
        """Find how many parts are under way at once, by the memory that they take."""
        free = psutil.virtual_memory().available / 2 if memory is None else memory
        _, height, width = self._stack.shape
        slice_bytes = height * width * (self._stack.dtype.itemsize + 1)
        part_bytes = _PART_PIXEL * max(len(rows) * len(columns) for rows, columns in self._parts)

        def need(count: int) -> int:
            slices = 1 + -(-count // len(self._parts))  # the next one is read meanwhile
            return _PROGRAM + slices * slice_bytes + count * part_bytes

        for count in range(self._predictor.parallel + 1, 0, -1):
            if need(count) <= free:
                return count
        raise UserError(
            f"A slice of {self._stack.path} takes about {need(1) / GIBI:.1f} GiB to predict, and "
            f"{free / GIBI:.1f} GiB may be taken.",
            "Give more by --memory, or predict a --region.",
        )

    def _lacks(self, index: int, window: Window) -> bool:
        inside = self._in_result(window)
        return any(chunks.lacks(index, inside) for chunks in self._results.values())

    def _in_result(self, window: Window) -> Window:
        """Give the place of a window of the stack in the results."""
        rows, columns = (
            range(wanted.start - whole.start, wanted.stop - whole.start)
            for wanted, whole in zip(window, self._part.window, strict=True)
        )
        return rows, columns

    def _submit(self, executor: ThreadPoolExecutor) -> Iterator[tuple[str, Future[None]]]:
        """Begin what is missing, slice by slice, each part with the place that is told of it."""
        for index, number in enumerate(self._part.indices):
            parts = [window for window in self._parts if self._lacks(index, window)]
            futures: list[Future[None]] = []
            if parts:
                try:
                    image = self._stack.read(number)
                except (UserError, OSError) as error:
                    self._failures += [_place(number, window, error) for window in parts]
                    continue
                padding = find_padding(image)
            for window in parts:
                future = executor.submit(self._predict, index, image, window, padding)
                futures.append(future)
                yield _place(number, window), future
            if any(chunks.lacks_levels(index) for chunks in self._results.values()):
                yield "", executor.submit(self._write_levels, index, futures)

    def _take(self, place: str, future: Future[None]) -> Iterator[None]:
        """Wait for a part, and keep what was wrong with it."""
        try:
            future.result()
        except UnwritableError:
            raise
        except UserError as error:
            self._failures.append(f"{place}: {error.problem.rstrip('.')}")
        if place:
            yield

    def _predict(
        self, index: int, image: NDArray[Any], window: Window, padding: NDArray[np.bool_]
    ) -> None:
        view = SliceView(self._zoom, window)
        probability = self._predictor.predict_part(image, self._card, view, padding)
        inside = self._in_result(window)
        for kind, chunks in self._results.items():
            page = self._to_page(kind, probability)
            chunks.write(index, inside, page)

    def _write_levels(self, index: int, parts: Sequence[Future[None]]) -> None:
        """Write a slice's smaller sizes, once its parts are there."""
        wait(parts)  # they began before, so that no thread waits for itself
        if not any(future.exception() for future in parts):
            for chunks in self._results.values():
                chunks.write_levels(index)


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


def _describe(stack: Stack) -> dict[str, Any]:
    """Say by what a stack is known again: its shape, and the pixels of a few slices."""
    hashes: dict[str, str | None] = {}
    for index in pick_evenly(range(len(stack)), _KNOWN_BY):
        try:
            hashes[str(index)] = fingerprint([stack[index]])
        except (UserError, OSError):  # it may be mended before the next run
            hashes[str(index)] = None
    return {"shape": [*stack.shape], "dtype": stack.dtype.name, "slices": hashes}


def _write_how(card: ModelCard) -> dict[str, Any]:
    """Write down what a prediction takes from a card: a stack that is mended may give another."""
    scaling = asdict(card.scaling)
    return {"scaling": scaling, "zoom": card.zoom, "displacement": card.displacement}


def _read_how(how: dict[str, Any], card: ModelCard) -> ModelCard:
    """Give a model's card what was written down."""
    zoom, displacement = how["zoom"], how["displacement"]
    return replace(
        card,
        scaling=Scaling.from_fields(how["scaling"]),
        zoom=None if zoom is None else (zoom[0], zoom[1]),
        displacement=(displacement[0], displacement[1]),
    )


def _check_same(chunks: ZarrChunks, former: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse to go on with what depends on anything else.

    Raises
    ------
    UserError
    """
    try:
        different = [told for key, told in _TOLD.items() if former[key] != record[key]]
        if not _is_same_stack(former["stack"], record["stack"]):
            different.append("of another stack")
        before, now = former["options"], record["options"]
        names = sorted(before.keys() | now.keys())
        others = [name for name in names if before.get(name) != now.get(name)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise unreadable(chunks.folder, error) from error
    if others:
        different.append(f"with another {list_names(others)}")
    if different:
        raise UserError(
            f"{chunks.folder} was begun {list_names(different)}.",
            "Give the same command as then to go on, or delete that folder to begin again.",
        )


def _is_same_stack(one: dict[str, Any], other: dict[str, Any]) -> bool:
    both = (one["slices"][index] for index in one["slices"]), other["slices"].values()
    return (one["shape"], one["dtype"]) == (other["shape"], other["dtype"]) and all(
        first == second or None in (first, second) for first, second in zip(*both, strict=True)
    )


def _place(number: int, window: Window, error: Exception | None = None) -> str:
    rows, columns = (f"{wanted.start}:{wanted.stop}" for wanted in window)
    place = f"slice {number}, rows {rows}, columns {columns}"
    if error is None:
        return place
    problem = error.problem if isinstance(error, UserError) else str(error)
    return f"{place}: {problem.rstrip('.')}"
