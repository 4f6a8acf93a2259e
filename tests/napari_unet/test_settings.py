"""The remembered choices: kept between sessions, and never in the way."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from napari_unet import settings


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
    settings.remember(training={"preset": "compact", "seed": 3})
    settings.remember(runs_folder="/data/runs")
    loaded = settings.load_settings()
    assert loaded.runs_folder == "/data/runs"
    assert loaded.training == {"preset": "compact", "seed": 3}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"runs_folder": 3, "unknown": 1}'])
def test_a_damaged_file_gives_defaults(content: str) -> None:
    settings.settings_path().parent.mkdir(parents=True)
    settings.settings_path().write_text(content)
    loaded = settings.load_settings()
    assert loaded.runs_folder == str(settings.default_runs_folder())
    assert settings.remember(is_advanced_open=True).is_advanced_open


def test_what_is_whole_in_a_damaged_file_is_kept() -> None:
    settings.settings_path().parent.mkdir(parents=True)
    settings.settings_path().write_text('{"threshold": "high", "unknown": 1, "model": "mine"}')
    loaded = settings.load_settings()
    assert (loaded.model, loaded.threshold) == ("mine", settings.Settings().threshold)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValidationError, match="treshold"):
        settings.remember(treshold=0.4)
    with pytest.raises(ValidationError, match="threshold"):
        settings.remember(threshold="high")


CHOICES: dict[str, Any] = {
    "runs_folder": "/runs",
    "training": {"seed": 3},
    "followed_run": "/runs/one",
    "is_advanced_open": True,
    "is_loss_logarithmic": False,
    "model": "/runs/two",
    "threshold": 0.25,
    "project": "/project",
}


def test_threads_lose_nothing_of_each_other() -> None:
    def remember(choice: tuple[str, Any]) -> None:
        settings.remember(**dict([choice]))

    for _ in range(5):
        settings.settings_path().unlink(missing_ok=True)
        with ThreadPoolExecutor(len(CHOICES)) as threads:
            list(threads.map(remember, CHOICES.items()))
        loaded = settings.load_settings()
        assert {name: getattr(loaded, name) for name in CHOICES} == CHOICES


def test_processes_lose_nothing_of_each_other() -> None:
    code = (
        "import sys; from napari_unet.settings import remember;"
        "[remember(**{sys.argv[1]: str(n)}) for n in range(20)]"
    )
    names = ("followed_run", "model", "project")
    processes = [subprocess.Popen([sys.executable, "-c", code, name]) for name in names]
    assert [process.wait() for process in processes] == [0, 0, 0]
    loaded = settings.load_settings()
    assert [getattr(loaded, name) for name in names] == ["19", "19", "19"]


def test_an_unwritable_folder_stops_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_has_warned", False)
    (home / "config").write_text("a file in the folder's place")
    with pytest.warns(UserWarning, match="Your choices can't be kept"):
        assert settings.remember(threshold=0.25).threshold == 0.25
    assert settings.remember(threshold=0.75).threshold == 0.75  # and no second warning
    assert settings.load_settings().threshold == settings.Settings().threshold
