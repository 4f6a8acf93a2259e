"""The neurons of a stack into a Zarr folder, chunk by chunk, going on where a run was ended."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.stack_part import PartOptions
from napari_unet.neurons.chunk_neurons import HALO, SIDE, Block, ChunkNeurons
from napari_unet.neurons.segmentation import Segmentation, count_text
from napari_unet.prediction.chunk_prediction import GIBI, ChunkPrediction
from napari_unet.prediction.part_prediction import StackPart
from napari_unet.prediction.predictor import Predictor
from training import __version__
from training.console import say, warn
from training.errors import UserError
from training.formats.opening import open_stack
from training.formats.stack import Stack
from training.masks.mask_files import label_dtype
from training.masks.stack_writer import report_errors
from training.masks.writer_choice import open_chunks
from training.stacks.intensities import Membranes

_PROGRAM = GIBI // 4  # bytes of this process without pixels
_BLOCK_PIXEL = 120  # bytes that a search takes for each pixel of a block and around it
_TABLE_PIXEL = 2  # bytes that the borders of a slice take for each of its pixels


@dataclass(frozen=True)
class ChunkedSearch:
    """What the options say, whatever the stack.

    Parameters
    ----------
    predictor : Predictor
    parts : PartOptions
    membranes : Membranes
    how : Segmentation
    is_linked : bool
    memory : float or None
        Bytes that the process may take; None: half of what is free.
    computed_by : dict
        Engine, device and precision, by the names of their options.
    written : dict
        ``compression``, ``ome_zarr`` and ``overwrite`` of :func:`writer_choice.open_chunks`.
    """

    predictor: Predictor
    parts: PartOptions
    membranes: Membranes
    how: Segmentation
    is_linked: bool
    memory: float | None
    computed_by: dict[str, str]
    written: dict[str, Any]

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
            held = open_chunks(output, part.shape, np.uint64, **options)
            work = held.folder.with_suffix(".work")
            with held.hold():
                try:
                    total = self._find(slices, part, work, output, options)
                except KeyboardInterrupt:
                    say(f"What was found is in {work}: the same command goes on there.")
                    raise
        with report_errors(work):
            shutil.rmtree(work)
        say(f"{count_text(total, part.shape[0], self.is_linked)}: {output}")

    def _find(
        self, stack: Stack, part: StackPart, work: Path, output: Path, options: dict[str, Any]
    ) -> int:
        with report_errors(work):
            work.mkdir(exist_ok=True)
        probability = self._predict(stack, part, work)
        search = ChunkNeurons(work, probability, self.how, self.is_linked)
        threads = self._count_threads(part)
        blocks, pages = search.tasks, range(part.shape[0])
        with ProgressBar(
            desc="Finding neurons", unit="block", total=3 * len(blocks) + len(pages)
        ) as bar:

            def work_through(step: Callable[[Any], None], tasks: Iterable[Any]) -> None:
                for _ in _in_threads(step, tasks, threads):
                    bar.update()

            work_through(search.flood, blocks)
            work_through(search.merge, pages)
            work_through(search.count, blocks)
            total = search.number()
            dtype = label_dtype(np.dtype(np.int64), total)
            chunks = open_chunks(output, part.shape, dtype, **options)
            chunks.open({"version": __version__, "options": self._named(part)})

            def write(task: tuple[int, Block]) -> None:
                index, block = task
                window = search.window(block)
                if chunks.lacks(index, window):
                    chunks.write(index, window, search.read_block(index, block))

            work_through(write, blocks)
            for _ in _in_threads(chunks.write_levels, pages, threads):
                pass
        chunks.finish()
        return total

    def _predict(self, stack: Stack, part: StackPart, work: Path) -> Any:
        """Predict the probability (Z, Y, X) of membrane as far as it is not there; give it."""
        import zarr

        chunks = open_chunks(
            work / "probability.zarr", part.shape, np.float32, is_label=False, overwrite=True
        )
        scale = self.parts.scale
        prediction = ChunkPrediction(
            self.predictor,
            stack,
            part,
            scale.zoom(self.predictor.card, stack),
            self.membranes,
            {"probability": chunks},
            lambda _, page: page,
            self.predictor.card.threshold,
            self._named(part),
            self.memory,
        )
        if prediction.note:
            say(prediction.note)
        warn(prediction.warning)
        scale.tell(self.predictor.card, stack)
        total, done = len(prediction), prediction.done
        if done:
            say(f"Going on: {done} of {total} parts are predicted already.")
        for _ in ProgressBar(prediction, desc="Predicting", unit="part", total=total, initial=done):
            pass
        prediction.check_whole()
        return zarr.open_array(chunks.folder / "0", mode="r")

    def _count_threads(self, part: StackPart) -> int:
        """Find how many blocks are under way at once, by the memory that they take."""
        free = psutil.virtual_memory().available / 2 if self.memory is None else self.memory
        _, height, width = part.shape
        block = _BLOCK_PIXEL * min(height, SIDE + 2 * HALO) * min(width, SIDE + 2 * HALO)
        table = _TABLE_PIXEL * height * width
        for threads in range(os.cpu_count() or 1, 0, -1):
            if _PROGRAM + threads * (table + block) <= free:
                return threads
        raise UserError(
            f"Neurons of slices of {height} x {width} pixels take about "
            f"{(_PROGRAM + table + block) / GIBI:.1f} GiB to find, and {free / GIBI:.1f} GiB may "
            "be taken.",
            "Give more by --memory, or segment a --region.",
        )

    def _named(self, part: StackPart) -> dict[str, Any]:
        """Give the options that the neurons depend on, as a person names them."""
        size = self.parts.scale.pixel_size
        return self.computed_by | {
            "--region": [[found.start, found.stop] for found in (part.indices, *part.window)],
            "--resample": self.parts.scale.resample,
            "--pixel-size": None if size is None else [size.y, size.x],
            "--membranes": self.membranes.value,
            "--tta": self.predictor.tta,
            "--link": self.is_linked,
            **{f"--{name}": value for name, value in asdict(self.how).items()},
            **{f"--{name.replace('_', '-')}": self.written[name] for name in _WRITTEN},
        }


_WRITTEN = ("compression", "ome_zarr")


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
