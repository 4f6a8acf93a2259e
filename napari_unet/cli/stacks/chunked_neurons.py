"""The neurons of a stack into a Zarr folder, chunk by chunk, going on where a run was ended."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.chunks import Division, predict_missing, tell_of_prediction
from napari_unet.cli.stacks.neuron_settings import tell_of_threshold
from napari_unet.cli.stacks.stack_part import PartOptions
from napari_unet.cluster import Workers
from napari_unet.neurons.chunk_neurons import HALO, SIDE, ChunkNeurons, SearchStep, Step
from napari_unet.neurons.search_files import Block
from napari_unet.neurons.segmentation import Segmentation, count_text
from napari_unet.prediction.chunk_job import ChunkJob
from napari_unet.prediction.chunk_prediction import GIBI, ChunkPrediction
from napari_unet.prediction.chunk_record import digest
from napari_unet.prediction.predictor import Predictor
from training.console import say
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.file_locks import take_lock
from training.files.open_elsewhere import remove_folder
from training.label_convention import LabelConvention
from training.masks.mask_files import label_dtype
from training.masks.stack_writer import begun_otherwise, report_errors
from training.masks.writer_choice import open_chunks
from training.model.stack_part import StackPart
from training.opening import open_stack
from training.resources.limits import memory_to_take, usable_cores
from training.stacks.intensities import Membranes

_PROGRAM = GIBI // 4  # bytes of this process without pixels
_BLOCK_PIXEL = 80  # bytes that a search takes for each pixel of a block and around it
_BATCH_PIXELS = 2**28  # of slices whose probability a process keeps on the disk: 1 GiB
_TABLE_PIXEL = 4  # bytes that the borders of a slice take for each of its pixels
_MERGES_PIXEL = 9  # the same, with what learned merges ask of borders


@dataclass(frozen=True)
class ChunkedSearch:
    """What the options say, whatever the stack.

    Parameters
    ----------
    model : Path
    predictor : Predictor
        Of that model.
    parts : PartOptions
    membranes : Membranes
    how : Segmentation
    is_linked : bool
    memory : float or None
        Bytes that the process may take; None: half of what is free.
    computed_by : dict
        ``engine``, ``device``, ``precision`` and ``tta`` of the predictor.
    written : dict
        ``compression``, ``ome_zarr`` and ``overwrite`` of :func:`writer_choice.open_chunks`.
    division : Division
        Which processes do it.
    """

    model: Path
    predictor: Predictor
    parts: PartOptions
    membranes: Membranes
    how: Segmentation
    is_linked: bool
    memory: float | None
    computed_by: dict[str, Any]
    written: dict[str, Any]
    division: Division

    def segment(self, stack: Path, output: Path) -> None:
        """Find the neurons of a stack, and write them when all are known.

        Raises
        ------
        UserError
            As :class:`ChunkPrediction`; if the result can't be written.
        """
        with open_stack(stack) as slices:
            part = StackPart(slices, self.parts.region, self.parts.scale)
        options = part.place | self.written | {"is_label": True}
        output_chunks = open_chunks(output, part.shape, np.uint64, **options)
        output_chunks.check()
        threads = self._count_threads(part)
        work = output_chunks.folder.with_suffix(".work").absolute()
        if output_chunks.folder.exists() and not work.exists():
            raise _begun_by_another(output_chunks.folder)
        tell_of_threshold(self.how, part.shape[0])
        job = self._job(stack, part, work / "probability.zarr")
        with (
            _made(work),
            job.open(self.predictor, self.division.share) as prediction,
            self.division.connect() as workers,
        ):
            try:
                search = self._begin(prediction, work)
                _check_begun(output_chunks.folder, search)
                tell_of_prediction(job, prediction, self.division)
                with open_to_append(work / "merging.lock") as merging:
                    may_merge = search.is_learned and take_lock(merging, is_shared=True)
                    self._find(search, job, prediction, threads, workers, may_merge)
                prediction.check_whole()
                total = None
                with (
                    open_to_append(work / "numbering.lock") as lock,
                    open_to_append(work / "merging.lock") as merging,
                ):
                    if all(map(search.is_joined, range(part.shape[0]))) and take_lock(lock):
                        take_lock(merging, patience=math.inf)  # others still read what is there
                        _check_begun(output_chunks.folder, search)
                        written: dict[str, Any] = {"output": output, "options": options}
                        written["record"] = prediction.record | {"kind": "neurons"}
                        total = self._number(search, threads, workers, **written)
            except KeyboardInterrupt:
                say(f"What was found is in {work}: the same command goes on there.")
                raise
        if total is None:
            say(
                f"neurons: slices of other shares are still missing, or another one numbers: {work}"
            )
            return
        with report_errors(work):
            remove_folder(work)
        say(f"{count_text(total, part.shape[0], self.is_linked)}: {output}")

    def _begin(self, prediction: ChunkPrediction, work: Path) -> ChunkNeurons:
        """Open the search, without the probability that earlier runs have used.

        Its folder has the name of what the probability depends on: whoever deletes that alone, to
        begin again with other options, gets nothing of the search before.
        """
        import zarr

        (folder,) = prediction.folders
        pages = zarr.open_array(folder / "0", mode="r")
        search = ChunkNeurons(work / digest(prediction.record), pages, self.how, self.is_linked)
        for index in filter(search.is_flooded, prediction.slices):
            prediction.drop_slice(index)
        return search

    def _find(
        self,
        search: ChunkNeurons,
        job: ChunkJob,
        prediction: ChunkPrediction,
        threads: int,
        workers: Workers | None,
        may_merge: bool,
    ) -> None:
        """Find the regions of this process' slices that can be predicted, some slices at a time.

        So the disk holds the probability of those alone. If it may merge, it does so as soon as the
        slices beside one are there; at last it also merges slices beside its own, which other
        processes left because its own were missing.
        """
        slices, blocks = prediction.slices, search.blocks
        processes = max(1, workers.count) if workers else 1
        _, height, width = search.shape
        count = max(processes, processes * _BATCH_PIXELS // (height * width))
        unmerged = list(slices) if may_merge else []
        total = len(prediction) + (len(slices) + len(unmerged)) * (len(blocks) + 1)
        with ProgressBar(
            desc="Finding neurons", unit="step", total=total, initial=prediction.done
        ) as bar:
            for start in range(0, len(slices), count):
                batch = slices[start : start + count]
                for done in predict_missing(job, prediction, workers, self.division, batch):
                    bar.update(done)
                found = [index for index in batch if prediction.has_slice(index)]
                for _ in _work_through(search, "flood", product(found, blocks), threads, workers):
                    bar.update()
                for index in found:
                    prediction.drop_slice(index)
                for _ in _work_through(search, "join", found, threads, workers):
                    bar.update()
                ready = list(filter(search.can_describe, unmerged))
                unmerged = sorted({*unmerged} - {*ready})
                for _ in _merge(search, ready, threads, workers):
                    bar.update()
            near = {other for index in slices for other in search.near(index)} if may_merge else ()
            ready = list(filter(search.can_describe, sorted(near)))
            for _ in _merge(search, ready, threads, workers):
                bar.update()

    def _number(
        self,
        search: ChunkNeurons,
        threads: int,
        workers: Workers | None,
        *,
        output: Path,
        options: dict[str, Any],
        record: dict[str, Any],
    ) -> int:
        """Number the neurons of all slices, and write them; gives how many there are."""
        blocks = search.tasks
        slices = range(search.shape[0])
        left = [index for index in slices if not search.is_merged(index)]
        total = 2 * len(blocks) + len(slices) + len(left) * (len(search.blocks) + 1)
        with ProgressBar(desc="Numbering", unit="block", total=total) as bar:
            for _ in _merge(search, left, threads, workers):
                bar.update()
            for _ in _work_through(search, "count", blocks, threads, workers):
                bar.update()
            for _ in _work_through(search, "add_up", slices, threads, workers):
                bar.update()
            count = search.number()
            dtype = label_dtype(np.dtype(np.int64), count)
            chunks = open_chunks(output, search.shape, dtype, **options)
            chunks.open(record)

            def write(task: tuple[int, Block]) -> None:
                index, block = task
                window = search.window(block)
                if chunks.missing_parts(index, [window]):
                    chunks.write(index, window, search.read_block(index, block))

            for number, _ in enumerate(_in_threads(write, blocks, threads), start=1):
                bar.update()
                if number % len(search.blocks) == 0:  # whose pixels are still in memory
                    chunks.write_levels(blocks[number - 1][0])
        chunks.finish()
        return count

    def _job(self, stack: Path, part: StackPart, probability: Path) -> ChunkJob:
        """Give the prediction whose probability neurons are found in."""
        return ChunkJob(
            model=self.model,
            stack=stack,
            computed_by=self.computed_by,
            results={"probability": probability},
            region=self.parts.region,
            scale=self.parts.scale,
            membranes=self.membranes,
            threshold=self.predictor.card.threshold,
            convention=LabelConvention.MEMBRANE,
            written={
                "compression": None,  # which noise gains nothing by, and is read several times
                "ome_zarr": "0.5",
                "overwrite": True,
                "has_levels": False,
            },
            memory=self.memory,
            purpose=self._named(),
        )

    def _count_threads(self, part: StackPart) -> int:
        """Find how many blocks are under way at once, by the memory that they take."""
        free = memory_to_take(self.memory)
        _, height, width = part.shape
        block = _BLOCK_PIXEL * min(height, SIDE + 2 * HALO) * min(width, SIDE + 2 * HALO)
        table = (_TABLE_PIXEL if self.how.merges is None else _MERGES_PIXEL) * height * width
        for threads in range(usable_cores(), 0, -1):
            if _PROGRAM + threads * (table + block) <= free:
                return threads
        raise UserError(
            f"Neurons of slices of {height} x {width} pixels take about "
            f"{(_PROGRAM + table + block) / GIBI:.1f} GiB to find, and {free / GIBI:.1f} GiB may "
            "be taken.",
            "Give more by --memory, or segment a --region.",
        )

    def _named(self) -> dict[str, Any]:
        """Give the options that the neurons depend on, but those of the prediction."""
        merges = self.how.merges
        return {
            "--link": self.is_linked,
            "set of learned merges": None if merges is None else merges.digest,
            **{f"--{name}": getattr(self.how, name) for name in ("method", "threshold", "seeds")},
            **{f"--{name.replace('_', '-')}": self.written[name] for name in _WRITTEN},
        }


_WRITTEN = ("compression", "ome_zarr")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, unless it is there; remove it if nothing was begun in it.

    Raises
    ------
    UserError
        If it can't be made.
    """
    with report_errors(folder):
        folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # it is in use, or gone
            folder.rmdir()


def _check_begun(folder: Path, search: ChunkNeurons) -> None:
    """Refuse to go on with neurons that another command or an earlier search has begun to write.

    Raises
    ------
    UserError
    """
    if folder.exists() and not search.is_numbered:
        raise _begun_by_another(folder)


def _begun_by_another(folder: Path) -> UserError:
    return begun_otherwise(folder, "by another command")


def _merge(
    search: ChunkNeurons, slices: Sequence[int], threads: int, workers: Workers | None
) -> Iterator[None]:
    """Merge the regions of slices as was learned, where that is not done."""
    slices = [index for index in slices if not search.is_merged(index)]
    yield from _work_through(search, "describe", product(slices, search.blocks), threads, workers)
    yield from _work_through(search, "merge", slices, threads, workers)


def _work_through(
    search: ChunkNeurons,
    step: Step,
    tasks: Iterable[Any],
    threads: int,
    workers: Workers | None,
) -> Iterator[None]:
    """Do a step of a search, here or by workers."""
    if workers is None:
        yield from _in_threads(getattr(search, step), tasks, threads)
        return
    for task, result in workers.run(SearchStep(search, step), tasks):
        if isinstance(result, UserError):
            raise result
        if isinstance(result, Exception):
            raise UserError(
                f"Neurons of slice and block {task} can't be found: {result}.",
                "Give fewer --workers, or more memory, and the same command to go on.",
            ) from result
        yield


def _in_threads(step: Callable[[Any], None], tasks: Iterable[Any], threads: int) -> Iterator[None]:
    """Do tasks in threads; few of them wait at a time."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads) as executor:
        try:
            for task in tasks:
                waiting.append(executor.submit(step, task))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
