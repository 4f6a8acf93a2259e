"""Texts of someone else on a real terminal: each command shows them, and obeys none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.record import RemoteRecord, write_record
from tests.terminal import HOSTILE, SHOWN, on_terminal
from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

PROGRAM = str(Path(sys.executable).with_name("napari-unet"))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of someone else, with texts that would do harm."""
    run = RunDirectory(tmp_path / "runs" / HOSTILE)
    run.create(preset_config("compact", data_url=f"/nowhere/{HOSTILE}", steps=1))
    log = EventLog(run.events)
    log.append("started", first_step=0, total_steps=9, device=HOSTILE, valid_slices=[1])
    log.append("failed", message=HOSTILE, remedy=HOSTILE, traceback=HOSTILE)
    log.close()
    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("stop", HOSTILE),
        ("stop", HOSTILE, "--now"),
        ("follow", HOSTILE),
        ("fetch", HOSTILE),
        ("predict", f"runs/{HOSTILE}", f"{HOSTILE}.tif", "-o", "mask.tif"),
        ("train", "--resume", f"runs/{HOSTILE}"),
        ("train", "--config", HOSTILE),
        ("evaluate", f"runs/{HOSTILE}", "--data", HOSTILE),
        ("segment", HOSTILE, HOSTILE, "-o", "neurons.tif"),
        ("demo", "--data", HOSTILE),
        ("servers", "test", HOSTILE),
        ("servers", "remove", HOSTILE),
    ],
    ids=" ".join,
)
def test_the_commands_show_what_they_are_given(
    run: RunDirectory, tmp_path: Path, arguments: tuple[str]
) -> None:
    assert SHOWN in on_terminal(tmp_path, PROGRAM, *arguments)


def test_the_commands_without_a_text_of_someone_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", f"/nowhere/{HOSTILE}")
    assert on_terminal(tmp_path, PROGRAM, "doctor")
    assert "can't be called" in on_terminal(
        tmp_path, PROGRAM, "servers", "add", HOSTILE, "--host", "lab"
    )


@pytest.mark.parametrize("arguments", [(HOSTILE,), ("runs", f"--{HOSTILE}"), ("stop",)], ids=repr)
def test_what_is_not_a_command(tmp_path: Path, arguments: tuple[str]) -> None:
    assert "Usage:" in on_terminal(tmp_path, PROGRAM, *arguments)


@pytest.mark.parametrize("module", ["training.train", "training.launch_8p"])
def test_the_commands_of_training(run: RunDirectory, tmp_path: Path, module: str) -> None:
    job = ["--devices", "1"] if module == "training.launch_8p" else []
    command = [sys.executable, "-m", module, "--run_dir", str(run.path), *job]
    assert SHOWN in on_terminal(tmp_path, *command)


def test_the_commands_on_servers(home: Path, run: RunDirectory, tmp_path: Path) -> None:
    profile = Profile(name="lab", host="127.0.0.1", port=1, activate=f"echo {HOSTILE}")
    save_profile(profile)
    assert SHOWN in on_terminal(tmp_path, PROGRAM, "servers", "list")
    write_record(
        run, RemoteRecord(profile=profile, run_id="1f", devices=1, paths=("/home/me/runs/a",))
    )
    assert SHOWN in on_terminal(tmp_path, PROGRAM, "runs")


def test_a_progress_bar(tmp_path: Path) -> None:
    code = (
        "from napari_unet.cli.progress.progress_bar import ProgressBar\n"
        f"with ProgressBar(total=1, desc={HOSTILE!r}) as bar: bar.set_postfix_str({HOSTILE!r})"
    )
    assert on_terminal(tmp_path, sys.executable, "-c", code).count(SHOWN) > 1
