"""Predictions on a server as a person types them, over OpenSSH."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import tifffile

from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import PROGRAM, TypeIn
from tests.stack_files import read_pixel_size
from training.formats.pixel_size import PixelSize


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_prediction_goes_on_without_this_machine_and_comes_home_whole(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("3")
    results = ("-o", "mask.tif", "--probability", "probability.zarr")
    command = ("predict", "starter", "stack.tif", "--remote=lab", "--threshold=0.25", *results)
    with begin(folder, *command) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("3 of 6 slices"):
                break
        assert "3 of 6 slices" in lines[-1], "".join(lines)
        sshd.stop()
        assert any("Trying again" in line for line in process.stdout)
        sshd.start()
        process.kill()
    (name,) = [path.name for path in (sshd.work / "runs").iterdir()]
    assert f"The prediction is {name}, on lab.\n" in lines
    assert "Uploading stack.tif: 100 %\n" in lines
    assert type_in("runs").stdout.split() == [name, "running", "3/6", "lab"]
    assert type_in("runs", "--remote=lab").stdout.split()[:3] == [name, "running", "3/6"]
    assert not (folder / "mask.tif").exists()

    hold.unlink()
    again = type_in(*command)
    assert again.returncode == 0, again.stderr
    assert f"Going on: the prediction is {name}, on lab." in again.stdout
    assert "Uploading" not in again.stderr
    assert again.stdout.endswith("mask: mask.tif\nprobability: probability.zarr\n")
    pages = tifffile.imread(folder / "stack.tif")
    np.testing.assert_array_equal(tifffile.imread(folder / "mask.tif") == 0, pages / 255 >= 0.25)
    assert read_pixel_size(folder / "mask.tif") == PixelSize(50, 4, 4)
    assert files_below(sshd.work / "runs") == files_below(folder / "runs") == []
