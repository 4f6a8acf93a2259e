"""Prediction to Zarr by one process and by several, on as many cores each."""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process

SLICES, SIDE, DIFFERENT = 900, 1024, 8
REPETITIONS = 2


def run(settings: Settings) -> list[Table]:
    raw = write_linked_zarr(settings.folder / "raw.zarr", 20 if settings.is_quick else SLICES, SIDE)
    output = settings.folder / "m.zarr"
    command = [NAPARI_UNET, "predict", "starter", str(raw), "-o", str(output)]
    command += ["--membranes", "dark", "--overwrite"]
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    ways = {
        "one process, one core": ["taskset", "-c", str(core), *command],
        "one process, two cores": command,
        "two workers, a core each": [*command, "--workers", "2"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(settings.repetitions(REPETITIONS)):
        for name, way in ways.items():
            seconds[name].append(run_process(way)[0])
            shutil.rmtree(output)
    first = statistics.median(seconds["one process, one core"])
    rows = []
    for name, found in seconds.items():
        middle = statistics.median(found)
        limits = f"{min(found):.1f} to {max(found):.1f}"
        rows.append([name, f"{middle:.1f}", f"{first / middle:.2f}", limits])
    how = (
        f"`napari-unet predict starter raw.zarr -o m.zarr [--workers 2]`, {SLICES} slices of "
        f"{SIDE} x {SIDE} pixels, from the start of the process to its end, in turn."
    )
    return [Table("Prediction to .zarr by workers", how,
                  ["who", "median, s", "first / this", "range, s"], rows)]  # fmt: skip


def write_linked_zarr(
    path: Path, slices: int, side: int, pages: NDArray[np.uint8] | None = None
) -> Path:
    """Write a Zarr of noise, or of pages (Z, Y, X), a chunk a slice: its files are links to few."""
    array = zarr.create_array(
        path, shape=(slices, side, side), dtype=np.uint8, chunks=(1, side, side)
    )
    random = np.random.default_rng(0)
    for index in range(min(slices, DIFFERENT)):
        noise = random.integers(0, 256, (side, side), np.uint8)
        array[index] = noise if pages is None else pages[index % len(pages)]
    for index in range(DIFFERENT, slices):
        place = path / "c" / str(index) / "0" / "0"
        place.parent.mkdir(parents=True)
        place.hardlink_to(path / "c" / str(index % DIFFERENT) / "0" / "0")
    return path
