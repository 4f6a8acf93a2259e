"""``napari-unet runs``: the runs of this machine, or those of a server."""

from __future__ import annotations

from pathlib import Path

import click

from napari_unet.cli.run_access import confirm_host_keys, runs_folders
from napari_unet.launchers.servers.predictions.record import (
    PredictionState,
    list_predictions,
    read_state,
)
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.launchers.servers.record import read_record
from napari_unet.runs.run_list import list_runs
from napari_unet.runs.training_places import THIS_COMPUTER, launcher_for
from napari_unet.text import line
from training.console import say
from training.errors import UserError
from training.runs.run_directory import RunDirectory


@click.command()
@click.option("--remote", metavar="PROFILE", help="List those on this server instead.")
def command(remote: str | None) -> None:
    """List runs: name, state, best Dice, and where they are.

    Runs are looked for in ./runs and in the window's folder. Of a prediction on a server the slices
    that are done are listed, as when it was last followed.
    """
    if remote is not None:
        _list_remote(remote)
        return
    for folder in dict.fromkeys(folder.absolute() for folder in runs_folders()):
        for summary in list_runs(folder):
            place = summary.problem if summary.status == "unreadable" else _place(summary.run)
            _print_row(summary.run.path.name, summary.status, summary.best_dice, place)
        for run in list_predictions(folder):
            _print_prediction(run)


def _place(run: RunDirectory) -> str:
    place = launcher_for(run).name
    return "here" if place == THIS_COMPUTER else place


def _print_prediction(run: RunDirectory) -> None:
    try:
        record = read_record(run)
        state, place = read_state(run, is_running=record.is_running), record.profile.name
    except UserError as error:
        state, place = PredictionState(status="unreadable"), str(error)
    _print_row(run.name, state.status, state.progress, place)


def _list_remote(name: str) -> None:
    from napari_unet.launchers.servers.listing import list_remote_runs
    from napari_unet.launchers.servers.predictions.listing import list_remote_predictions

    profile = find_profile(name)
    folder = str(Path(profile.folder) / "runs")
    for run in confirm_host_keys(lambda: list_remote_runs(profile)):
        place = run.problem or run.standing or folder
        _print_row(run.name, run.status, run.best_dice, place)
    for name, state in list_remote_predictions(profile).items():
        _print_row(name, state.status, state.progress, state.problem or state.standing or folder)


def _print_row(name: str, status: str, dice: float | str | None, place: str) -> None:
    figure = dice if isinstance(dice, str) else "-" if dice is None else f"{dice:.4f}"
    say(f"{line(name):<40}  {status:<11}  {figure:>6}  {line(place)}")
