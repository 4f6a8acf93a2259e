"""Neurons by the threshold and by learned merges, on every fold. Takes an hour: it trains five."""

from __future__ import annotations

from pathlib import Path

from benchmarks.quality import EPOCHS, NEURONS, evaluate, figures, rows_of, train
from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from training.config import FOLDS
from training.dataset.pair_search import DEFAULT_IMAGES
from training.runs.run_directory import RunDirectory

WAYS = {"threshold": ("--seeds", "0.03"), "merges": ()}  # given seeds, no merges are learned


def run(settings: Settings) -> list[Table]:
    rows = []
    for fold in range(FOLDS):
        directory = RunDirectory(settings.folder / f"fold-{fold}")
        if not directory.has_model:  # else the benchmark of quality has trained it
            train(settings, fold, directory)
        row = []
        for name, options in WAYS.items():
            neurons = settings.folder / f"{name}-{fold}.tif"
            seconds = segment(settings, directory, neurons, options)
            row += [*figures(evaluate(settings, fold, neurons), NEURONS), seconds]
        rows.append(row)
    how = (
        f"`napari-unet segment RUN {DEFAULT_IMAGES} --data DIR` of runs of {EPOCHS} epochs: "
        "neurons of the slices of the fold, whose labels neither network nor forest have seen. Of "
        "the threshold with `--seeds 0.03`, with which no merges are learned; s is the whole "
        "command. Where the threshold was better on training slices, merges are the threshold's."
    )
    columns = [f"{way}: {figure}" for way in WAYS for figure in (*NEURONS, "s")]
    return [
        Table("Learned merges", how, ["fold", *columns], rows_of(rows, (4, 4, 0) * len(WAYS))),
    ]


def segment(
    settings: Settings, directory: RunDirectory, neurons: Path, options: tuple[str, ...]
) -> float:
    stack = settings.data / DEFAULT_IMAGES
    command = [NAPARI_UNET, "segment", str(directory.path), str(stack), "-o", str(neurons)]
    return run_process([*command, "--data", str(settings.data), *options])[0]
