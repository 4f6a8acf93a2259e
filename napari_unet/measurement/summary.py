"""What was measured of all objects together: how many, how dense, how large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.measuring import Measured
from napari_unet.measurement.tables import Table
from napari_unet.measurement.units import Scale
from training.label_classes import NO_CLASSES, LabelClasses

_DISTRIBUTED = ("volume_", "area_", "surface_", "equivalent_", "feret_", "perimeter_", "intensity_")
_TOLD = ("volume_", "area_", "equivalent_", "feret_")
_SPELT = {"um2": "µm²", "um3": "µm³", "px2": "px²", "px3": "voxels"}


def summarize(
    measured: Measured, table: Table, classes: LabelClasses = NO_CLASSES
) -> dict[str, Any]:
    """Sum up a table of objects, as JSON has it.

    Parameters
    ----------
    measured : Measured
    table : Table
        Of its objects: one row each.
    classes : LabelClasses
        Those in its column ``class``, if it has one: each is summed up as well.
    """
    scale, unit, size = _extent(measured)
    summary = {
        "shape": list(measured.shape),
        "pixel_size_nm": list(scale.sides) if scale.is_known else None,
        f"stack_{unit}": size,
        **_sums(measured, table),
        "contacts": len(measured.contacts()[0]),
    }
    if classes:
        summary["classes"] = [
            {"class": name, "value": value, **_sums(measured, table.take(rows))}
            for name, value, rows in _rows_by_class(table, classes)
        ]
    return summary


def _rows_by_class(
    table: Table, classes: LabelClasses
) -> Iterator[tuple[str, int | None, NDArray[np.intp]]]:
    """Give name, value and rows of each class of objects; at last of those without a name."""
    of_rows = np.array(table.columns["class"], object)
    for channel in classes.things:
        member = classes.members[channel]
        yield member.name, member.value, np.flatnonzero(of_rows == member.name)
    if len(unnamed := np.flatnonzero(of_rows == "")):
        yield "", None, unnamed


def _sums(measured: Measured, table: Table) -> dict[str, Any]:
    """Sum up some objects: how many, how dense, which share of the stack, how large."""
    _, unit, size = _extent(measured)
    pixels = table.columns["area_px" if measured.is_flat else "volume_voxels"]
    return {
        "objects": len(table),
        "objects_at_border": int(np.count_nonzero(table.columns["touches_border"])),
        f"objects_per_{unit}": len(table) / size,
        "fraction": int(pixels.sum()) / math.prod(measured.shape),
        "distributions": {
            name: _distribution(np.asarray(column, np.float64))
            for name, column in table.columns.items()
            if name.startswith(_DISTRIBUTED) and len(table)
        },
    }


def describe(summary: dict[str, Any]) -> list[str]:
    """Say a summary in sentences."""
    stack, unit = _stack_and_unit(summary)
    size = " x ".join(map(str, summary["shape"]))
    sides = summary["pixel_size_nm"]
    of = f" of {' x '.join(f'{side:.4g}' for side in sides)} nm" if sides else ""
    lines = [
        f"Stack: {size} pixels{of}: {summary[stack]:.4g} {_SPELT[unit]}.",
        f"Objects: {_describe_sums(summary, unit)}.",
        *(f"{_title(one)}: {_describe_sums(one, unit)}." for one in summary.get("classes", [])),
    ]
    for name, figures in summary["distributions"].items():
        if name.startswith(_TOLD) and not (name.endswith(("_px", "voxels")) and sides):
            lines.append(
                f"{name}: mean {figures['mean']:.4g}, sd {figures['sd']:.4g}, median "
                f"{figures['median']:.4g}, from {figures['min']:.4g} to {figures['max']:.4g}."
            )
    return [*lines, f"Pairs of objects that touch: {summary['contacts']}."]


def describe_briefly(summary: dict[str, Any]) -> str:
    """Say how many objects there are, and of each class, and how much of the stack they take."""
    _, unit = _stack_and_unit(summary)
    told = f"Objects: {_describe_sums(summary, unit)}."
    by_class = [
        f"{_title(one)}: {one['objects']} ({one['fraction']:.1%})"
        for one in summary.get("classes", [])
    ]
    return f"{told}\n{', '.join(by_class)}".rstrip()


def _title(of_class: dict[str, Any]) -> str:
    return of_class["class"] or "Without a class"


def _stack_and_unit(summary: dict[str, Any]) -> tuple[str, str]:
    [stack] = [name for name in summary if name.startswith("stack_")]
    return stack, stack.removeprefix("stack_")


def _describe_sums(sums: dict[str, Any], unit: str) -> str:
    return (
        f"{sums['objects']}, {sums['objects_at_border']} of them at the stack's border; "
        f"{sums[f'objects_per_{unit}']:.4g} per {_SPELT[unit].removesuffix('s')}, "
        f"{sums['fraction']:.1%} of the stack"
    )


def _extent(measured: Measured) -> tuple[Scale, str, float]:
    """Give the scale, the unit, and how large the stack is in it."""
    pixels = math.prod(measured.shape)
    if measured.is_flat:
        scale = measured.units.plane
        return scale, scale.area, pixels * math.prod(scale.sides) * scale.unit_area
    scale = measured.units.space
    return scale, scale.volume, pixels * math.prod(scale.sides) * scale.unit_volume


def _distribution(values: Any) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }
