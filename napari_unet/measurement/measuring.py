"""Measuring all objects of labels, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.contacts import Pairs, add_up, contacts_between
from napari_unet.measurement.slice_regions import Columns, SliceRegions
from napari_unet.measurement.sums import sum_by
from napari_unet.measurement.surface import surface_between
from napari_unet.measurement.units import Units
from training.stacks.scaling import Slices


@dataclass
class Measured:
    """What was measured: it takes memory for each object of each slice, not for pixels.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) of the labels.
    units : Units
        Those of all measures.
    slices : list of SliceRegions
        The objects of each slice.
    surfaces : list of pair of arrays (N,)
        Ids, and surface, between the middles of neighbouring slices.
    overlaps : list of pair of arrays (C, 2) and (C,)
        Ids of objects that lie over each other in neighbouring slices, and on which area.
    """

    shape: tuple[int, int, int]
    units: Units
    slices: list[SliceRegions] = field(default_factory=list)
    surfaces: list[tuple[NDArray[Any], NDArray[np.float64]]] = field(default_factory=list)
    overlaps: list[Pairs] = field(default_factory=list)

    @property
    def is_flat(self) -> bool:
        """Whether it is one slice, whose objects have no volume."""
        return self.shape[0] == 1

    def by_slice(self) -> Columns:
        """Join the columns of all slices, with their indices as ``slice``."""
        names = self.slices[0].columns
        joined = {
            name: np.concatenate([regions.columns[name] for regions in self.slices])
            for name in names
        }
        counts = [len(regions.columns["id"]) for regions in self.slices]
        return {"slice": np.repeat(np.arange(len(counts)), counts), **joined}

    def surface(self) -> dict[int, float]:
        """Add up the surface of each object, by its id."""
        ids = np.concatenate([ids for ids, _ in self.surfaces])
        areas = np.concatenate([areas for _, areas in self.surfaces])
        found, places = np.unique(ids, return_inverse=True)
        sums = sum_by(places, areas, len(found))
        return dict(zip(found.tolist(), sums.tolist(), strict=True))

    def contacts(self) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Add up how far objects touch.

        Returns
        -------
        pairs : array (C, 2) of int64 or uint64
            Ids, the lower first, in rising order.
        lengths : array (C,) of float64
            Of the borders that they share within slices.
        areas : array (C,) of float64
            On which one lies over the other in neighbouring slices.
        """
        borders = add_up([regions.contacts for regions in self.slices])
        overlaps = add_up(self.overlaps) if self.overlaps else (borders[0][:0], borders[1][:0])
        none_of = [np.zeros(len(pairs)) for pairs, _ in (borders, overlaps)]
        pairs, lengths = add_up([borders, (overlaps[0], none_of[1])])
        _, areas = add_up([(borders[0], none_of[0]), overlaps])
        return pairs, lengths, areas


def measure(
    pages: Slices,
    shape: tuple[int, int, int],
    units: Units,
    *,
    image: Slices | None = None,
    reach: int = 1,
    on_slice: Callable[[], object] = lambda: None,
) -> Measured:
    """Measure all objects.

    Parameters
    ----------
    pages : slices (Y, X) of int64 or uint64
        Ids, such as :class:`IdPages` or :class:`ConnectedParts`; 0 is no object.
    shape : tuple of int
        (Z, Y, X) of them.
    units : Units
    image : slices (Y, X) or None
        Intensities, of the same shape.
    reach : int
        As of :func:`contacts.contacts_in`.
    on_slice : callable
        Called after each slice; what it raises ends the work.

    Raises
    ------
    UserError
        If a slice is damaged, or has what is no id.
    """
    measured = Measured(shape, units)
    lower: NDArray[Any] | None = None
    sides = units.space.sides
    for index in range(shape[0]):
        page = np.asarray(pages[index])
        pixels = None if image is None else np.asarray(image[index])
        measured.slices.append(SliceRegions.of(page, units, reach, pixels))
        if not measured.is_flat:
            below = np.zeros_like(page) if lower is None else lower
            measured.surfaces.append(surface_between(below, page, sides))
            if lower is not None:
                area = sides[1] * sides[2]
                measured.overlaps.append(contacts_between(lower, page, area))
        lower = page
        on_slice()
    if not measured.is_flat and lower is not None:
        measured.surfaces.append(surface_between(lower, np.zeros_like(lower), sides))
    return measured
