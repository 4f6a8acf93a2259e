"""Neurons followed through a made-up stack, whose truth has one number for each in all sections."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.report import Settings, Table
from benchmarks.whole_process import NAPARI_UNET, run_process
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import Segmentation, number_neurons, segment_slices
from napari_unet.prediction.predictor import load_predictor
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
    parts: dict[str, list[list[float]]] = {}
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
        linked = link(sections_of(truth), (truth == 0).astype(np.float32))
        found.setdefault("true sections, linked", []).append(figures(linked, truth))
        for part, losses in losses_of_parts(model, images, truth).items():
            parts.setdefault(part, []).append(losses)
    how = (
        f"Stacks of 30 sections of {SIZE} x {SIZE} pixels, made up with seeds "
        f"{', '.join(map(str, SEEDS))}, by a run of `napari-unet train --data DIR` on one of 256 "
        "x 256 with seed 0: means of figures of the slices, and figures of the whole stack, where "
        "a neuron has one number. True sections say what is lost by linking alone."
    )
    columns = ["what", "v_rand of slices", "v_rand of the stack", "v_info of the stack"]
    what = (
        "v_rand of the same stacks with neurons by the threshold, linked by each part of linking "
        "added to the one before; and what it would be if truth took every wrong link away, or "
        "added every link that is missing."
    )
    heads = ["linked by", "v_rand of the stack", "without wrong links", "with all missed links"]
    return [
        Table("Linked neurons", how, columns, rows_of(found)),
        Table("Parts of linking", what, heads, rows_of(parts)),
    ]


def rows_of(found: Mapping[str, list[list[float]]]) -> list[list[str]]:
    return [
        [name, *(f"{statistics.mean(column):.4f}" for column in zip(*figures, strict=True))]
        for name, figures in found.items()
    ]


def link(
    sections: Iterable[Labels], probability: NDArray[np.float32], *least: Sequence[float]
) -> Labels:
    """Link sections (Y, X) of int32 to a stack (Z, Y, X), by LEAST_OVERLAP or another."""
    linked, linker = np.stack(list(number_neurons(sections))), StackLinker(*least)
    for page, of_page in zip(linked, probability, strict=True):
        linker.add(page, of_page)
    linker.renumber(linked)
    return linked


def losses_of_parts(
    model: Path, images: NDArray[np.uint8], truth: Labels
) -> dict[str, list[float]]:
    """Measure what is lost by wrong and by missed links, with more and more parts of linking."""
    predicted = load_predictor(model).predict(images)
    probability = np.stack([page for _, page in sorted(predicted, key=lambda found: found[0])])
    sections = list(segment_slices(probability, Segmentation()))
    alike = np.zeros_like(probability)  # so that all pixels count the same
    links = {
        "neighbours that overlap by half of their union": link(sections, alike, (0.5,)),
        "the surest first, and across a slice": link(sections, alike, (0.45, 0.65)),
        "pixels by how surely they are not membrane": link(sections, probability),
    }
    return {name: losses(linked, truth) for name, linked in links.items()}


def losses(linked: Labels, truth: Labels) -> list[float]:
    """Compute v_rand of a stack (Z, Y, X): as it is, without wrong links, with those missed."""
    seen = (linked > 0) & (truth > 0)
    height = np.arange(len(linked))[:, None, None]
    regions = np.where(seen, height * (int(linked.max()) + 1) + linked, 0)
    ones = np.ones(int(seen.sum()), np.int64)
    table = coo_array((ones, (regions[seen], truth[seen]))).tocsr()
    true = np.asarray(table.argmax(axis=1)).ravel()[regions]  # of most pixels of a region
    pairs = linked.astype(np.int64) * (int(truth.max()) + 1) + true
    nodes = linked.max() + 1 + true
    count = int(nodes.max()) + 1
    graph = coo_array((ones, (linked[seen], nodes[seen])), (count, count))
    _, joined = connected_components(graph, directed=False)
    stacks = linked, number(pairs, linked), number(joined[linked], linked)
    return [v_rand(stack, truth) for stack in stacks]


def number(neurons: Labels, linked: Labels) -> Labels:
    """Number neurons from 1, where there are regions."""
    _, numbers = np.unique(neurons, return_inverse=True)
    return np.where(linked > 0, numbers.reshape(linked.shape) + 1, 0)


def figures(neurons: Labels, truth: Labels) -> list[float]:
    """Compute v_rand, the mean of the slices, and v_rand and v_info of the stack (Z, Y, X)."""
    of_slices = [v_rand(*pages) for pages in zip(neurons, truth, strict=True)]
    return [statistics.mean(of_slices), v_rand(neurons, truth), v_info(neurons, truth)]


def sections_of(truth: Labels) -> Iterator[NDArray[np.int32]]:
    """Number the true neurons of each section from 1, whatever they are called in others."""
    for page in truth:
        _, numbers = np.unique(page, return_inverse=True)
        yield numbers.reshape(page.shape).astype(np.int32)
