"""The objects of a volume, each from what was measured of it in its slices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.extent import feret_diameter
from napari_unet.measurement.measuring import Measured
from napari_unet.measurement.slice_regions import Columns
from napari_unet.measurement.sums import sum_by


def measure_objects(measured: Measured, on_object: Callable[[], object] = lambda: None) -> Columns:
    """Measure the objects in space.

    Parameters
    ----------
    measured : Measured
        Of more than one slice.
    on_object : callable
        Called after each object whose diameter is measured.

    Returns
    -------
    mapping of str to array (N,)
        In the order of the ids. ``id``, ``voxels``, ``volume``, ``surface``,
        ``equivalent_diameter`` and ``feret_diameter`` in units of the sides of a voxel; the
        centroid ``z``, ``y``, ``x`` and the bounding box ``z_start`` ... ``x_stop`` in voxels;
        ``slices`` that it is in; ``is_at_edge``; ``intensity_mean`` and ``intensity_sd``.
    """
    rows = measured.by_slice()
    ids, places = np.unique(rows["id"], return_inverse=True)
    count, pixels = len(ids), rows["pixels"].astype(np.float64)

    def add(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return sum_by(places, values, count)

    def extreme(choose: np.ufunc, values: NDArray[np.float64]) -> NDArray[np.int64]:
        found = np.full(count, -np.inf if choose is np.maximum else np.inf)
        choose.at(found, places, values)
        return found.astype(np.int64)

    voxels = add(pixels)
    volume = voxels * np.prod(measured.units.space.sides)
    surface = measured.surface()
    depth = measured.shape[0]
    columns: Columns = {
        "id": ids,
        "slices": np.bincount(places, minlength=count),
        "voxels": voxels.astype(np.int64),
        "volume": volume,
        "surface": np.array([surface[one] for one in ids.tolist()]),
        "equivalent_diameter": np.cbrt(6 * volume / np.pi),
        "feret_diameter": _diameters(measured, places, rows["slice"], count, on_object),
        "z": add(pixels * rows["slice"]) / voxels,
        **{axis: add(pixels * rows[axis]) / voxels for axis in "yx"},
        "z_start": extreme(np.minimum, rows["slice"]),
        **{f"{axis}_start": extreme(np.minimum, rows[f"{axis}_start"]) for axis in "yx"},
        "z_stop": extreme(np.maximum, rows["slice"]) + 1,
        **{f"{axis}_stop": extreme(np.maximum, rows[f"{axis}_stop"]) for axis in "yx"},
    }
    is_at_edge = add(rows["is_at_edge"].astype(np.float64)) > 0
    columns["is_at_edge"] = is_at_edge | (columns["z_start"] == 0) | (columns["z_stop"] == depth)
    if "intensity_mean" in rows:
        mean = add(pixels * rows["intensity_mean"]) / voxels
        away = rows["intensity_mean"] - mean[places]
        variance = add(pixels * (rows["intensity_sd"] ** 2 + away**2)) / voxels
        columns |= {"intensity_mean": mean, "intensity_sd": np.sqrt(variance)}
    return columns


def _diameters(
    measured: Measured,
    places: NDArray[np.intp],
    slices: NDArray[np.int64],
    count: int,
    on_object: Callable[[], object],
) -> NDArray[np.float64]:
    hulls = [hull for regions in measured.slices for hull in regions.hulls]
    rows_of = np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places))[:-1])
    diameters = np.empty(count)
    for place, rows in enumerate(rows_of):
        points = [np.insert(hulls[row], 0, slices[row], axis=1) for row in rows.tolist()]
        diameters[place] = feret_diameter(np.concatenate(points), measured.units.space.sides)
        on_object()
    return diameters
