"""Learns which regions of a model's neurons to merge, from slices that have labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.border_features import FloodedSlice, border_features
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.region_borders import Borders
from napari_unet.neurons.segmentation import Segmentation, merge_by_features, segment_slice
from napari_unet.neurons.segmentation_choice import TrainingSlice
from training.metrics.neuron_metrics import Labels, fill_neurons, label_neurons, v_rand
from training.resources.limits import usable_cores

LEAST_BORDERS = 100
"""Membranes, and borders that are none, from which on merges are learned."""
_NOISE = 2.0  # standard deviation, of the log odds
_NOISE_WIDTH = 4.0  # pixels
_LEAST = np.float32(1e-6)  # probability, so that odds are finite
_OF_MEMBRANE = 0.01  # how much a pixel of a true membrane counts for the neuron that is nearest


@dataclass(frozen=True)
class LearnedMerges:
    """What became of learning.

    Parameters
    ----------
    forest : MergeForest or None
        Learned from all slices; None where the threshold is to decide.
    text : str
        That in a sentence, with what it is judged by.
    """

    forest: MergeForest | None
    text: str


def learn_merges(
    slices: Sequence[TrainingSlice], how: Segmentation, model: str = ""
) -> LearnedMerges:
    """Learn merges, and judge them by slices that they were not learned from.

    A network is surer of slices that it was trained on, as these are, than of others: noise makes
    gaps in their membranes such as it leaves elsewhere. Merges are learned from slices with noise
    and without, and judged with it. The slices are halved; each half is merged by what the other
    one taught. Only if that has a better mean ``v_rand`` than the threshold are merges learned
    from all slices. Needs scikit-learn.

    Parameters
    ----------
    slices : sequence of TrainingSlice
        With the slices beside them; those without, or without a true neuron, are left aside.
    how : Segmentation
        The threshold that they are compared with.
    model : str
        Digest of the model that predicted them.
    """
    usable = [slice_ for slice_ in slices if slice_.beside and not slice_.is_border.all()]
    with ThreadPoolExecutor(usable_cores()) as executor:
        known = list(executor.map(_Known.of, usable))
        noisy = list(executor.map(_Known.with_noise, usable, range(len(usable))))
    halves = slice(len(known) // 2), slice(len(known) // 2, None)
    counts = np.array([part.count_kinds() for part in known]).reshape(-1, 2)
    kinds = counts.sum(axis=0)
    if kinds.min() < LEAST_BORDERS or min(counts[one].sum(axis=0).min() for one in halves) == 0:
        return LearnedMerges(
            None,
            f"Merges are not learned, because labels show {kinds[1]} membranes and {kinds[0]} "
            f"borders that are none in {len(known)} slices: it takes {LEAST_BORDERS} of each, in "
            "two slices or more.",
        )
    learned = [
        _score_learned(noisy[one], _learn(known[other] + noisy[other], model))
        for one, other in zip(halves, reversed(halves), strict=True)
    ]
    score = float(np.mean(np.concatenate(learned)))
    former = float(
        np.mean([v_rand(segment_slice(part.probability, how), part.truth) for part in noisy])
    )
    figures = (
        f"v_rand {score:.4f} on slices with noise that they were not learned from, {former:.4f} "
        "by the threshold"
    )
    if score <= former:
        return LearnedMerges(None, f"The threshold stays, because learned merges gave {figures}.")
    return LearnedMerges(
        _learn(known + noisy, model),
        f"Merges are learned from {kinds.sum()} borders and take the threshold's place: {figures}.",
    )


@dataclass(frozen=True)
class _Known:
    """A slice, its borders, and which of them are membranes in truth.

    Arrays (N,) of the borders: ``is_membrane`` (bool) and ``weights`` (float64), the root of the
    smaller region's area; ``features`` (N, F) of float32. ``probability``, ``regions`` and
    ``truth``, its true neurons, are (Y, X).
    """

    probability: NDArray[np.float32]
    regions: Labels
    truth: Labels
    borders: Borders
    features: NDArray[np.float32]
    is_membrane: NDArray[np.bool_]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, slice_: TrainingSlice) -> _Known:
        here = FloodedSlice.of(slice_.probability)
        beside = [FloodedSlice.of(page) for page in slice_.beside]
        truth = label_neurons(~slice_.is_border)
        borders, features = border_features(here, beside)
        area = np.bincount(here.regions.ravel())
        weights = np.sqrt(np.minimum(area[borders.low], area[borders.high]))
        is_membrane = _part_neurons_of(borders, here.regions, truth)
        return cls(here.probability, here.regions, truth, borders, features, is_membrane, weights)

    @classmethod
    def with_noise(cls, slice_: TrainingSlice, seed: int) -> _Known:
        random = np.random.default_rng(seed)
        here, *beside = (_add_noise(page, random) for page in (slice_.probability, *slice_.beside))
        return cls.of(TrainingSlice(here, slice_.is_border, tuple(beside)))

    def count_kinds(self) -> tuple[int, int]:
        """Count the borders that are no membranes, and those that are."""
        membranes = int(np.count_nonzero(self.is_membrane))
        return len(self.is_membrane) - membranes, membranes


def _add_noise(
    probability: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """Add smooth noise to the log odds of membrane of a slice (Y, X)."""
    from scipy.ndimage import gaussian_filter
    from scipy.special import expit, logit

    noise = gaussian_filter(
        random.standard_normal(probability.shape, np.float32), _NOISE_WIDTH, mode="wrap"
    )
    odds = logit(np.clip(probability, _LEAST, 1 - _LEAST))
    return np.asarray(expit(odds + _NOISE * noise / noise.std()), np.float32)


def _part_neurons_of(borders: Borders, regions: Labels, truth: Labels) -> NDArray[np.bool_]:
    """Say of each border (N,) whether the regions beside it are most of all of unlike neurons."""
    filled = fill_neurons(truth)
    shape = int(regions.max()) + 1, int(filled.max()) + 1
    weights = np.where(truth > 0, 1.0, _OF_MEMBRANE).ravel()
    keys = regions.ravel().astype(np.int64) * shape[1] + filled.ravel()
    pairs, places = np.unique(keys, return_inverse=True)
    overlap = np.bincount(places, weights)
    region, neuron = np.divmod(pairs, shape[1])
    order = np.lexsort((-overlap, region))
    numbers, first = np.unique(region[order], return_index=True)
    neuron_of = np.zeros(shape[0], np.int64)
    neuron_of[numbers] = neuron[order[first]]
    return np.asarray(neuron_of[borders.low] != neuron_of[borders.high])


def _learn(known: Sequence[_Known], model: str) -> MergeForest:
    return MergeForest.learn(
        np.concatenate([part.features for part in known]),
        np.concatenate([part.is_membrane for part in known]),
        np.concatenate([part.weights for part in known]),
        model,
    )


def _score_learned(known: Sequence[_Known], forest: MergeForest) -> list[float]:
    """Compute v_rand of slices that a forest merges."""
    merged = (
        merge_by_features(part.regions, part.borders, part.features, forest) for part in known
    )
    return [v_rand(found, part.truth) for found, part in zip(merged, known, strict=True)]
