"""Neurons followed through a made-up stack, whose truth has one number for each in all sections."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import number_neurons
from training.metrics.neuron_metrics import Labels, v_info, v_rand
from training.stacks.synthetic import synthetic_neurons, write_synthetic

SEEDS = (1, 2)
SIZE = 512
WAYS = {
    "`segment --link`": ("--link",),
    "`segment --link --data DIR`": ("--link", "--data"),
}


def run(settings: Settings) -> list[Table]:
    data, model = settings.folder / "synthetic", settings.folder / "run"
    write_synthetic(data)
    length = ["--steps", "10"] if settings.is_quick else []
    run_process([NAPARI_UNET, "train", "--data", str(data), "--out", str(model), *length])
    found: dict[str, list[list[float]]] = {}
    for seed in SEEDS:
        images, truth = synthetic_neurons(size=SIZE, seed=seed)
        stack = settings.folder / f"stack-{seed}.tif"
        tifffile.imwrite(stack, images)
        for way, options in WAYS.items():
            given = [*options, str(data)] if "--data" in options else options
            neurons = stack.with_name(f"neurons-{seed}.tif")
            command = [NAPARI_UNET, "segment", str(model), str(stack), "-o", str(neurons)]
            run_process([*command, "--overwrite", *given])
            found.setdefault(way, []).append(figures(tifffile.imread(neurons), truth))
        linked = np.stack(list(number_neurons(sections_of(truth))))
        linker = StackLinker()
        for page, section in zip(linked, truth, strict=True):
            linker.add(page, np.float32(section == 0))
        linker.renumber(linked)
        found.setdefault("true sections, linked", []).append(figures(linked, truth))
    how = (
        f"Stacks of 30 sections of {SIZE} x {SIZE} pixels, made up with seeds "
        f"{', '.join(map(str, SEEDS))}, by a run of `napari-unet train --data DIR` on one of 256 "
        "x 256 with seed 0: means of figures of the slices, and figures of the whole stack, where "
        "a neuron has one number. True sections say what is lost by linking alone."
    )
    columns = ["what", "v_rand of slices", "v_rand of the stack", "v_info of the stack"]
    rows = [
        [way, *(f"{statistics.mean(column):.4f}" for column in zip(*rows, strict=True))]
        for way, rows in found.items()
    ]
    return [Table("Linked neurons", how, columns, rows)]


def figures(neurons: Labels, truth: Labels) -> list[float]:
    """Compute v_rand, the mean of the slices, and v_rand and v_info of the stack (Z, Y, X)."""
    of_slices = [v_rand(*pages) for pages in zip(neurons, truth, strict=True)]
    return [statistics.mean(of_slices), v_rand(neurons, truth), v_info(neurons, truth)]


def sections_of(truth: Labels) -> Iterator[NDArray[np.int32]]:
    """Number the true neurons of each section from 1, whatever they are called in others."""
    for page in truth:
        _, numbers = np.unique(page, return_inverse=True)
        yield numbers.reshape(page.shape).astype(np.int32)
