"""One launcher of a run at a time, and nobody else's folder is locked."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.launches import Launch, events
from training.config import preset_config
from training.devices.launch_lock import launching
from training.devices.run_processes import RUN_MARK
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state


@pytest.mark.heavy
def test_of_two_launches_at_once_one_trains_and_nobody_dies(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    """Two windows resume a run on a server: both launches have the run's id."""
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3))
    mark = {RUN_MARK: uuid.uuid4().hex}
    both = [launch(f"--devices={devices}", new=False, **mark) for devices in (2, 1)]
    printed = [begun.wait() for begun in both]
    outputs = {begun.process.returncode: text for begun, text in zip(both, printed, strict=True)}
    assert "is running already" in outputs[2]
    assert outputs.keys() == {0, 2}, outputs
    assert load_state(run.events).status == "finished"
    assert [event["kind"] for event in events(run)].count("failed") == 0
    assert both[0].left() == []


def test_a_launch_is_refused_while_another_has_looked_and_not_yet_started(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3))
    with launching(run):
        second = launch("--devices=1", new=False)
        assert "is running already" in second.wait()
    assert second.process.returncode == 2
    assert not run.events.exists()


def test_a_launch_lock_that_is_a_link_is_not_followed(
    run: RunDirectory, data: Path, launch: Callable[..., Launch]
) -> None:
    run.create(preset_config("compact", data_url=str(data), device="cpu", steps=3))
    outside = run.path.with_name("outside")
    run.launch_lock.symlink_to(outside)
    first = launch("--devices=1", new=False)
    assert "launch.lock can't be written" in first.wait()
    assert first.process.returncode == 2
    assert not outside.exists()


@pytest.mark.parametrize("options", [["--epochs=0"], ["--preset=none"]])
def test_a_launch_that_is_refused_makes_no_folder(
    run: RunDirectory, launch: Callable[..., Launch], options: list[str]
) -> None:
    first = launch("--devices=1", *options)
    assert first.wait()
    assert first.process.returncode == 2
    assert not run.path.exists()


def test_a_folder_with_something_else_gets_no_lock(
    run: RunDirectory, launch: Callable[..., Launch]
) -> None:
    run.path.mkdir()
    (run.path / "mine").touch()
    first = launch("--devices=1")
    assert "is not empty" in first.wait()
    assert first.process.returncode == 2
    assert os.listdir(run.path) == ["mine"]  # noqa: PTH208
