"""``napari-unet stop``: which run it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from napari_unet.cli.stop import command
from napari_unet.settings import default_runs_folder
from training.config import preset_config
from training.runs.run_directory import RunDirectory


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two folders in which runs are looked for by name, which are not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs", default_runs_folder()


def test_of_two_runs_of_one_name_none_is_stopped(folders: tuple[Path, Path]) -> None:
    runs = [RunDirectory(folder / "first") for folder in folders]
    for run in runs:
        run.create(preset_config("compact"))
    refused = CliRunner().invoke(command, ["first"])
    assert refused.exit_code != 0 and not any(run.stop_request.exists() for run in runs)
    assert f"several runs 'first': {runs[0].path}, {runs[1].path}" in str(refused.exception)
    assert CliRunner().invoke(command, [str(runs[1].path)]).exit_code == 0


def test_a_run_that_is_found_twice_is_one(folders: tuple[Path, Path]) -> None:
    here, there = folders
    RunDirectory(there / "first").create(preset_config("compact"))
    here.symlink_to(there)
    done = CliRunner().invoke(command, ["first"])
    assert (done.exit_code, done.output) == (0, "first does not run: it is interrupted.\n")
