"""Prediction of stacks on the command line, from the start of the process to the file."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.material import prepare
from benchmarks.report import Settings, Table
from training.presets.registry import DEFAULT_PRESET

NAPARI_UNET = str(Path(sys.executable).with_name("napari-unet"))
REPETITIONS = 5
SLICES = (1, 10, 30, 100, 300)


def run(settings: Settings) -> list[Table]:
    folder = prepare(DEFAULT_PRESET, settings.data, settings.folder / "whole", 1)
    rows = []
    for count in SLICES[:3] if settings.is_quick else SLICES:
        stack = write_stack(folder / f"{count}.tif", (count, 512, 512))
        command = [NAPARI_UNET, "predict", str(folder / "model.onnx"), str(stack)]
        command += ["-o", str(folder / "m.tif"), "--overwrite"]
        run_process(command)  # so that all are measured with files in memory
        runs = [run_process(command) for _ in range(settings.repetitions(REPETITIONS))]
        seconds = statistics.median(time for time, _ in runs)
        rows.append([str(count), f"{seconds:.2f}", f"{max(memory for _, memory in runs):.0f}"])
    how = (
        f"`napari-unet predict` with `{DEFAULT_PRESET}` on slices of 512 x 512 pixels: seconds "
        "from the start of the process to the compressed mask's file, median."
    )
    return [Table("Prediction of a stack", how, ["slices", "s", "peak memory, MB"], rows)]


def run_process(command: Sequence[str]) -> tuple[float, float]:
    """Seconds that a process takes, and the most memory in MB."""
    if sys.platform == "win32":
        raise RuntimeError("Windows does not tell what memory a process took that has ended.")
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}.")
    return seconds, usage.ru_maxrss / 1024


def write_stack(path: Path, shape: tuple[int, int, int]) -> Path:
    random = np.random.default_rng(0)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for _ in range(shape[0]):
            page = random.integers(0, 256, shape[1:], dtype=np.uint8)
            writer.write(page, photometric="minisblack", contiguous=True)
    return path
