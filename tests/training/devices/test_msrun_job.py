"""The logs of a run on several devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.config import preset_config
from training.devices.msrun_job import MsrunJob, prepare_logs
from training.errors import UserError
from training.runs.run_directory import RunDirectory

JOB = MsrunJob(devices=2)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact"))
    return run


def test_no_kept_log_takes_the_place_of_another(run: RunDirectory) -> None:
    log = run.device_log(0)
    for content in ("first", "second", "third"):
        prepare_logs(run, JOB)
        log.write_text(content)
    log.with_name("log.1.log").unlink()  # by a person who needs the room
    prepare_logs(run, JOB)
    kept = {path.name: path.read_text() for path in log.parent.iterdir()}
    assert kept == {"log.log": "", "log.2.log": "second", "log.3.log": "third"}


def test_no_log_is_kept_or_made_behind_a_link(run: RunDirectory, tmp_path: Path) -> None:
    own = tmp_path / "own" / "log.log"
    own.parent.mkdir()
    own.write_text("precious")
    run.logs.mkdir()
    run.device_log(1).parent.symlink_to(own.parent)
    with pytest.raises(UserError, match="device1 is a link to outside of the run"):
        prepare_logs(run, JOB)
    assert [path.name for path in own.parent.iterdir()] == [own.name]
    assert own.read_text() == "precious"
