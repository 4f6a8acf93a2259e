"""Pipes, links, sockets and huge files in the place of a run's or a project's own."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.projects.opening import open_project
from napari_unet.projects.project import Project
from napari_unet.runs.run_list import list_runs
from training.config import preset_config
from training.errors import UserError
from training.runs.run_directory import RunDirectory


def fill(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)


def bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


THINGS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": bind,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "10 GB": fill,
}


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", ["launch_lock", "title", "config", "process", "events"])
def test_pipes_and_devices_in_a_run_or_project_are_refused(
    tmp_path: Path, name: str, thing: str
) -> None:
    """A run is listed, and is not running; what would be written to is not started."""
    run = RunDirectory(tmp_path / "runs" / "run")
    run.create(preset_config("compact"))
    path = getattr(run, name)
    path.unlink(missing_ok=True)
    THINGS[thing](path)
    [summary] = list_runs(run.path.parent)
    assert summary.status in ("interrupted", "unreadable")
    assert not run.is_running()
    if name == "launch_lock" and thing != "10 GB":
        with pytest.raises(UserError, match=r"launch\.lock"):
            LocalLauncher(run.path.parent).resume(run)


@pytest.mark.parametrize("thing", THINGS)
def test_pipes_and_devices_in_the_place_of_a_project_are_refused(
    tmp_path: Path, thing: str
) -> None:
    project = Project.create(tmp_path / "project")
    project.document.unlink()
    THINGS[thing](project.document)
    with pytest.raises(UserError, match=r"project\.json"):
        open_project(project.folder)


@pytest.mark.parametrize("thing", THINGS)
def test_pipes_and_devices_in_the_place_of_labels_are_named(tmp_path: Path, thing: str) -> None:
    project = Project.create(tmp_path / "project")
    labels = {"kind": "labels", "file": "labels/a.tif", "attributes": {"scale": [1, 1, 1]}}
    document = {"layers": [labels], "view": {}, "settings": {}}
    project.document.write_text(json.dumps(document))
    THINGS[thing](project.folder / "labels" / "a.tif")
    try:
        [problem] = open_project(project.folder).problems
    except UserError as error:  # a link to outside
        problem = error
    assert "labels/a.tif" in problem.problem
