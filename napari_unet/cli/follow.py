"""``napari-unet follow``: watch a run, wherever it is."""

from __future__ import annotations

import click

from napari_unet.cli.remote_prediction import follow_until_home
from napari_unet.cli.run_access import find_run, follow
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.training_places import launcher_for


@click.command()
@click.argument("run")
def command(run: str) -> None:
    """Watch a run until it ends; Ctrl-C leaves it running.

    RUN is its name or its folder. After an interruption, however long, it goes on where it
    stopped, and the best model comes to this machine as soon as there is a better one. The exit
    code is 1 where the run failed, or its process ended without reporting why. The results of a
    prediction come to its folder here.
    """
    found = find_run(run)
    launcher = launcher_for(found)
    if isinstance(launcher, PredictionLauncher):
        follow_until_home(found, launcher)
        return
    follow(found, RunFollower(found, launcher))
