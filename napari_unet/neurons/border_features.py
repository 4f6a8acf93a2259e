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

from napari_unet.neurons.region_borders import Borders
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.watershed import flood
from training.metrics.neuron_metrics import NEIGHBOURS, Labels

SEEDS = 0.03
"""Connected regions below this probability of membrane are seeds of the over-segmentation."""
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
    pixels = _BorderPixels.of(here)
    low, high, length = pixels.low, pixels.high, pixels.length
    lowest = pixels.strength[pixels.starts].astype(np.float32)
    borders = Borders(low, high, pixels.sums(pixels.strength), length, lowest)
    if not len(low):
        return borders, np.zeros((0, len(FEATURES)), np.float32)
    columns = [*pixels.of_probability(), *pixels.of_regions(here)]
    lower_and_higher = np.array([pixels.of_neighbour(here, other) for other in beside])
    for column in range(len(_OF_NEIGHBOURS)):
        columns += [lower_and_higher[:, column].min(0), lower_and_higher[:, column].max(0)]
    return borders, np.column_stack(columns).astype(np.float32)


@dataclass(frozen=True)
class _BorderPixels:
    """The pairs of neighbouring pixels that borders are made of, border by border.

    Arrays (P,) of the pairs: ``strength``, the higher probability of the two, rising in each
    border, and ``row`` and ``column`` of the first pixel. Arrays (N,) of the borders: ``starts``,
    where its pairs begin, ``length``, how many they are, and ``low`` and ``high``, its regions.
    """

    strength: NDArray[np.float64]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    starts: NDArray[np.intp]
    length: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def of(cls, here: FloodedSlice) -> _BorderPixels:
        regions, probability = here.regions, here.probability
        rows, columns = np.indices(regions.shape, sparse=True)
        rows, columns = (np.broadcast_to(axis, regions.shape) for axis in (rows, columns))
        parts = []
        for first, second in NEIGHBOURS:
            is_border = regions[first] != regions[second]
            one, other = (regions[which][is_border].astype(np.int64) for which in (first, second))
            strength = np.maximum(probability[first], probability[second])[is_border]
            place = rows[first][is_border], columns[first][is_border]
            parts.append((np.minimum(one, other), np.maximum(one, other), strength, *place))
        low, high, strength, row, column = map(np.concatenate, zip(*parts, strict=True))
        keys = low * (int(regions.max()) + 1) + high
        order = np.lexsort((strength, keys))
        _, starts, length = np.unique(keys[order], return_index=True, return_counts=True)
        first_of = order[starts]
        return cls(
            strength[order].astype(np.float64),
            row[order],
            column[order],
            starts,
            length.astype(np.int64),
            low[first_of],
            high[first_of],
        )

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the values (P,) of each border's pairs: array (N,)."""
        if not len(self.starts):
            return np.zeros(0)
        return np.asarray(np.add.reduceat(values, self.starts))

    def of_probability(self) -> list[NDArray[np.float64]]:
        mean = self.sums(self.strength) / self.length
        variance = self.sums(self.strength**2) / self.length - mean**2
        places = [
            self.starts + np.minimum((share * self.length).astype(np.intp), self.length - 1)
            for share in _QUANTILES
        ]
        return [mean, np.sqrt(np.maximum(variance, 0)), *(self.strength[at] for at in places)]

    def of_regions(self, here: FloodedSlice) -> list[NDArray[np.float64]]:
        regions = here.regions.ravel()
        area = np.bincount(regions).astype(np.float64)
        mean = np.bincount(regions, here.probability.ravel()) / np.maximum(area, 1)
        rim = np.bincount(self.low, self.length, len(area)).astype(np.float64)
        rim += np.bincount(self.high, self.length, len(area))
        smaller, larger = self._sorted(area)
        less, more = self._sorted(rim)
        mean_area = len(regions) / np.count_nonzero(area)
        extent = np.hypot(self._extent(self.row), self._extent(self.column))
        return [
            self.length / np.sqrt(mean_area),
            extent / self.length,
            np.log(smaller / mean_area),
            np.log(larger / mean_area),
            self.length / np.sqrt(smaller),
            self.length / less,
            self.length / more,
            *self._sorted(mean),
        ]

    def of_neighbour(
        self, here: FloodedSlice, other: FloodedSlice
    ) -> tuple[NDArray[np.float64], ...]:
        """Compute those of :data:`_OF_NEIGHBOURS`, arrays (N,), by one neighbouring slice."""
        from scipy.sparse import coo_array

        width = int(other.merged.max()) + 1
        keys, count = np.unique(
            here.regions.ravel().astype(np.int64) * width + other.merged.ravel(),
            return_counts=True,
        )
        region, under = np.divmod(keys, width)
        area = np.bincount(region, count)
        shares = coo_array((count / area[region], (region, under)), (len(area), width)).tocsr()
        same = np.asarray(shares[self.low].minimum(shares[self.high]).sum(axis=1)).ravel()
        # Of each region the one there that it overlaps most, and in how many pixels.
        order = np.lexsort((-count, region))
        numbers, first = np.unique(region[order], return_index=True)
        most = order[first]
        largest, overlap = np.zeros(len(area), np.int64), np.zeros(len(area))
        largest[numbers], overlap[numbers] = under[most], count[most]
        is_shared = largest[self.low] == largest[self.high]
        area_there = np.bincount(other.merged.ravel())[largest[self.low]]
        one, two = (is_shared * overlap[which] / area_there for which in (self.low, self.high))
        probability = self.sums(other.probability[self.row, self.column].astype(np.float64))
        shared = is_shared.astype(np.float64)
        return same, shared, one + two, np.minimum(one, two), probability / self.length

    def _sorted(
        self, figures: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the lower and the higher figure of both regions, by those of all regions."""
        one, other = figures[self.low], figures[self.high]
        return np.minimum(one, other), np.maximum(one, other)

    def _extent(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        highest = np.maximum.reduceat(places, self.starts)
        return np.asarray(highest - np.minimum.reduceat(places, self.starts) + 1)
