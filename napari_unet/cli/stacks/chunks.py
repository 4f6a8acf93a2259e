"""Prediction to Zarr, by this process, by workers, or a share of it by each of an array of jobs."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from itertools import chain
from typing import Any

import click

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.many_stacks import Results
from napari_unet.cluster import Workers, connect, prepare
from napari_unet.prediction.chunk_job import ChunkJob, SliceWork, WorkerError
from napari_unet.prediction.chunk_prediction import ChunkPrediction, Outcome
from napari_unet.prediction.predictor import Predictor
from training.console import list_names, say, warn
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.masks.shares import WHOLE, Share
from training.resources.limits import memory_limit

_BATCH_PARTS = 16  # that a worker predicts at once, of several slices
_LEAST_BATCHES = 2  # of each worker
_WORKER_IMPORTS = "napari_unet.cli.stacks.worker_imports"
_SHARE = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")


def _read_share(_: click.Context, __: click.Parameter, value: str) -> Share:
    if not value:
        return WHOLE
    found = _SHARE.fullmatch(value.strip())
    share = Share(int(found[1]), int(found[2])) if found else WHOLE
    if not found or share.number > share.of:
        raise click.BadParameter(f"{value} is not a share such as 1/8, which is the first of 8.")
    return share


@dataclass(frozen=True)
class Division:
    """Among which processes slices are shared out.

    Parameters
    ----------
    workers : int
        Processes of this machine, if more than one.
    scheduler : str
        Address of a cluster's scheduler.
    share : Share
        What this process does of them.
    """

    workers: int
    scheduler: str
    share: Share

    @contextmanager
    def connect(self) -> Iterator[Workers | None]:
        """Start the workers, or find them; None: this process does all itself.

        Raises
        ------
        UserError
            As :func:`cluster.connect`.
        """
        if self.workers == 1 and not self.scheduler:
            yield None
            return
        with connect(self.workers, self.scheduler) as workers:
            yield workers

    def refuse(self, results: Results) -> None:
        """Refuse to share out what is not written in chunks.

        Raises
        ------
        UserError
        """
        if self != Division(1, "", WHOLE):
            path = next(iter(results.values()))
            raise UserError(
                f"{path} is written by one process.",
                "Give names that end in .zarr for all results, or leave out --workers, "
                "--scheduler and --shard.",
            )


def division_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say which processes work; the command gets them as ``division``: a :class:`Division`.

    Raises
    ------
    click.UsageError
        From the command, if two of the options are given.
    """

    @wraps(command)
    def collect(workers: int, scheduler: str, shard: Share, **given: Any) -> Any:
        if sum([workers > 1, bool(scheduler), shard != WHOLE]) > 1:
            raise click.UsageError("Give one of --workers, --scheduler and --shard.")
        if workers > 1:
            prepare(_WORKER_IMPORTS)
        return command(division=Division(workers, scheduler, shard), **given)

    for option in (
        click.option(
            "--shard",
            metavar="I/N",
            default="",
            callback=_read_share,
            help="Do each N-th slice alone, from the I-th on, to .zarr: for an array of jobs. "
            "Whichever ends last gives the result its name.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            default="",
            help="Have it done to .zarr by the workers of a running dask.distributed, "
            "such as tcp://node1:8786, which see the same files.",
        ),
        click.option(
            "--workers",
            metavar="N",
            type=click.IntRange(min=1),
            default=1,
            help="Work to .zarr by so many processes, which share the cores.  [default: 1]",
        ),
    ):
        collect = option(collect)
    return collect


def predict_chunks(job: ChunkJob, predictor: Predictor, division: Division) -> None:
    """Predict chunk by chunk into Zarr folders, and go on where another run was ended.

    Raises
    ------
    UserError
        As :class:`ChunkPrediction`, :meth:`ChunkJob.open` and :func:`cluster.connect`.
    """
    with job.open(predictor, division.share) as prediction, division.connect() as workers:
        tell_of_prediction(job, prediction, division)
        total, done = len(prediction), prediction.done
        try:
            with ProgressBar(desc="Predicting", unit="part", total=total, initial=done) as bar:
                for count in predict_missing(job, prediction, workers, division, prediction.slices):
                    bar.update(count)
                    done += count
        except KeyboardInterrupt:
            folders = list_names([str(folder) for folder in prediction.folders])
            say(
                f"Of {total} parts {done} or more are in {folders}: the same command goes on there."
            )
            raise
        is_whole = prediction.finish_if_whole()
        if not is_whole and division.share == WHOLE:
            folders = list_names([str(folder) for folder in prediction.folders])
            raise UserError(
                f"Another program has deleted chunks of {folders} meanwhile.",
                "Give the same command again: it makes them again.",
            )
    for kind, path in job.results.items():
        say(f"{kind}: {path}" if is_whole else f"{kind}: slices of other shares are still missing.")
    warn(prediction.share_warning())


def tell_of_prediction(job: ChunkJob, prediction: ChunkPrediction, division: Division) -> None:
    """Say how the stack is predicted, what speaks against that, and what is done already."""
    if prediction.note:
        say(prediction.note)
    warn(prediction.warning)
    job.scale.tell(prediction.card, prediction.stack)
    limit = memory_limit()
    if limit is not None and job.memory is None and not division.scheduler:
        say(
            f"--memory is {prediction.memory / 1e9:.2f}, half of what is free: this process may "
            f"use {limit / 1e9:.2f} GB in all."
        )
    if prediction.done:
        say(f"Going on: {prediction.done} of {len(prediction)} parts are predicted already.")


def predict_missing(
    job: ChunkJob,
    prediction: ChunkPrediction,
    workers: Workers | None,
    division: Division,
    slices: Iterable[int],
) -> Generator[int]:
    """Predict what is missing of slices, here or by workers.

    Yields
    ------
    int
        How many parts were done.

    Raises
    ------
    UserError
        As :class:`ChunkPrediction`.
    """
    if workers is None:
        for _ in prediction.predict_slices(slices):
            yield 1
        return
    sent = job.anywhere(prediction.predictor)
    if not division.scheduler:
        sent = replace(sent, memory=prediction.memory / division.workers)
    missing = prediction.count_missing(slices)
    work = SliceWork(sent, tuple(prediction.turns))
    alone: list[tuple[int, ...]] = []  # those of batches that failed, of which one may be to blame
    tried = workers.run(work, _batches(missing, workers), split=_each)
    for batch, outcome in chain(tried, workers.run(work, alone)):
        if isinstance(outcome, Outcome):
            prediction.take(outcome)
        elif isinstance(outcome, (UnwritableError, WorkerError)):
            raise outcome
        elif len(batch) > 1:
            alone += _each(batch)
            continue
        else:
            prediction.fail(batch[0], str(outcome).rstrip("."))
        yield sum(missing[index] for index in batch)


def _each(batch: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [(index,) for index in batch]


def _batches(missing: Mapping[int, int], workers: Workers) -> Iterator[tuple[int, ...]]:
    """Put slices of few parts together: a worker predicts one while it writes the one before.

    The last ones are smaller, so that all workers end at about the same time.
    """
    indices = deque(missing)
    most = _BATCH_PARTS // max([1, *missing.values()])
    shares = _LEAST_BATCHES * max(1, workers.count)
    while indices:
        size = max(1, min(most, len(indices) // shares))
        yield tuple(indices.popleft() for _ in range(size))
