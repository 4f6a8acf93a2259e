"""Neurons by the threshold and by learned merges, on every fold. It trains ten, an hour."""

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

EPOCHS = (12, 40)  # the defaults', and more
CHOSEN = re.compile(r"^threshold ([\d.]+), seeds ([\d.]+):", re.MULTILINE)


def run(settings: Settings) -> list[Table]:
    return [compare(settings, epochs) for epochs in EPOCHS]


def compare(settings: Settings, epochs: int) -> Table:
    rows = []
    for fold in range(FOLDS):
        directory = train(settings, fold, epochs)
        merged = settings.folder / f"merges-{epochs}-{fold}.tif"
        said = segment(settings, directory, merged, "--data", str(settings.data))
        [(threshold, seeds)] = CHOSEN.findall(said)
        former = settings.folder / f"threshold-{epochs}-{fold}.tif"
        segment(settings, directory, former, "--threshold", threshold, "--seeds", seeds)
        row = [figures(evaluate(settings, fold, neurons), NEURONS) for neurons in (former, merged)]
        rows.append([*row[0], *row[1]])
    how = (
        f"`napari-unet segment RUN {DEFAULT_IMAGES} --data DIR --tta` of runs of `napari-unet "
        f"train --fold FOLD --epochs {epochs}`: neurons of the slices of the fold, whose labels "
        "neither network nor forest have seen. Those of the threshold are with `--threshold` and "
        "`--seeds` as that command says that it chose them. The strength of the noise that merges "
        "are learned with was chosen among three by folds 0 to 3."
    )
    columns = [f"{way}: {figure}" for way in ("threshold", "merges") for figure in NEURONS]
    title = f"Learned merges after {epochs} epochs"
    return Table(title, how, ["fold", *columns], rows_of(rows, (4,) * 4))


def train(settings: Settings, fold: int, epochs: int) -> RunDirectory:
    directory = RunDirectory(settings.folder / f"epochs-{epochs}-{fold}")
    length = ["--steps", "10"] if settings.is_quick else ["--epochs", str(epochs)]
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
