"""From the probability of membrane to neurons: numbered regions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.border_features import FloodedSlice, border_features
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.region_borders import Borders
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import (
    Labels,
    grow_neurons,
    label_neurons,
    part_neurons,
    v_rand,
)
from training.resources.limits import usable_cores

METHODS = ("watershed", "components")
THRESHOLDS = (0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8)
SEED_LEVELS = (0.03, 0.05, 0.1)
IS_MEMBRANE = 0.5
"""What a forest says of a border on the mean, from which on its neighbours are not merged."""

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
    merges : MergeForest, optional
        What decides in the threshold's place which neighbours are merged, from seeds that it
        learned with, in slices that have a neighbouring slice.
    """

    method: str = "watershed"
    threshold: float = 0.5
    seeds: float = 0.03
    merges: MergeForest | None = None


def segment_slice(probability: Probability, how: Segmentation) -> Labels:
    """Find the neurons of one slice by the threshold.

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


def merge_learned(
    here: FloodedSlice, beside: Sequence[FloodedSlice], merges: MergeForest
) -> Labels:
    """Find the neurons of one slice by what a forest says of its borders.

    Neighbours are merged as by the threshold, those with the weakest border first; a border is as
    strong as the forest holds it for a membrane.

    Parameters
    ----------
    here : FloodedSlice
    beside : sequence of FloodedSlice
        The slices before and after, at least one of them, of the same shape (Y, X).
    merges : MergeForest

    Returns
    -------
    array (Y, X) of int32
        As of :func:`segment_slice`.
    """
    return merge_by_features(here.regions, *border_features(here, beside), merges)


def merge_by_features(
    regions: Labels, borders: Borders, features: NDArray[np.float32], merges: MergeForest
) -> Labels:
    """Merge regions (Y, X) of int32 as :func:`merge_learned`, by their N borders' features (N, F).

    Features are of float32, as of :func:`~napari_unet.neurons.border_features.border_features`.
    """
    numbers = merge_numbers(int(regions.max()), borders, features, merges)
    return part_neurons(regions, numbers=numbers)


def merge_numbers(
    count: int, borders: Borders, features: NDArray[np.float32], merges: MergeForest
) -> NDArray[np.int32]:
    """Find the neurons of ``count`` regions, as :func:`merge_by_features`.

    Returns
    -------
    array (N,) of int32
        Their numbers, from 1, by those of the regions; N is ``count`` + 1.
    """
    strength = merges.predict(features) * borders.length
    weighed = borders._replace(strength=strength)
    [numbers] = merge_regions(count, weighed, [IS_MEMBRANE])
    return numbers


def segment_slices(probabilities: Iterable[Probability], how: Segmentation) -> Iterator[Labels]:
    """Find the neurons of slices that follow each other; few of them are in memory.

    Parameters
    ----------
    probabilities : iterable of arrays (Y, X) of float32
        Probability of membrane, 0..1, of each slice.
    how : Segmentation

    Yields
    ------
    array (Y, X) of int32
        As of :func:`segment_slice`, each numbered from 1.
    """
    if how.merges is None:
        # Unlike a loop it keeps no slice while the next one is waited for.
        yield from map(partial(segment_slice, how=how), probabilities)
        return
    before: FloodedSlice | None = None
    here: FloodedSlice | None = None
    flooded: Iterable[FloodedSlice | None] = map(FloodedSlice.of, probabilities)
    for after in chain(flooded, [None]):
        if here is not None:
            beside = [slice_ for slice_ in (before, after) if slice_ is not None]
            if beside:
                yield merge_learned(here, beside, how.merges)
            else:
                yield segment_slice(here.probability, how)
        before, here = here, after


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
        with ThreadPoolExecutor(usable_cores()) as executor:
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
    probabilities: Iterable[Probability], how: Segmentation, linker: StackLinker | None = None
) -> Iterator[Labels]:
    """Find the regions of neurons in a stack slice by slice, each with a number of its own.

    Parameters
    ----------
    probabilities : iterable of arrays (Y, X) of float32
        Probability of membrane, 0..1, of each slice.
    how : Segmentation
    linker : StackLinker, optional
        What gets the slices, to give the regions of a neuron one number afterwards.

    Yields
    ------
    array (Y, X) of int32
        Numbered from 1; 0 are the borders, one pixel wide.
    """
    if linker is None:
        return number_neurons(segment_slices(probabilities, how))
    return _find_for(linker, probabilities, how)


def _find_for(
    linker: StackLinker, probabilities: Iterable[Probability], how: Segmentation
) -> Iterator[Labels]:
    seen: deque[Probability] = deque()
    for neurons in number_neurons(segment_slices(_remember(probabilities, seen), how)):
        linker.add(neurons, seen.popleft())
        yield neurons


def _remember(pages: Iterable[Probability], seen: deque[Probability]) -> Iterator[Probability]:
    for page in pages:
        seen.append(page)
        yield page


def number_neurons(slices: Iterable[Labels]) -> Iterator[Labels]:
    """Give the regions of a stack numbers that no other region of it has.

    Parameters
    ----------
    slices : iterable of arrays (Y, X) of int32
        Regions of each slice, numbered from 1.

    Yields
    ------
    array (Y, X) of int32
    """
    total = 0
    last: Labels | None = None
    for neurons in slices:
        if last is None:
            last = neurons
        else:
            last = np.add(neurons, total, out=np.zeros_like(neurons), where=neurons > 0)
        total = max(total, int(last.max(initial=0)))
        yield last


def count_text(count: int, slices: int, is_linked: bool) -> str:
    """Say how many neurons were found; a neuron that isn't linked is a region in each slice."""
    if is_linked:
        return f"{count} neurons, linked"
    return f"{count} regions in {slices} slice{'s' * (slices != 1)}"


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
    basins = flood(probability, [how.seeds])
    merged = merge_regions(int(basins.numbers.max()), basins.borders, thresholds)
    *first, last = (numbers[basins.numbers] for numbers in merged)
    found = [part_neurons(basins.labels, numbers=numbers) for numbers in first]
    return [*found, part_neurons(basins.labels, numbers=last, out=basins.labels)]
