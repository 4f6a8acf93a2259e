"""Predictions on servers as rows of the list of runs, as they were when last asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from napari_unet.launchers.servers.predictions.record import (
    PredictionRecord,
    PredictionState,
    list_predictions,
    read_prediction,
    read_state,
)
from napari_unet.launchers.servers.record import read_record
from napari_unet.runs.prediction_results import results_here
from napari_unet.runs.run_list import RunSummary
from napari_unet.runs.run_titles import read_title
from training.errors import UserError
from training.runs.run_directory import RunDirectory

_MOST_LETTERS = 99


def list_prediction_rows(folder: Path) -> list[RunSummary]:
    """The predictions in a folder of runs, newest first; a server is not asked."""
    return sorted(_rows(folder), key=lambda row: row.date, reverse=True)


def _rows(folder: Path) -> Iterator[RunSummary]:
    for run in list_predictions(folder):
        try:
            changed = run.prediction.stat().st_mtime
        except OSError:
            continue  # deleted while the folder was read
        yield _row(run, changed)


def _row(run: RunDirectory, changed: float) -> RunSummary:
    try:
        record, remote = read_prediction(run), read_record(run)
        state = read_state(run, is_running=remote.is_running)
    except UserError as error:
        state = PredictionState(status="unreadable", problem=str(error))
        return _summary(run, state, changed, title=run.name)
    return _summary(
        run,
        state,
        record.started or changed,
        title=_title(run, record),
        device=remote.profile.name,
        is_running=not record.outcome and remote.is_running,
    )


def _summary(
    run: RunDirectory,
    state: PredictionState,
    seconds: float,
    title: str,
    device: str = "",
    is_running: bool = False,
) -> RunSummary:
    return RunSummary(
        run=run,
        status=state.status,
        preset="prediction",
        device=device,
        best_dice=None,
        best_soft_dice=None,
        seconds=None,
        date=datetime.fromtimestamp(seconds),
        is_running=is_running,
        problem=state.problem,
        title=title,
        progress=state.progress if state.total else "",
        is_prediction=True,
        has_results=bool(results_here(run)),
    )


def _title(run: RunDirectory, record: PredictionRecord) -> str:
    """What a person calls it, else what it is a prediction of."""
    title = read_title(run)
    stack = re.split(r"[/\\]", record.stack.rstrip("/\\"))[-1]
    return title if title != run.name else f"Prediction of {stack:.{_MOST_LETTERS}}"
