"""From the probability of membrane to neurons: numbered regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import (
    Labels,
    grow_neurons,
    label_neurons,
    part_neurons,
    v_rand,
)

METHODS = ("watershed", "components")
THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
SEED_LEVELS = (0.03, 0.05, 0.1)
LEAST_OVERLAP = 0.5

Probability = NDArray[np.float32]


@dataclass(frozen=True)
class Segmentation:
    """How neurons are found.

    Parameters
    ----------
    method : str
        ``watershed``: seeds are flooded along the probability of membrane, and then neighbours
        are merged whose common border is not a membrane. It bridges gaps in membranes.
        ``components``: connected regions below the threshold, grown until they touch.
    threshold : float
        Probability of membrane. ``watershed``: neighbours are merged while the mean along their
        border is below it. ``components``: pixels below it are inside.
    seeds : float
        Connected regions below this probability are seeds of the watershed.
    """

    method: str = "watershed"
    threshold: float = 0.5
    seeds: float = 0.03


def segment_slice(probability: Probability, how: Segmentation) -> Labels:
    """Find the neurons of one slice.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    how : Segmentation

    Returns
    -------
    array (Y, X) of int32
        Numbered from 1; 0 are the borders, one pixel wide.
    """
    [neurons] = _segment_at_thresholds(probability, how, [how.threshold])
    return neurons


def choose_segmentation(
    probabilities: Sequence[Probability],
    membranes: Sequence[NDArray[np.bool_]],
    method: str = "watershed",
) -> tuple[Segmentation, float]:
    """Choose the threshold and the level of seeds that give the best mean ``v_rand`` of slices.

    Give slices that the network was trained on, so that its validation slices stay fair. It is
    surer of those than of others. So the choice is, among all settings that are within one
    standard error of the best (the rule of Breiman et al., "Classification and regression
    trees", 1984), the one with the threshold nearest to 0.5.

    Parameters
    ----------
    probabilities : sequence of arrays (Y, X) of float32
        Probability of membrane, 0..1, of each slice.
    membranes : sequence of arrays (Y, X) of bool
        Ground truth, True = membrane.
    method : str
        One of :data:`METHODS`.

    Returns
    -------
    how : Segmentation
    v_rand : float
        Mean over the slices.
    """
    found: dict[Segmentation, NDArray[np.float64]] = {}  # (slices,)
    for seeds in SEED_LEVELS if method == "watershed" else SEED_LEVELS[:1]:
        how = Segmentation(method, seeds=seeds)
        with ThreadPoolExecutor() as executor:
            scores = list(executor.map(partial(_scores, how=how), probabilities, membranes))
        for threshold, column in zip(THRESHOLDS, np.transpose(scores), strict=True):
            found[replace(how, threshold=threshold)] = column
    means = {how: float(scores.mean()) for how, scores in found.items()}
    best = max(means, key=lambda how: means[how])
    error = found[best].std() / np.sqrt(len(found[best]))
    good = [how for how, mean in means.items() if mean >= means[best] - error]
    chosen = min(good, key=lambda how: (round(abs(how.threshold - 0.5), 6), -means[how]))
    return chosen, means[chosen]


def find_neurons(
    probabilities: Iterable[Probability], how: Segmentation, is_linked: bool = False
) -> Iterator[Labels]:
    """Find the neurons of a stack slice by slice, each with a number of its own.

    Parameters
    ----------
    probabilities : iterable of arrays (Y, X) of float32
        Probability of membrane, 0..1, of each slice.
    how : Segmentation
    is_linked : bool
        See :func:`number_neurons`.

    Yields
    ------
    array (Y, X) of int32
        Numbered from 1; 0 are the borders, one pixel wide.
    """
    return number_neurons((segment_slice(page, how) for page in probabilities), is_linked)


def number_neurons(slices: Iterable[Labels], is_linked: bool = False) -> Iterator[Labels]:
    """Give the neurons of a stack numbers that no other neuron of it has.

    Parameters
    ----------
    slices : iterable of arrays (Y, X) of int32
        Neurons of each slice, numbered from 1.
    is_linked : bool
        Give a neuron the number of the one below it in the last slice, where the two overlap by
        more than half of their union. Sections are too thick, and shifted too much against each
        other, to flood them as one volume.

    Yields
    ------
    array (Y, X) of int32
    """
    last: Labels | None = None
    total = 0
    for neurons in slices:
        numbers = link_neurons(neurons, last if is_linked else None, total)
        total = max(total, int(numbers.max()))
        last = numbers[neurons]
        yield last


def link_neurons(neurons: Labels, other: Labels | None, total: int) -> NDArray[np.int32]:
    """Find the numbers of a slice's neurons: those that they have in another slice, or new ones.

    At most one neuron of the other slice can overlap one by more than half of their union, and
    both ways, so that the same are linked whichever of two slices is numbered first.

    Parameters
    ----------
    neurons : array (Y, X) of int32
        Numbered from 1.
    other : array (Y, X) of int32, optional
        The neighbouring slice, with the numbers that its neurons were given; None links nothing.
    total : int
        The highest number so far; new ones follow it.

    Returns
    -------
    array (N + 1,) of int32
        The number of each neuron by its old one; 0 stays 0.
    """
    numbers = np.zeros(int(neurons.max(initial=0)) + 1, np.int32)
    if other is not None:
        ours, theirs = _same_neurons(neurons, other)
        numbers[ours] = theirs
    fresh = np.flatnonzero(numbers[1:] == 0) + 1
    numbers[fresh] = total + 1 + np.arange(len(fresh), dtype=np.int32)
    return numbers


def count_text(count: int, slices: int, is_linked: bool) -> str:
    """Say how many neurons were found; a neuron that isn't linked is a region in each slice."""
    if is_linked:
        return f"{count} neurons, linked"
    return f"{count} regions in {slices} slice{'s' * (slices != 1)}"


def _same_neurons(neurons: Labels, other: Labels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the pairs of neurons that overlap by more than half of their union."""
    both = (neurons > 0) & (other > 0)
    width = int(other.max(initial=0)) + 1
    # One number a pair: sorting these, unlike rows, leaves the window's thread its turn.
    pairs, overlap = np.unique(
        neurons[both].astype(np.int64) * width + other[both], return_counts=True
    )
    ours, theirs = np.divmod(pairs, width)
    union = np.bincount(neurons.ravel())[ours] + np.bincount(other.ravel())[theirs] - overlap
    is_same = overlap > LEAST_OVERLAP * union
    return ours[is_same], theirs[is_same]


def _scores(
    probability: Probability, membrane: NDArray[np.bool_], how: Segmentation
) -> list[float]:
    """Compute v_rand of one slice (Y, X) at each of the thresholds."""
    truth = label_neurons(~membrane)
    found = _segment_at_thresholds(probability, how, THRESHOLDS)
    return [v_rand(neurons, truth) for neurons in found]


def _segment_at_thresholds(
    probability: Probability, how: Segmentation, thresholds: Sequence[float]
) -> list[Labels]:
    if how.method == "components":
        return [grow_neurons(label_neurons(probability < threshold)) for threshold in thresholds]
    seeds = label_neurons(probability < how.seeds)
    if not seeds.any():
        return [np.ones_like(seeds) for _ in thresholds]
    basins = flood(probability, seeds)
    del seeds  # as large as the slice
    return [part_neurons(merged) for merged in merge_regions(basins, probability, thresholds)]
