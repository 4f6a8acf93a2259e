"""Neurons by the threshold and by learned merges, on every fold. It trains five, half an hour."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from benchmarks.quality import NEURONS, evaluate, figures, rows_of
from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from training.config import FOLDS
from training.dataset.pair_search import DEFAULT_IMAGES
from training.runs.run_directory import RunDirectory

CHOSEN = re.compile(r"^threshold ([\d.]+), seeds ([\d.]+):", re.MULTILINE)


def run(settings: Settings) -> list[Table]:
    rows = []
    for fold in range(FOLDS):
        directory = train(settings, fold)
        merged = settings.folder / f"merges-{fold}.tif"
        said = segment(settings, directory, merged, "--data", str(settings.data))
        [(threshold, seeds)] = CHOSEN.findall(said)
        former = settings.folder / f"threshold-{fold}.tif"
        segment(settings, directory, former, "--threshold", threshold, "--seeds", seeds)
        row = [figures(evaluate(settings, fold, neurons), NEURONS) for neurons in (former, merged)]
        rows.append([*row[0], *row[1]])
    how = (
        f"`napari-unet segment RUN {DEFAULT_IMAGES} --data DIR --tta` of runs of `napari-unet "
        "train --fold FOLD`: neurons of the slices of the fold, whose labels neither network nor "
        "forest have seen. Those of the threshold are with `--threshold` and `--seeds` as that "
        "command says that it chose them."
    )
    columns = [f"{way}: {figure}" for way in ("threshold", "merges") for figure in NEURONS]
    return [Table("Learned merges", how, ["fold", *columns], rows_of(rows, (4,) * 4))]


def train(settings: Settings, fold: int) -> RunDirectory:
    directory = RunDirectory(settings.folder / f"defaults-{fold}")
    length = ["--steps", "10"] if settings.is_quick else []
    command = [NAPARI_UNET, "train", "--data", str(settings.data), "--fold", str(fold), *length]
    run_process([*command, "--out", str(directory.path)])
    return directory


def segment(settings: Settings, directory: RunDirectory, neurons: Path, *options: str) -> str:
    """Find neurons, and give what the command said."""
    stack = settings.data / DEFAULT_IMAGES
    command = [NAPARI_UNET, "segment", str(directory.path), str(stack), "-o", str(neurons)]
    done = subprocess.run(
        [*command, "--tta", *options], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
