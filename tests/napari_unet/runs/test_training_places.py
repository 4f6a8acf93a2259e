from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from click import Command
from click.testing import CliRunner

from napari_unet.cli import fetch, runs, stop
from napari_unet.launchers.launcher import Launcher, OnProgress, Standing, ignore_progress
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import profiles_path, save_profile
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.training_places import (
    LAUNCHERS,
    THIS_COMPUTER,
    launcher_for,
    launcher_in,
    list_places,
)
from training.config import TrainingConfig, preset_config
from training.dataset.found_meanings import FoundMeaning
from training.errors import UserError
from training.runs.run_directory import RunDirectory


def test_this_computer_is_the_first_place() -> None:
    without_servers = list_places()
    assert without_servers[0] == THIS_COMPUTER
    save_profile(Profile(name="the lab", host="lab.example.org"))
    assert list_places() == [*without_servers, "the lab"]


def test_every_place_has_its_launcher(tmp_path: Path) -> None:
    profile = Profile(name="the lab", host="lab.example.org")
    save_profile(profile)
    here, there = (launcher_in(place, tmp_path) for place in (THIS_COMPUTER, "the lab"))
    assert isinstance(here, LocalLauncher)
    assert isinstance(there, RemoteLauncher)
    assert there.profile == profile
    assert here.runs_folder == there.runs_folder == tmp_path


def test_a_place_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no server 'gone'"):
        launcher_in("gone", tmp_path)


def test_profiles_that_can_t_be_read_are_refused() -> None:
    profiles_path().parent.mkdir(parents=True)
    profiles_path().write_text("no JSON")
    with pytest.raises(UserError, match=r"servers\.json"):
        list_places()


class Notebook:
    """A kind of launcher as somebody might add it: its runs are known by a file of theirs."""

    name = "Notebook"

    def __init__(self, runs_folder: Path) -> None:
        self.runs_folder = runs_folder

    @classmethod
    def list_places(cls) -> list[str]:
        return [cls.name]

    @classmethod
    def in_place(
        cls,
        place: str,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = ignore_progress,
        device_ids: str = "",
    ) -> Self:
        return cls(runs_folder)

    @classmethod
    def of_run(cls, run: RunDirectory) -> Self | None:
        return cls(run.path.parent) if (run.path / "notebook").exists() else None

    def list_devices(self) -> list[str]:
        return ["cpu"]

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        run = RunDirectory(self.runs_folder / name)
        run.create(config)
        (run.path / "notebook").touch()
        return run

    def resume(self, run: RunDirectory, devices: int = 0) -> None:
        (run.path / "ended").unlink()

    def stop(self, run: RunDirectory) -> None:
        (run.path / "ended").touch()

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        self.stop(run)

    def is_running(self, run: RunDirectory) -> bool:
        return not (run.path / "ended").exists()

    def standing(self, run: RunDirectory) -> Standing:
        return Standing()

    def refresh(self, run: RunDirectory) -> None:
        pass

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        return {run.config.name: "a hash"}

    def count_device_logs(self, run: RunDirectory) -> int:
        return 0

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        return run.log

    def close(self) -> None:
        pass


def test_a_new_kind_of_launcher_needs_to_be_listed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = list_places()
    kinds: list[type[Launcher]] = [*LAUNCHERS, Notebook]
    monkeypatch.setattr("napari_unet.runs.training_places.LAUNCHERS", kinds)
    assert list_places() == [*places, "Notebook"]
    launcher = launcher_in("Notebook", tmp_path / "runs")
    run = launcher.start(preset_config("compact"), "first")
    assert launcher_for(run, launcher) is launcher
    assert isinstance(launcher_for(run), Notebook)

    def run_command(command: Command, *arguments: str) -> str:
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    assert run_command(runs.command).split() == ["first", "waiting", "-", "Notebook"]
    run_command(stop.command, "first")
    assert run_command(runs.command).split()[1] == "interrupted"
    assert run_command(fetch.command, "first").startswith("a hash")
