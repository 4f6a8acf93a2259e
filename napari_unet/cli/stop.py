"""``napari-unet stop``: end a run, wherever it is."""

from __future__ import annotations

import click

from napari_unet.cli.run_access import confirm_host_keys, find_run
from napari_unet.launchers.servers.predictions.record import is_prediction
from napari_unet.runs.training_places import launcher_for
from napari_unet.text import line
from training.console import say


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
        what = "now, and keeps nothing" if is_prediction(found) else "after its current step"
        say(f"{line(found.name)} ends {what}.")
