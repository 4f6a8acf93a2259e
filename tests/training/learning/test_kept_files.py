"""Files of a run that can't be written at once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.devices.placement import Device
from training.errors import UserError
from training.learning.kept_files import KeptFiles
from training.learning.report import Report
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    run.preview.mkdir()
    return run


@pytest.fixture
def files(run: RunDirectory) -> Iterator[KeptFiles]:
    report = Report(run, Device("CPU"))
    yield KeptFiles(run, report)
    report.end("finished", 1)


def test_files_are_written_once(run: RunDirectory, files: KeptFiles) -> None:
    files.put("best model", run.best, b"best")
    files.put("preview", run.preview_image(1), b"preview")
    assert files.write() == {run.best, run.preview_image(1)}
    assert files.write() == set()
    assert run.best.read_bytes() == b"best"


def test_a_checkpoint_waits_for_the_best_model(run: RunDirectory, files: KeptFiles) -> None:
    """For a run that is resumed after the checkpoint would never find that model again."""
    run.best.mkdir()
    checkpoint = run.checkpoint("unet", 1, 3)
    files.put("checkpoint", checkpoint, b"state")
    files.put("best model", run.best, b"best")
    assert files.write() == set()
    assert not checkpoint.exists()
    [warning] = load_state(run.events).warnings
    assert warning.startswith("The best model waits to be written: ")
    assert str(run.best) in warning
    with pytest.raises(UserError, match=r"its best model, checkpoint can't be written to "):
        files.check()

    run.best.rmdir()
    assert files.write() == {checkpoint, run.best}
    files.check()


def test_the_newest_of_a_kind_is_written(run: RunDirectory, files: KeptFiles) -> None:
    run.best.mkdir()
    for content in (b"first", b"second"):
        files.put("best model", run.best, content)
        files.write()
    run.best.rmdir()
    files.write()
    assert run.best.read_bytes() == b"second"


def test_a_preview_holds_up_nothing(run: RunDirectory, files: KeptFiles) -> None:
    shutil.rmtree(run.preview)
    checkpoint = run.checkpoint("unet", 1, 3)
    files.put("preview", run.preview_image(1), b"preview")
    files.put("checkpoint", checkpoint, b"state")
    assert files.write() == {checkpoint}
    files.check()


def test_a_folder_that_has_vanished_ends_the_run(run: RunDirectory, files: KeptFiles) -> None:
    files.put("best model", run.best, b"best")
    shutil.rmtree(run.path)
    with pytest.raises(UserError, match="has vanished"):
        files.write()
