"""``napari-unet follow``: what its exit code says of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from napari_unet.cli.follow import command
from training.config import preset_config
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ({"kind": "finished", "step": 9, "seconds": 1.0}, "finished", 0),
        ({"kind": "stopped", "step": 2, "seconds": 1.0}, "stopped", 0),
        ({"kind": "failed", "message": "no", "remedy": "none", "traceback": ""}, "failed", 1),
        ({"kind": "warning", "message": "killed soon after"}, "interrupted", 1),
    ],
)
def test_the_exit_code_says_whether_a_run_came_to_its_end(
    tmp_path: Path, ending: dict[str, object], status: str, code: int
) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact"))
    log = EventLog(run.events)
    log.append("started", first_step=0, total_steps=9, device="CPU", valid_slices=[1])
    log.append(**ending)
    log.close()
    done = CliRunner().invoke(command, [str(run.path)])
    assert f"The run run is {status}." in done.stdout
    assert done.exit_code == code
