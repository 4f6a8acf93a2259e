"""The starter, which saw no stack of anybody, on all labelled slices: as they are, dark, flat."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS

FIGURES = ("soft_dice", "dice", "precision", "recall", "v_rand", "v_info")
KINDS: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], tuple[str, ...]]] = {
    "as they are": (lambda images: images, ()),
    "as they are, --tta": (lambda images: images, ("--tta",)),
    "half as bright": (lambda images: images // 2, ()),
    "0..255 brought to 100..160": (lambda images: (100 + images * (60 / 255)).astype(np.uint8), ()),
    "inverted": (lambda images: 255 - images, ()),
}


def run(settings: Settings) -> list[Table]:
    images = tifffile.imread(settings.data / DEFAULT_IMAGES)
    rows = []
    for name, (change, options) in KINDS.items():
        data = settings.folder / "starter"
        data.mkdir(exist_ok=True)
        tifffile.imwrite(data / DEFAULT_IMAGES, change(images), photometric="minisblack")
        shutil.copyfile(settings.data / DEFAULT_LABELS, data / DEFAULT_LABELS)
        mean = evaluate(data, options)
        rows.append([name, *(f"{mean[figure]:.4f}" for figure in FIGURES)])
    how = (
        "`napari-unet evaluate starter --data DIR`, all slices: the starter was made by `python -m "
        "training.starter --out FOLDER` from made-up tissue alone."
    )
    header = ["slices", "soft Dice", "Dice", "precision", "recall", "v_rand", "v_info"]
    return [Table("The starter", how, header, rows)]


def evaluate(data: Path, options: tuple[str, ...]) -> dict[str, float]:
    """Means over all labelled slices."""
    found = data / "figures.json"
    command = [NAPARI_UNET, "evaluate", "starter", "--data", str(data), *options]
    run_process([*command, "--json", str(found), "--overwrite"])
    mean: dict[str, float] = json.loads(found.read_text())["mean"]
    return mean
