from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
from napari_unet.prediction.openvino_runtime import import_openvino
print(import_openvino().Core().available_devices)
"""


def test_openvino_tells_its_maker_nothing(tmp_path: Path) -> None:
    outside_ci = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-P", "-c", CODE]
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    result = subprocess.run(
        command, env=outside_ci | home, capture_output=True, text=True, check=True
    )
    assert "CPU" in result.stdout
    assert not list(tmp_path.iterdir())  # where the telemetry keeps who we are
