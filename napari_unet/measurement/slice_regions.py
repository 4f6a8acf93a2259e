"""What is measured of the objects in one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.contacts import Pairs, contacts_in
from napari_unet.measurement.extent import hull_points
from napari_unet.measurement.sums import sum_by
from napari_unet.measurement.units import Units
from training.stacks.instances import find_runs

Columns = dict[str, NDArray[Any]]
"""A table: arrays (N,) by the names of its columns."""
_BOX = ("y_start", "x_start", "y_stop", "x_stop")


@dataclass(frozen=True)
class SliceRegions:
    """The objects of a slice, in the order of their ids.

    Parameters
    ----------
    columns : mapping of str to array (N,)
        ``id``; ``pixels``; ``area``, ``perimeter``, ``equivalent_diameter``, ``feret_diameter`` in
        units of :attr:`Units.plane`'s sides; ``y`` and ``x`` of the centroid, and the bounding
        box ``y_start`` ... ``x_stop`` in pixels; ``is_at_edge``; ``intensity_mean`` and
        ``intensity_sd`` where there is an image.
    contacts : pair of arrays (C, 2) and (C,)
        Ids that touch in the slice, and how long the borders are.
    hulls : list of array (P, 2) of int32
        Pixels (y, x): the corners of each object's convex hull.
    """

    columns: Columns
    contacts: Pairs
    hulls: list[NDArray[np.int32]]

    @classmethod
    def of(
        cls, page: NDArray[Any], units: Units, reach: int, image: NDArray[Any] | None
    ) -> SliceRegions:
        """Measure the objects of a slice.

        Parameters
        ----------
        page : array (Y, X) of int64 or uint64
            Ids; 0 is no object.
        units : Units
        reach : int
            As of :func:`contacts.contacts_in`.
        image : array (Y, X) or None
            Intensities of any real dtype.
        """
        values, places, lengths = find_runs(page)
        ids = values[values > 0]
        numbers = np.cumsum(values > 0, dtype=np.int32) * (values > 0).astype(np.int32)
        objects = np.repeat(numbers[places], lengths).reshape(page.shape)
        columns = {"id": ids} | _measure(objects, len(ids), units)
        if image is not None:
            columns |= _intensities(objects, len(ids), image)
        pairs, borders = contacts_in(objects, reach, units.plane.sides)
        return cls(columns, (ids[pairs - 1], borders), hull_points(objects, len(ids)))


def _measure(objects: NDArray[np.int32], count: int, units: Units) -> Columns:
    from skimage.measure import regionprops_table

    names = {
        "area": "area",
        "equivalent_diameter_area": "equivalent_diameter",
        "feret_diameter_max": "feret_diameter",
        **{f"bbox-{place}": name for place, name in enumerate(_BOX)},
        "centroid-0": "y",
        "centroid-1": "x",
    }
    if units.has_square_pixels:
        names["perimeter"] = "perimeter"
    if not count:
        empty: Columns = {name: np.empty(0) for name in names.values()}
        return empty | {"pixels": np.empty(0, np.int64), "is_at_edge": np.empty(0, bool)}
    sides = units.plane.sides
    properties = dict.fromkeys(name.partition("-")[0] for name in names)
    found = regionprops_table(objects, properties=tuple(properties), spacing=sides)  # type: ignore[no-untyped-call]
    columns: Columns = {name: found[key] for key, name in names.items()}
    for axis, side in zip("yx", sides, strict=True):
        columns[axis] = columns[axis] / side
    height, width = objects.shape
    is_first = (columns["y_start"] == 0) | (columns["x_start"] == 0)
    is_last = (columns["y_stop"] == height) | (columns["x_stop"] == width)
    pixels = np.bincount(objects.ravel(), minlength=count + 1)[1:]
    return columns | {"pixels": pixels, "is_at_edge": is_first | is_last}


def _intensities(objects: NDArray[np.int32], count: int, image: NDArray[Any]) -> Columns:
    numbers, values = objects.ravel(), image.ravel().astype(np.float64)
    pixels = np.maximum(np.bincount(numbers, minlength=count + 1), 1)
    mean = sum_by(numbers, values, count + 1) / pixels
    variance = sum_by(numbers, (values - mean[numbers]) ** 2, count + 1) / pixels
    return {"intensity_mean": mean[1:], "intensity_sd": np.sqrt(variance[1:])}
