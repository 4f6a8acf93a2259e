"""The remembered choices: kept between sessions, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

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
