"""``napari-unet fetch``: bring a server's run home."""

from __future__ import annotations

import click

from napari_unet.cli.run_access import RUNS_FOLDER, confirm_host_keys, find_run
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.runs.training_places import launcher_for
from training.console import say
from training.runs.run_directory import RunDirectory


@click.command()
@click.argument("run")
@click.option("--remote", metavar="PROFILE", help="Make the copy of a run that isn't here yet.")
@click.option("--log", metavar="DEVICE", type=int, help="Fetch and print this device's log.")
def command(run: str, remote: str | None, log: int | None) -> None:
    """Fetch a run's events, figures and best model; each file's hash is compared.

    RUN is its name or the folder of its copy. Of a prediction its results are fetched.
    """
    found = find_run(run) if remote is None else _adopt(run, remote)
    launcher = launcher_for(found)
    if log is not None:
        text = confirm_host_keys(lambda: launcher.fetch_device_log(found, log))
        say(text.read_text("utf-8", errors="replace"), end="")
        return
    for name, digest in confirm_host_keys(lambda: launcher.fetch(found)).items():
        say(f"{digest}  {found.path / name}")


def _adopt(name: str, profile: str) -> RunDirectory:
    from napari_unet.launchers.servers.listing import adopt_run
    from napari_unet.launchers.servers.predictions.listing import adopt_prediction

    server, folder = find_profile(profile), RUNS_FOLDER.absolute()
    return confirm_host_keys(
        lambda: adopt_prediction(server, name, folder) or adopt_run(server, name, folder)
    )
