"""What ten minutes of training give, on every fold. Takes an hour: asked for by --only quality."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.report import Settings, Table
from benchmarks.whole_process import run_process
from training.config import FOLDS
from training.evaluation import Evaluation
from training.run_directory import RunDirectory

EPOCHS = 110
FIGURES = ("soft_dice", "dice", "v_rand", "v_info")


def run(settings: Settings) -> list[Table]:
    napari_unet = str(Path(sys.executable).with_name("napari-unet"))
    length = ["--steps", "10"] if settings.is_quick else ["--epochs", str(EPOCHS)]
    figures: list[list[float]] = []
    for fold in range(FOLDS):
        directory = RunDirectory(settings.folder / f"fold-{fold}")
        command = [napari_unet, "train", "--data", str(settings.data), "--fold", str(fold)]
        seconds, _ = run_process([*command, *length, "--out", str(directory.path)])
        evaluation = Evaluation.from_json(directory.evaluation_json.read_text())
        figures.append([seconds, *(evaluation.mean[name] for name in FIGURES)])
    means = [statistics.mean(column) for column in zip(*figures, strict=True)]
    rows = [[str(fold), *texts(one)] for fold, one in enumerate(figures)]
    rows.append(["**mean**", *texts(means)])
    how = (
        f"`napari-unet train --epochs {EPOCHS} --fold FOLD`, once: its best model on the six "
        "slices of the fold, which it was not trained on; s is the whole command."
    )
    header = ["fold", "s", "soft Dice", "Dice", "v_rand", "v_info"]
    return [Table("Quality", how, header, rows)]


def texts(figures: list[float]) -> list[str]:
    seconds, *rest = figures
    return [f"{seconds:.0f}", *(f"{one:.4f}" for one in rest)]
