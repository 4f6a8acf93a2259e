"""Commands whose output is full, cut or closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("napari-unet")


@pytest.mark.parametrize("arguments", ["runs", "servers list"])
@pytest.mark.parametrize("streams", [">/dev/full", "| true", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_commands_end_well_without_their_output(
    tmp_path: Path, arguments: str, streams: str
) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{PROGRAM} {arguments} {streams}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
