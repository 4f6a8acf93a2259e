"""The neurons of a stack into a Zarr folder, chunk by chunk, going on where a run was ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.chunks import Division, predict_missing, tell_of_prediction
from napari_unet.cli.stacks.neuron_settings import tell_of_threshold
from napari_unet.cli.stacks.search_steps import SearchSteps, in_threads
from napari_unet.cli.stacks.stack_part import PartOptions
from napari_unet.cluster import Workers
from napari_unet.neurons.chunk_neurons import HALO, SIDE, ChunkNeurons
from napari_unet.neurons.search_files import Block
from napari_unet.neurons.segmentation import Segmentation, count_text
from napari_unet.prediction.chunk_job import ChunkJob
from napari_unet.prediction.chunk_prediction import GIBI, ChunkPrediction
from napari_unet.prediction.chunk_record import digest, find_differences
from napari_unet.prediction.predictor import Predictor
from training.console import say
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_folders import discard_folder
from training.files.file_locks import take_lock
from training.label_convention import LabelConvention
from training.masks.mask_files import label_dtype
from training.masks.stack_writer import begun_otherwise, report_errors
from training.masks.writer_choice import open_chunks
from training.model.stack_part import StackPart
from training.opening import open_stack
from training.resources.limits import memory_to_take, usable_cores
from training.stacks.intensities import Membranes

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

_PROGRAM = GIBI // 4  # bytes of this process without pixels
_BLOCK_PIXEL = 80  # bytes that a search takes for each pixel of a block and around it
_BATCH_PIXELS = 2**24  # of slices that are predicted while those before are found
_WORKER_PIXELS = 2**28  # of slices whose probability a worker keeps on the disk: 1 GiB
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
            threads = self._count_threads(part.shape)
            work = output_chunks.folder.with_suffix(".work").absolute()
            job = self._job(stack, part, work / "probability.zarr")
            if output_chunks.folder.exists() and not work.exists():
                _check_whole(output_chunks, job.describe(self.predictor, slices, part))
                _give_name(output_chunks, work)
                say(f"neurons: {output}")
                return
        tell_of_threshold(self.how, part.shape[0])
        with (
            _made(work),
            job.open(self.predictor, self.division.share) as prediction,
            self.division.connect() as workers,
        ):
            try:
                steps = SearchSteps(self._begin(prediction, work), threads, workers)
                search = steps.search
                _check_begun(output_chunks.folder, search)
                tell_of_prediction(job, prediction, self.division)
                with open_to_append(work / "merging.lock") as merging:
                    may_merge = search.is_learned and take_lock(merging, is_shared=True)
                    self._find(steps, job, prediction, may_merge)
                prediction.check_whole()
                total = None
                with (
                    open_to_append(work / "numbering.lock") as lock,
                    open_to_append(work / "merging.lock") as merging,
                ):
                    if all(map(search.is_joined, range(part.shape[0]))) and take_lock(lock):
                        take_lock(merging, patience=math.inf)  # others still read what is there
                        _check_begun(output_chunks.folder, search)
                        record = prediction.record | {"kind": "neurons"}
                        total = self._number(steps, output, options, record)
            except KeyboardInterrupt:
                say(f"What was found is in {work}: the same command goes on there.")
                raise
        if total is None:
            say(
                f"neurons: slices of other shares are still missing, or another one numbers: {work}"
            )
            return
        _give_name(output_chunks, work)
        say(f"{count_text(total, part.shape[0], self.is_linked)}: {output}")

    def _begin(self, prediction: ChunkPrediction, work: Path) -> ChunkNeurons:
        """Open the search, without the probability that earlier runs have used.

        Its folder has the name of what the probability depends on: whoever deletes that alone, to
        begin again with other options, gets nothing of the search before.
        """
        from napari_unet.neurons.probability_chunks import ProbabilityChunks

        (folder,) = prediction.folders
        pages = ProbabilityChunks(folder / "0")
        search = ChunkNeurons(work / digest(prediction.record), pages, self.how, self.is_linked)
        for index in filter(search.is_flooded, prediction.slices):
            prediction.drop_slice(index)
        return search

    def _find(
        self, steps: SearchSteps, job: ChunkJob, prediction: ChunkPrediction, may_merge: bool
    ) -> None:
        """Find the regions of this process' slices that can be predicted, some slices at a time.

        So the disk holds the probability of those alone. Where the memory is enough, this process
        predicts the next ones meanwhile, so that no core waits for the disk, or for what only one
        of them can do. If it may merge, it does so as soon as the slices beside one are there; at
        last it also merges slices beside its own, which other processes left because its own were
        missing.
        """
        search, slices, workers = steps.search, prediction.slices, steps.workers
        unmerged = set(slices) if may_merge else set()
        of_slice = (1 + may_merge) * (1 + len(search.blocks)) + len(search.blocks)
        total = len(prediction) + len(slices) * of_slice
        near = {other for index in slices for other in search.near(index)} if may_merge else set()
        free = memory_to_take(self.memory) - steps.threads * self._thread_bytes(search.shape)
        is_side_by_side = workers is None and prediction.bytes_needed <= free
        batches = _batches(slices, search.shape, workers)
        predict = partial(predict_missing, job, prediction, workers, self.division)
        with ProgressBar(
            desc="Finding neurons", unit="step", total=total, initial=prediction.done
        ) as bar:
            ways: Iterable[Iterator[int]]
            if is_side_by_side:
                ways = [steps.find_meanwhile(predict(slices), prediction, batches, unmerged)]
            else:
                ways = (
                    chain(predict(batch), steps.find(prediction, batch, unmerged))
                    for batch in batches
                )
            for done in chain.from_iterable(ways):
                bar.update(done)
            ready = filter(search.can_describe, sorted(near))
            for done in steps.merge([index for index in ready if not search.is_merged(index)]):
                bar.update(done)

    def _number(
        self, steps: SearchSteps, output: Path, options: dict[str, Any], record: dict[str, Any]
    ) -> int:
        """Number the neurons of all slices, and write them, but for their name; gives how many."""
        search = steps.search
        blocks, slices = search.tasks, range(search.shape[0])
        left = [index for index in slices if not search.is_merged(index)]
        shared = blocks if search.is_linked else []
        merging = len(left) * (2 * len(search.blocks) + 1)
        total = merging + len(shared) + len(slices) + 2 * len(blocks)
        with ProgressBar(desc="Numbering", unit="block", total=total) as bar:
            for done in chain(
                steps.merge(left),
                steps.do("draw", blocks),
                steps.do("count", shared),
                steps.do("add_up", slices),
            ):
                bar.update(done)
            count = search.number()
            dtype = label_dtype(np.dtype(np.int64), count)
            chunks = open_chunks(output, search.shape, dtype, **options)
            chunks.open(record)
            for _ in _write(search, chunks, steps.threads):
                bar.update()
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

    def _count_threads(self, shape: tuple[int, int, int]) -> int:
        """Find how many blocks are under way at once, by the memory that they take."""
        free, each = memory_to_take(self.memory), self._thread_bytes(shape)
        for threads in range(usable_cores(), 0, -1):
            if _PROGRAM + threads * each <= free:
                return threads
        _, height, width = shape
        raise UserError(
            f"Neurons of slices of {height} x {width} pixels take about "
            f"{(_PROGRAM + each) / GIBI:.1f} GiB to find, and {free / GIBI:.1f} GiB may be taken.",
            "Give more by --memory, or segment a --region.",
        )

    def _thread_bytes(self, shape: tuple[int, int, int]) -> int:
        """Give the bytes that a thread takes to find neurons."""
        _, height, width = shape
        block = min(height, SIDE + 2 * HALO) * min(width, SIDE + 2 * HALO)
        table = _TABLE_PIXEL if self.how.merges is None else _MERGES_PIXEL
        return _BLOCK_PIXEL * block + table * height * width

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


def _check_whole(chunks: ZarrChunks, record: dict[str, Any]) -> None:
    """Refuse neurons without a search beside, unless it was deleted because they are whole.

    Parameters
    ----------
    chunks : ZarrChunks
        The neurons.
    record : dict
        What those of this command depend on.

    Raises
    ------
    UserError
    """
    former = chunks.read_record()
    if former is not None and find_differences(former, record | {"kind": "neurons"}):
        raise _begun_by_another(chunks.folder)
    if not chunks.is_whole():
        raise UserError(
            f"{chunks.folder} is not whole, and what it was made of is gone.",
            "Delete that folder to begin again.",
        )


def _give_name(chunks: ZarrChunks, work: Path) -> None:
    """Delete a search, then give its neurons, which are whole, their name.

    After a kill in between the same command does the rest.

    Raises
    ------
    UserError
        If it can't be deleted, or they can't be renamed.
    """
    with chunks.hold():
        discard_folder(work)
        chunks.finish()


def _begun_by_another(folder: Path) -> UserError:
    return begun_otherwise(folder, "by another command")


def _batches(
    slices: range, shape: tuple[int, int, int], workers: Workers | None
) -> Iterator[range]:
    """Cut slices into those whose neurons are found at once."""
    processes = max(1, workers.count) if workers else 1
    _, height, width = shape
    pixels = _BATCH_PIXELS if workers is None else processes * _WORKER_PIXELS
    count = max(processes, pixels // (height * width))
    return (slices[start : start + count] for start in range(0, len(slices), count))


def _write(search: ChunkNeurons, chunks: ZarrChunks, threads: int) -> Iterator[None]:
    """Write the numbered neurons, block by block; smaller sizes of a slice beside the next one."""

    def write(task: tuple[int, Block]) -> None:
        index, block = task
        window = search.window(block)
        if chunks.missing_parts(index, [window]):
            chunks.write(index, window, search.read_block(index, block))

    tasks = search.tasks
    writing = in_threads(write, tasks, threads + 1)  # one of them waits for the disk
    with closing(writing), ThreadPoolExecutor(1) as shrinking:
        last: Future[None] | None = None
        for number, _ in enumerate(writing, start=1):
            yield
            if number % len(search.blocks) == 0:  # whose pixels are still in memory
                if last is not None:
                    last.result()
                last = shrinking.submit(chunks.write_levels, tasks[number - 1][0])
        if last is not None:
            last.result()
