"""Neurons by the threshold and by learned merges, on every fold. It trains ten, an hour."""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.sparse import coo_array

from benchmarks.quality import NEURONS, evaluate, figures, rows_of
from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from napari_unet.neurons.border_features import SEEDS
from napari_unet.neurons.watershed import flood
from napari_unet.prediction.predictor import load_predictor
from training.config import FOLDS
from training.dataset.holdout import split_fold
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS
from training.metrics.neuron_metrics import Labels, label_neurons, part_neurons, v_info, v_rand
from training.runs.run_directory import RunDirectory

EPOCHS = (12, 40)  # the defaults', and more
LEVELS: tuple[tuple[float, ...], ...] = ((0.03,), (0.03, 0.1, 0.3), SEEDS)
CHOSEN = re.compile(r"^threshold ([\d.]+), seeds ([\d.]+):", re.MULTILINE)


def run(settings: Settings) -> list[Table]:
    return [*(compare(settings, epochs) for epochs in EPOCHS), limit(settings, EPOCHS)]


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
        "are learned with was chosen among three by folds 0 to 3, and the seeds of regions among "
        "three sets after 12 epochs: any four of the folds choose the same."
    )
    columns = [f"{way}: {figure}" for way in ("threshold", "merges") for figure in NEURONS]
    title = f"Learned merges after {epochs} epochs"
    return Table(title, how, ["fold", *columns], rows_of(rows, (4,) * 4))


def limit(settings: Settings, lengths: Sequence[int]) -> Table:
    """Measure what regions of runs that were trained would give if truth merged them."""
    images, labels = (
        tifffile.imread(settings.data / name) for name in (DEFAULT_IMAGES, DEFAULT_LABELS)
    )
    rows = []
    for epochs in lengths:
        found: dict[tuple[float, ...], list[tuple[float, ...]]] = {}
        for fold in range(FOLDS):
            predictor = load_predictor(directory_of(settings, fold, epochs).path, tta=True)
            held_out = split_fold(len(labels), fold)[1]
            for index, probability in predictor.predict(images, indices=held_out):
                truth = label_neurons(labels[index] > 0)
                for levels in LEVELS:
                    figures_ = merge_by_truth(probability, truth, levels)
                    found.setdefault(levels, []).append(figures_)
        for levels, slices in found.items():
            count, rand, info = map(statistics.mean, zip(*slices, strict=True))
            seeds = ", ".join(f"{level:g}" for level in levels)
            rows.append([str(epochs), seeds, f"{count:.0f}", f"{rand:.4f}", f"{info:.4f}"])
    how = (
        "The regions of the same slices, merged by the truth: the most that merges can give. "
        "Regions grow from seeds below these probabilities of membrane; at each level, only where "
        "no seed of a lower one lies."
    )
    columns = ["epochs", "seeds", "regions of a slice", "v_rand", "v_info"]
    return Table("Limits of learned merges", how, columns, rows)


def merge_by_truth(
    probability: NDArray[np.float32], truth: Labels, levels: Sequence[float]
) -> tuple[float, float, float]:
    """Give each region of a slice (Y, X) the true neuron that most of it is; count regions too."""
    regions = flood(probability, levels).regions
    seen = truth > 0
    overlap = coo_array((np.ones(int(seen.sum())), (regions[seen], truth[seen]))).tocsr()
    neuron_of = np.zeros(int(regions.max()) + 1, np.int32)
    neuron_of[: overlap.shape[0]] = np.asarray(overlap.argmax(axis=1)).ravel()
    merged = part_neurons(regions, numbers=neuron_of)
    return float(regions.max()), v_rand(merged, truth), v_info(merged, truth)


def train(settings: Settings, fold: int, epochs: int) -> RunDirectory:
    directory = directory_of(settings, fold, epochs)
    length = ["--steps", "10"] if settings.is_quick else ["--epochs", str(epochs)]
    command = [NAPARI_UNET, "train", "--data", str(settings.data), "--fold", str(fold), *length]
    run_process([*command, "--out", str(directory.path)])
    return directory


def directory_of(settings: Settings, fold: int, epochs: int) -> RunDirectory:
    return RunDirectory(settings.folder / f"epochs-{epochs}-{fold}")


def segment(settings: Settings, directory: RunDirectory, neurons: Path, *options: str) -> str:
    """Find neurons, and give what the command said."""
    stack = settings.data / DEFAULT_IMAGES
    command = [NAPARI_UNET, "segment", str(directory.path), str(stack), "-o", str(neurons)]
    done = subprocess.run(
        [*command, "--tta", *options], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
