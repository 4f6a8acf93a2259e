"""``napari-unet stop``: end a run, wherever it is."""

from __future__ import annotations

import click

from napari_unet.cli.run_access import confirm_host_keys, find_run
from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.runs.training_places import launcher_for
from napari_unet.text import line
from training.console import say
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state, run_status


@click.command()
@click.argument("run")
@click.option("--now", is_flag=True, help="Kill every process of it instead of waiting.")
def command(run: str, now: bool) -> None:
    """End a run after its current step, and keep its model.

    RUN is its name or its folder. With --now its processes are killed; what it had saved by
    then stays, and it can be resumed. A prediction ends at once, and keeps nothing.
    """
    found = find_run(run)
    launcher = launcher_for(found)
    if now:
        confirm_host_keys(lambda: launcher.cancel(found))
        say(f"No process of {line(found.name)} is left.")
    else:
        confirm_host_keys(lambda: launcher.stop(found))
        confirm_host_keys(lambda: launcher.refresh(found))
        say(f"{line(found.name)} {_what_it_does(found, launcher)}.")


def _what_it_does(run: RunDirectory, launcher: Launcher) -> str:
    """Say what a run does that was asked to stop: it may have ended before."""
    if isinstance(launcher, PredictionLauncher):
        status = launcher.state(run).status
        ends = status in ("waiting", "running", "stopped")
        return "ends now, and keeps nothing" if ends else f"has ended before: it is {status}"
    if launcher.is_running(run):
        return "ends after its current step"
    return f"does not run: it is {run_status(load_state(run.events), is_running=False)}"
