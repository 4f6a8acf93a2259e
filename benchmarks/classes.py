"""Three classes beside two: what mitochondria cost in membranes and in time.

    python benchmarks/classes.py [--repeats N] [--size PIXELS]

The synthetic stack, whose mitochondria are labelled as a class, is trained on with the usual
options, and so are its membranes alone; each in a process of its own, in turn. Dice is that of
the best model on fold 1's held-out slices.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from training.runs.run_directory import RunDirectory
from training.stacks.synthetic import CLASSES, MEMBRANE, synthetic_classes

SLICES = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        images, labels = synthetic_classes(SLICES, options.size)
        membrane = np.where(labels == MEMBRANE, 0, 255).astype(np.uint8)
        for name, stack in (("images", images), ("two", membrane), ("three", labels)):
            tifffile.imwrite(work / f"{name}.tif", stack, photometric="minisblack")
        seconds: dict[str, list[float]] = {"two": [], "three": []}
        for repeat in range(options.repeats):
            for kind in seconds:
                wall, computing, mean = train(work, kind, repeat)
                seconds[kind].append(wall)
                figures = {name: round(dice, 4) for name, dice in mean.items() if "dice" in name}
                print(
                    f"{kind} {repeat}: {wall:.1f} s, {computing:.1f} s of the processor, {figures}"
                )
        medians = {kind: statistics.median(walls) for kind, walls in seconds.items()}
        print(f"median: {medians}, three / two: {medians['three'] / medians['two']:.2f}")


def train(work: Path, kind: str, repeat: int) -> tuple[float, float, dict[str, float]]:
    """Train, and return seconds, seconds of the processor, and the best model's figures."""
    run = RunDirectory(work / f"{kind}{repeat}")
    command = [sys.executable, "-m", "training.train", "--preset", "compact", "--device", "cpu"]
    command += ["--image", str(work / "images.tif"), "--labels", str(work / f"{kind}.tif")]
    command += ["--run_dir", str(run.path), *(["--classes", CLASSES] if kind == "three" else [])]
    before, begin = _computing(), time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    wall, computing = time.monotonic() - begin, _computing() - before
    return wall, computing, json.loads(run.evaluation_json.read_text())["mean"]


def _computing() -> float:
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    main()
