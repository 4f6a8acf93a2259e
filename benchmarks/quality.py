"""What ten minutes of training give, on every fold. Takes an hour: asked for by --only quality."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from training.config import FOLDS
from training.dataset.pair_search import DEFAULT_IMAGES
from training.metrics.evaluation_report import Evaluation
from training.runs.run_directory import RunDirectory

EPOCHS = 110
PIXELS = ("soft_dice", "dice")
NEURONS = ("v_rand", "v_info")
NAMES = ("soft Dice", "Dice", "v_rand", "v_info")


def run(settings: Settings) -> list[Table]:
    plain, mean = [], []
    for fold in range(FOLDS):
        directory = RunDirectory(settings.folder / f"fold-{fold}")
        seconds = train(settings, fold, directory)
        evaluation = Evaluation.from_json(directory.evaluation_json.read_text())
        plain.append([seconds, *figures(evaluation, PIXELS + NEURONS)])
        mean.append(
            [
                *figures(evaluate(settings, fold, directory.path, "--tta"), PIXELS + NEURONS),
                *figures(evaluate(settings, fold, segment(settings, directory)), NEURONS),
            ]
        )
    how = (
        f"`napari-unet train --epochs {EPOCHS} --fold FOLD`, once: its best model on the six "
        "slices of the fold, which it was not trained on; s is the whole command."
    )
    how_mean = (
        "The same models on the same slices, by `napari-unet evaluate RUN --tta`; the neurons are "
        "those of `napari-unet segment RUN train-volume.tif --data DIR --tta`, whose threshold "
        "was chosen on the other slices."
    )
    neurons = tuple(f"neurons' {name}" for name in NEURONS)
    return [
        Table("Quality", how, ["fold", "s", *NAMES], rows_of(plain, (0, 4, 4, 4, 4))),
        Table("Quality with --tta", how_mean, ["fold", *NAMES, *neurons], rows_of(mean, (4,) * 6)),
    ]


def train(settings: Settings, fold: int, directory: RunDirectory) -> float:
    length = ["--steps", "10"] if settings.is_quick else ["--epochs", str(EPOCHS)]
    command = [NAPARI_UNET, "train", "--data", str(settings.data), "--fold", str(fold), *length]
    return run_process([*command, "--out", str(directory.path)])[0]


def segment(settings: Settings, directory: RunDirectory) -> Path:
    neurons = directory.path.with_suffix(".tif")
    stack = settings.data / DEFAULT_IMAGES
    command = [NAPARI_UNET, "segment", str(directory.path), str(stack), "--tta"]
    run_process([*command, "--data", str(settings.data), "-o", str(neurons)])
    return neurons


def evaluate(settings: Settings, fold: int, subject: Path, *options: str) -> Evaluation:
    """Evaluate a run or a stack of neurons on the validation slices of a fold."""
    found = subject.with_suffix(".json")
    command = [NAPARI_UNET, "evaluate", str(subject), "--data", str(settings.data), *options]
    run_process([*command, "--fold", str(fold), "--json", str(found), "--overwrite"])
    return Evaluation.from_json(found.read_text())


def figures(evaluation: Evaluation, names: Sequence[str]) -> list[float]:
    return [evaluation.mean[name] for name in names]


def rows_of(folds: Sequence[Sequence[float]], decimals: Sequence[int]) -> list[list[str]]:
    """A row for every fold, and their means."""
    means = [statistics.mean(column) for column in zip(*folds, strict=True)]
    titles = [*map(str, range(len(folds))), "**mean**"]
    return [
        [title, *(f"{figure:.{places}f}" for figure, places in zip(row, decimals, strict=True))]
        for title, row in zip(titles, [*folds, means], strict=True)
    ]
