"""What is known of the borders between a slice's regions, for a forest that learns to merge them.

Features of a border, of both regions and of their overlap with the neighbouring slices' regions:
after J. Nunez-Iglesias et al., "Machine learning of hierarchical clustering to segment 2D and 3D
images", PLoS ONE 8:e71715, 2013. All are of the probability of membrane, not of intensities, which
differ from stack to stack, and are unknown where a probability alone is at hand. None depends on
the pixel size, because stacks of another are segmented too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.border_tables import BorderTable, describe_borders, sum_groups
from napari_unet.neurons.region_borders import Borders
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import Labels

SEEDS = (0.01, 0.03, 0.1, 0.3)
"""Connected regions below the first probability of membrane are seeds of the over-segmentation, and
below each of the next ones those without a seed so far. A low level keeps neurons apart that a gap
connects at a higher one, and a high level finds small ones that no network is sure of: what is one
region here is never parted again."""
CONTEXT = 0.5
"""The mean along their border below which the regions of a neighbouring slice are merged."""

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_OF_NEIGHBOURS = ("same", "shared", "filled", "filled_by_less", "probability")
FEATURES = (
    "mean",
    "deviation",
    *(f"quantile_{share:g}" for share in _QUANTILES),
    "length",
    "extent",
    "log_smaller_area",
    "log_larger_area",
    "length_by_size",
    "largest_share_of_rim",
    "smallest_share_of_rim",
    "lower_mean_of_regions",
    "higher_mean_of_regions",
    *(f"{which}_{name}_beside" for name in _OF_NEIGHBOURS for which in ("lower", "higher")),
)
"""Their names, in order.

``mean``, ``deviation`` and ``quantile_...`` are of the probability along the border. Areas are in
those of the slice's mean region, ``length`` in the side of a square of that area; ``extent`` is the
diagonal of the border's box in lengths, and a region's rim the length of all of its borders. Those
named ``beside`` are the lower and the higher figure of the slices before and after: ``same``, how
much of both regions lies over the same regions there (0..1); ``shared``, whether most of both lies
over one (0 or 1), and then which share of it both regions fill, and the one that fills less of it;
and the mean probability there.
"""


@dataclass(frozen=True)
class FloodedSlice:
    """A slice whose regions are to be merged, and what its neighbours see of it.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    regions : array (Y, X) of int32
        Its over-segmentation: every pixel has a number from 1.
    merged : array (Y, X) of int32
        The same, merged by :data:`CONTEXT`.
    """

    probability: NDArray[np.float32]
    regions: Labels
    merged: Labels

    @classmethod
    def of(cls, probability: NDArray[np.float32]) -> FloodedSlice:
        """Flood a slice (Y, X) of float32 from its :data:`SEEDS`; without one it is one region."""
        basins = flood(probability, SEEDS)
        [merged] = merge_regions(int(basins.numbers.max()), basins.borders, [CONTEXT])
        return cls(probability, basins.regions, merged[basins.regions])


def border_features(
    here: FloodedSlice, beside: Sequence[FloodedSlice]
) -> tuple[Borders, NDArray[np.float32]]:
    """Compute the features of all borders between the regions of a slice.

    Parameters
    ----------
    here : FloodedSlice
    beside : sequence of FloodedSlice
        The slices before and after, at least one of them, of the same shape (Y, X).

    Returns
    -------
    borders : Borders
        Each pair of neighbours once, by rising numbers.
    features : array (N, F) of float32
        One row a border, one column for each of :data:`FEATURES`.
    """
    seen = [(other.probability, other.merged) for other in beside]
    return features_of(describe_borders(here.regions, here.probability, seen))


def features_of(table: BorderTable) -> tuple[Borders, NDArray[np.float32]]:
    """Compute the features of all borders of a slice, from what is known of them.

    Parameters
    ----------
    table : BorderTable
        Of the whole slice.

    Returns
    -------
    borders : Borders
    features : array (N, F) of float32
        As of :func:`border_features`.
    """
    figures = _Figures(table)
    low, high, length = table.low, table.high, table.length
    strength = sum_groups(figures.strengths, figures.starts)
    borders = Borders(low, high, strength, length, table.strengths[figures.starts])
    if not len(low):
        return borders, np.zeros((0, len(FEATURES)), np.float32)
    columns = [*figures.of_probability(strength), *figures.of_regions()]
    lower_and_higher = np.array(
        [figures.of_neighbour(beside) for beside in range(len(table.beside))]
    )
    for column in range(len(_OF_NEIGHBOURS)):
        columns += [lower_and_higher[:, column].min(0), lower_and_higher[:, column].max(0)]
    return borders, np.column_stack(columns).astype(np.float32)


class _Figures:
    """What follows from the table of a slice: arrays (N,) by its borders."""

    def __init__(self, table: BorderTable) -> None:
        self._table = table
        self.strengths = table.strengths.astype(np.float64)
        self.starts = np.cumsum(table.length) - table.length
        self._area = np.zeros(int(table.regions.max()) + 1)  # by the numbers of regions
        self._area[table.regions] = table.area

    def of_probability(self, strength: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        length = self._table.length
        mean = strength / length
        variance = sum_groups(self.strengths**2, self.starts) / length - mean**2
        places = [
            self.starts + np.minimum((share * length).astype(np.intp), length - 1)
            for share in _QUANTILES
        ]
        return [mean, np.sqrt(np.maximum(variance, 0)), *(self.strengths[at] for at in places)]

    def of_regions(self) -> list[NDArray[np.float64]]:
        table = self._table
        mean = np.zeros_like(self._area)
        mean[table.regions] = table.inside / table.area
        rim = np.bincount(table.low, table.length, len(mean)).astype(np.float64)
        rim += np.bincount(table.high, table.length, len(mean))
        smaller, larger = self._sorted(self._area)
        less, more = self._sorted(rim)
        mean_area = table.area.sum() / len(table.regions)
        top, bottom, left, right = table.box
        extent = np.hypot(bottom - top + 1, right - left + 1)
        return [
            table.length / np.sqrt(mean_area),
            extent / table.length,
            np.log(smaller / mean_area),
            np.log(larger / mean_area),
            table.length / np.sqrt(smaller),
            table.length / less,
            table.length / more,
            *self._sorted(mean),
        ]

    def of_neighbour(self, beside: int) -> tuple[NDArray[np.float64], ...]:
        """Compute those of :data:`_OF_NEIGHBOURS` by one neighbouring slice."""
        from scipy.sparse import coo_array

        table, area = self._table, self._area
        low, high = table.low, table.high
        region, under, count = table.seen[1:, table.seen[0] == beside]
        shape = len(area), int(under.max()) + 1
        shares = coo_array((count / area[region], (region, under)), shape).tocsr()
        same = np.asarray(shares[low].minimum(shares[high]).sum(axis=1)).ravel()
        # Of each region the one there that it overlaps most, and in how many pixels.
        order = np.lexsort((-count, region))
        numbers, first = np.unique(region[order], return_index=True)
        most = order[first]
        largest, overlap = np.zeros(len(area), np.int64), np.zeros(len(area))
        largest[numbers], overlap[numbers] = under[most], count[most]
        is_shared = largest[low] == largest[high]
        area_there = np.bincount(under, count)[largest[low]]
        one, two = (is_shared * overlap[which] / area_there for which in (low, high))
        probability = table.beside[beside] / table.length
        shared = is_shared.astype(np.float64)
        return same, shared, one + two, np.minimum(one, two), probability

    def _sorted(
        self, figures: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the lower and the higher figure of both regions, by those of all regions."""
        one, other = figures[self._table.low], figures[self._table.high]
        return np.minimum(one, other), np.maximum(one, other)
