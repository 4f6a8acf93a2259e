"""What was measured of all objects together: how many, how dense, how large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_unet.measurement.measuring import Measured
from napari_unet.measurement.tables import Table
from napari_unet.measurement.units import Scale

_DISTRIBUTED = ("volume_", "area_", "surface_", "equivalent_", "feret_", "perimeter_", "intensity_")
_TOLD = ("volume_", "area_", "equivalent_", "feret_")
_SPELT = {"um2": "µm²", "um3": "µm³", "px2": "px²", "px3": "voxels"}


def summarize(measured: Measured, table: Table) -> dict[str, Any]:
    """Sum up a table of objects, as JSON has it.

    Parameters
    ----------
    measured : Measured
    table : Table
        Of its objects: one row each.
    """
    scale, unit, size, share = _extent(measured, table)
    count = len(table)
    at_border = int(np.count_nonzero(table.columns["touches_border"]))
    return {
        "shape": list(measured.shape),
        "pixel_size_nm": list(scale.sides) if scale.is_known else None,
        "objects": count,
        "objects_at_border": at_border,
        f"stack_{unit}": size,
        f"objects_per_{unit}": count / size,
        "fraction": share,
        "contacts": len(measured.contacts()[0]),
        "distributions": {
            name: _distribution(np.asarray(column, np.float64))
            for name, column in table.columns.items()
            if name.startswith(_DISTRIBUTED)
        },
    }


def describe(summary: dict[str, Any]) -> list[str]:
    """Say a summary in sentences."""
    [stack] = [name for name in summary if name.startswith("stack_")]
    unit = stack.removeprefix("stack_")
    spelt = _SPELT[unit]
    size = " x ".join(map(str, summary["shape"]))
    sides = summary["pixel_size_nm"]
    of = f" of {' x '.join(f'{side:.4g}' for side in sides)} nm" if sides else ""
    lines = [
        f"Stack: {size} pixels{of}: {summary[stack]:.4g} {spelt}.",
        f"Objects: {summary['objects']}, {summary['objects_at_border']} of them at the stack's "
        f"border; {summary[f'objects_per_{unit}']:.4g} per {spelt.removesuffix('s')}, "
        f"{summary['fraction']:.1%} of the stack.",
    ]
    for name, figures in summary["distributions"].items():
        if name.startswith(_TOLD) and not (name.endswith(("_px", "voxels")) and sides):
            lines.append(
                f"{name}: mean {figures['mean']:.4g}, sd {figures['sd']:.4g}, median "
                f"{figures['median']:.4g}, from {figures['min']:.4g} to {figures['max']:.4g}."
            )
    return [*lines, f"Pairs of objects that touch: {summary['contacts']}."]


def _extent(measured: Measured, table: Table) -> tuple[Scale, str, float, float]:
    """Give the scale, the unit, and how large the stack is, and the share that objects take."""
    pixels = math.prod(measured.shape)
    if measured.is_flat:
        scale = measured.units.plane
        size = pixels * math.prod(scale.sides) * scale.unit_area
        return scale, scale.area, size, int(table.columns["area_px"].sum()) / pixels
    scale = measured.units.space
    size = pixels * math.prod(scale.sides) * scale.unit_volume
    return scale, scale.volume, size, int(table.columns["volume_voxels"].sum()) / pixels


def _distribution(values: Any) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }
