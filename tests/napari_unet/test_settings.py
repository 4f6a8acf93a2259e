"""The remembered choices: kept between sessions, and never in the way."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from napari.utils.notifications import notification_manager
from pydantic import ValidationError

from napari_unet import settings
from napari_unet.settings import Settings

REMEMBER_OFTEN = """
import sys
from napari_unet.settings import Settings, remember
for number in range(40):
    remember(Settings(**{sys.argv[1]: f"{number}"}))
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def test_without_a_file_there_are_defaults(home: Path) -> None:
    loaded = settings.load_settings()
    assert Path(loaded.runs_folder).is_relative_to(home)
    assert loaded.training == {}


def test_what_is_remembered_is_there_next_time() -> None:
    settings.remember(Settings(training={"preset": "compact", "seed": 3}))
    settings.remember(Settings(runs_folder="/data/runs"))
    loaded = settings.load_settings()
    assert loaded.runs_folder == "/data/runs"
    assert loaded.training == {"preset": "compact", "seed": 3}


def test_nobody_else_reads_the_file_which_may_lie_elsewhere(home: Path) -> None:
    path, elsewhere = settings.settings_path(), home / "settings of all machines.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    elsewhere.touch(0o644)
    settings.remember(Settings(model="/runs/a"))
    assert path.is_symlink()
    assert "/runs/a" in elsewhere.read_text()
    assert elsewhere.stat().st_mode & 0o777 == 0o600


def test_a_folder_whose_name_is_not_unicode_is_remembered() -> None:
    settings.remember(Settings(model="/data/\udcff"))
    assert settings.load_settings().model == "/data/\udcff"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"runs_folder": 3, "unknown": 1}'])
def test_a_damaged_file_gives_defaults(content: str) -> None:
    settings.settings_path().parent.mkdir(parents=True)
    settings.settings_path().write_text(content)
    loaded = settings.load_settings()
    assert loaded.runs_folder == str(settings.default_runs_folder())
    settings.remember(Settings(is_advanced_open=True))
    assert settings.load_settings().is_advanced_open


def test_what_is_sound_in_a_damaged_file_is_kept() -> None:
    settings.settings_path().parent.mkdir(parents=True)
    settings.settings_path().write_text('{"runs_folder": 3, "model": "/runs/a"}')
    assert settings.load_settings().model == "/runs/a"


@pytest.mark.parametrize("changes", [{"modell": "a"}, {"model": 3}])
def test_unknown_choices_and_other_types_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings.remember(Settings(**changes))
    assert not settings.settings_path().exists()


def test_threads_lose_nothing_of_each_other() -> None:
    names = ("model", "project", "followed_run", "runs_folder")

    def remember_often(name: str) -> None:
        for number in range(30):
            settings.remember(Settings(**{name: f"{number}"}))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(remember_often, names))
    loaded = settings.load_settings()
    assert {name: getattr(loaded, name) for name in names} == dict.fromkeys(names, "29")


def test_processes_lose_nothing_of_each_other() -> None:
    names = ("model", "project")
    command = [sys.executable, "-c", REMEMBER_OFTEN]
    processes = [subprocess.Popen([*command, name]) for name in names]
    assert [process.wait() for process in processes] == [0, 0]
    loaded = settings.load_settings()
    assert (loaded.model, loaded.project) == ("39", "39")


def test_an_unusable_folder_is_reported_once_and_stops_nothing(home: Path) -> None:
    (home / "config").write_text("a file where the folder should be")
    notification_manager.records.clear()
    settings.remember(Settings(model="/runs/a"))
    settings.remember(Settings(threshold=0.4))
    loaded = settings.load_settings()
    assert (loaded.model, loaded.threshold) == ("/runs/a", 0.4)
    (notice,) = notification_manager.records
    assert "forgotten when napari ends" in notice.message

    (home / "config").unlink()  # once the folder can be used, all is saved
    settings.remember(Settings(project="/projects/a"))
    assert '"/runs/a"' in settings.settings_path().read_text()
    notification_manager.records.clear()


def test_choices_of_a_project_hold_in_this_program_alone() -> None:
    settings.remember(Settings(runs_folder="/runs", threshold=0.3))
    choices: dict[str, object] = {
        "project": "/p",
        "runs_folder": "/p/runs",
        "threshold": 0.4,
    }
    settings.hold(choices)
    settings.remember(Settings(threshold=0.6, projects=["/p"]))
    assert settings.load_settings().runs_folder == "/p/runs"
    assert choices["threshold"] == 0.6
    command = [sys.executable, "-c", "from napari_unet.settings import *; print(load_settings())"]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "runs_folder='/runs'" in other and "threshold=0.3" in other
    assert "project=''" in other and "projects=['/p']" in other
    settings.let_go({})  # those of another project
    assert settings.load_settings().project == "/p"
    settings.let_go(choices)
    assert settings.load_settings().runs_folder == "/runs"
