"""What a few strokes give within a minute, and what corrections add.

    python benchmarks/scribbles.py FOLDER [--seed N] [--width PIXELS] [--seconds S]

FOLDER holds train-volume.tif and train-labels.tif, such as ISBI's. Strokes are drawn from the
ground truth as a person paints them: on three training slices of fold 1, at most 1 % of their
pixels, by a brush of size 1 unless ``--width`` says otherwise. A model is trained on them for at
most a minute, process start included, and compared with the whole ground truth of the fold's
validation slices. Then the three worst of the training slices without strokes are corrected, by
the ground truth, and the model learns on for as long again: all other slices show what that
gave.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from napari_unet.prediction.predictor import load_predictor
from training.dataset.holdout import split_fold
from training.dataset.pair_search import find_pair
from training.dataset.training_pair import open_pair
from training.masks.mask_files import write_sparse_labels
from training.metrics.pixel_metrics import soft_dice
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN

FOLD = 1
PAINTED_SLICES = CORRECTED_SLICES = 3
SHARE = 0.01  # of a slice's pixels that are painted
STROKE_LENGTH = 25, 60  # pixels
LEAST = 0.88
ENDING_SECONDS = 4  # from a request to stop to the end of a training
_NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def main() -> None:
    options = parse_options()
    with open_pair(*find_pair(options.folder), None) as pair:
        images = np.stack([*pair.images])
        membrane = np.stack([page == MEMBRANE for page in pair.codes.values()])
    training, validation = split_fold(len(images), FOLD)
    order = sorted(training)
    painted = [order[round(place)] for place in np.linspace(2, len(order) - 4, PAINTED_SLICES)]
    random = np.random.default_rng(options.seed)
    labels = np.zeros(images.shape, np.uint8)
    for z in painted:
        labels[z] = scribble(membrane[z], random, options.width)
    share = np.count_nonzero(labels[painted]) / labels[painted].size
    print(f"Strokes on slices {painted}, {share:.2%} of their pixels")
    with tempfile.TemporaryDirectory(prefix="scribbles-") as name:
        first, second = RunDirectory(Path(name) / "first"), RunDirectory(Path(name) / "second")
        train(options, labels, [], first)
        before = figures(first, images, membrane)
        show("After strokes", first, before, validation)
        free = [z for z in training if z not in painted]
        worst = sorted(free, key=lambda z: before[z])[:CORRECTED_SLICES]
        labels[worst] = np.where([membrane[z] for z in worst], MEMBRANE, INSIDE)
        train(options, labels, worst, second, "--weights", str(first.path))
        after = figures(second, images, membrane)
        show(f"After correcting slices {worst}", second, after, validation)
        print(json.dumps(load_state(second.events).comparison))
    others = [z for z in range(len(images)) if z not in {*painted, *worst}]
    means = [float(np.mean([found[z] for z in others])) for found in (before, after)]
    print(f"Mean soft Dice of the {len(others)} other slices: {means[0]:.4f}, then {means[1]:.4f}")
    reached = float(np.mean([before[z] for z in validation]))
    print("Reached" if reached >= LEAST and means[1] > means[0] else "Missed")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the strokes")
    parser.add_argument("--width", type=int, default=1, help="of the strokes, in pixels")
    parser.add_argument("--seconds", type=float, default=60, help="most that a training takes")
    return parser.parse_args()


def train(
    options: argparse.Namespace,
    labels: NDArray[np.uint8],
    corrected: list[int],
    run: RunDirectory,
    *start_from: str,
) -> None:
    """Train as a person does, and end when the time is up; print how long it took."""
    file = run.path.with_suffix(".tif")
    write_sparse_labels(file, labels, corrected)
    command = [str(Path(sys.executable).with_name("napari-unet")), "train", "--device", "cpu"]
    command += ["--data", str(options.folder), "--labels", str(file), "--out", str(run.path)]
    start = time.monotonic()
    with subprocess.Popen([*command, *start_from], stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(options.seconds - ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            run.request_stop()
            process.wait()
    took = time.monotonic() - start
    used = os.times()
    state = load_state(run.events)
    print(state.started["validation"] if state.started else run.log.read_text())
    print(
        f"{state.status} after {state.step} of {state.total_steps} steps, {took:.1f} s; "
        f"processor seconds so far {used.children_user + used.children_system:.0f}"
    )


def figures(
    run: RunDirectory, images: NDArray[np.uint8], membrane: Mapping[int, NDArray[np.bool_]]
) -> list[float]:
    """Soft Dice of every slice against the whole ground truth."""
    predicted = load_predictor(run.path, precision="f32").predict(images)
    return [soft_dice(probability, membrane[z]) for z, probability in predicted]


def show(title: str, run: RunDirectory, found: list[float], validation: list[int]) -> None:
    reported = load_state(run.events).best_soft_dice
    mean = np.mean([found[z] for z in validation])
    print(f"{title}: soft Dice {mean:.4f} on fold {FOLD}; {reported:.4f} on what was held out")


def scribble(
    membrane: NDArray[np.bool_], random: np.random.Generator, width: int = 1
) -> NDArray[np.uint8]:
    """Paint strokes on a slice (Y, X): half along membranes, half inside cells.

    Parameters
    ----------
    width : int
        Of the strokes, in pixels.
    """
    labels = np.zeros(membrane.shape, np.uint8)
    middle = skeletonize(membrane)  # type: ignore[no-untyped-call]
    room = ndimage.distance_transform_edt(~membrane) > 2
    most = SHARE * labels.size
    for value, ground, limit in ((MEMBRANE, middle, most / 2), (INSIDE, room, most)):
        kind = membrane if value == MEMBRANE else ~membrane
        while True:
            stroke = _walk(ground & (labels == UNKNOWN), random)
            painted = ndimage.binary_dilation(stroke, np.ones((width, width)))
            painted &= (labels == UNKNOWN) & kind
            if np.count_nonzero(labels) + np.count_nonzero(painted) > limit:
                break
            labels[painted] = value
    return labels


def _walk(ground: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """A way of some length over the ground, turning but little."""
    stroke = np.zeros_like(ground)
    y, x = random.choice(np.argwhere(ground))
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(int(random.integers(*STROKE_LENGTH))):
        stroke[y, x] = True
        angle += random.normal(0, 0.2)
        places = [
            (float(np.cos(np.arctan2(dy, dx) - angle)), y + dy, x + dx)
            for dy, dx in _NEIGHBOURS
            if 0 <= y + dy < ground.shape[0] and 0 <= x + dx < ground.shape[1]
        ]
        ahead = [
            (straight, row, column)
            for straight, row, column in places
            if ground[row, column] and not stroke[row, column] and straight > -0.2
        ]
        if not ahead:
            break
        _, row, column = max(ahead)
        turn = np.arctan2(row - y, column - x) - angle
        angle += 0.5 * float(np.angle(np.exp(1j * turn)))
        y, x = row, column
    return stroke


if __name__ == "__main__":
    main()
