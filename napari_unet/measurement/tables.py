"""Tables of measures, in units that their columns name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.measuring import Measured
from napari_unet.measurement.slice_regions import Columns
from napari_unet.measurement.sums import sum_by
from napari_unet.measurement.units import Scale
from training.metrics.csv_table import csv_table

_BOX = "{}_start", "{}_stop"


@dataclass(frozen=True)
class Table:
    """A table whose columns name their units.

    Parameters
    ----------
    columns : mapping of str to array (N,) or list
        Numbers, truth values, or texts.
    """

    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def to_csv(self) -> str:
        """Write it as CSV; numbers have as many digits as say them exactly to 10 places."""
        return csv_table(list(self.columns), self._rows())

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Give a table of some rows, by their indices: (N,) of int."""
        return Table({name: _taken(column, rows) for name, column in self.columns.items()})

    def with_kinds(self, kinds: dict[str, Any]) -> Table:
        """Add columns after that of the objects: what each is, as in :attr:`columns`."""
        places = list(self.columns)
        place = places.index("object") + 1
        columns = self.columns | kinds
        return Table({name: columns[name] for name in (*places[:place], *kinds, *places[place:])})

    def _rows(self) -> Iterator[tuple[object, ...]]:
        cells = [_as_list(column) for column in self.columns.values()]
        return ((*map(_cell, row),) for row in zip(*cells, strict=True))


@dataclass(frozen=True)
class Neighbours:
    """The contacts of each object, or of each object in a slice, in the order of a table's rows.

    Parameters
    ----------
    ids : list of list of int
        The objects that it touches.
    lengths : array (N,) of float64
        Of all borders that it shares within slices.
    """

    ids: list[list[int]]
    lengths: NDArray[np.float64]

    @classmethod
    def of(cls, own: NDArray[Any], pairs: NDArray[Any], lengths: NDArray[np.float64]) -> Neighbours:
        """Sort contacts by objects.

        Parameters
        ----------
        own : array (N,) of int64 or uint64
            Ids, sorted.
        pairs : array (C, 2) of the same dtype
            Ids that touch.
        lengths : array (C,) of float64
        """
        both = np.concatenate([pairs, pairs[:, ::-1]])
        places = np.searchsorted(own, both[:, 0])
        order = np.lexsort((both[:, 1], places))
        counts = np.bincount(places, minlength=len(own))
        parts = np.split(both[order, 1], np.cumsum(counts)[:-1]) if len(own) else []
        sums = sum_by(places, np.tile(lengths, 2), len(own))
        return cls([part.tolist() for part in parts], sums)

    def columns(self, unit: str) -> dict[str, Any]:
        """Give the columns of a table."""
        return {
            "neighbour_count": np.array([len(ids) for ids in self.ids], np.int64),
            "neighbours": [" ".join(map(str, ids)) for ids in self.ids],
            f"shared_border_{unit}": self.lengths,
        }


def slice_table(measured: Measured) -> Table:
    """Make the table of every object in every slice; without its slices of a single one."""
    rows, plane = measured.by_slice(), measured.units.plane
    columns: dict[str, Any] = {} if measured.is_flat else {"slice": rows["slice"]}
    columns |= {"object": rows["id"], "area_px": rows["pixels"]}
    if plane.is_known:
        columns[f"area_{plane.area}"] = rows["area"] * plane.unit_area
    for name in ("perimeter", "equivalent_diameter", "feret_diameter"):
        if name in rows:
            columns[f"{name}_{plane.length}"] = rows[name]
    columns |= _places(rows, plane, "yx") | _intensity(rows)
    found = [Neighbours.of(regions.columns["id"], *regions.contacts) for regions in measured.slices]
    ids = [own for part in found for own in part.ids]
    joined = Neighbours(ids, np.concatenate([part.lengths for part in found]))
    return Table(columns | joined.columns(plane.length))


def object_table(measured: Measured, objects: Columns) -> Table:
    """Make the table of the objects of a volume, measured by ``measure_objects``."""
    space, plane = measured.units.space, measured.units.plane
    columns: dict[str, Any] = {"object": objects["id"], "slices": objects["slices"]}
    columns["volume_voxels"] = objects["voxels"]
    if space.is_known:
        columns[f"volume_{space.volume}"] = objects["volume"] * space.unit_volume
    columns[f"surface_{space.area}"] = objects["surface"] * space.unit_area
    for name in ("equivalent_diameter", "feret_diameter"):
        columns[f"{name}_{space.length}"] = objects[name]
    columns |= _places(objects, space, "zyx") | _intensity(objects)
    pairs, lengths, _ = measured.contacts()
    neighbours = Neighbours.of(objects["id"], pairs, lengths)
    return Table(columns | neighbours.columns(plane.length))


def contact_table(measured: Measured) -> Table:
    """Make the table of all pairs of objects that touch, within slices or from one to the next."""
    space, plane = measured.units.space, measured.units.plane
    pairs, lengths, areas = measured.contacts()
    columns: dict[str, Any] = {"object": pairs[:, 0], "neighbour": pairs[:, 1]}
    columns[f"shared_border_{plane.length}"] = lengths
    if not measured.is_flat:
        columns[f"overlap_{space.area}"] = areas * space.unit_area
        sides = lengths * space.sides[0] * (space.sides[1] / plane.sides[0])
        columns[f"contact_area_{space.area}"] = (sides + areas) * space.unit_area
    return Table(columns)


def _places(found: Columns, scale: Scale, axes: str) -> dict[str, Any]:
    """Where objects are: the centroid in pixels and nm, the box in pixels, and its edges."""
    columns: dict[str, Any] = {f"centroid_{axis}_px": found[axis] for axis in axes}
    if scale.is_known:
        for axis, side in zip(axes, scale.sides, strict=True):
            columns[f"centroid_{axis}_nm"] = found[axis] * side
    for form in _BOX:
        names = [form.format(axis) for axis in axes]
        columns |= {f"{name}_px": found[name].astype(np.int64) for name in names}
    return columns | {"touches_border": found["is_at_edge"]}


def _intensity(found: Columns) -> dict[str, Any]:
    return {name: found[name] for name in ("intensity_mean", "intensity_sd") if name in found}


def _taken(column: NDArray[Any] | list[str], rows: NDArray[np.intp]) -> NDArray[Any] | list[str]:
    if isinstance(column, np.ndarray):
        return column[rows]
    return [column[row] for row in rows.tolist()]


def _as_list(column: NDArray[Any] | list[str]) -> list[Any]:
    return list(column.tolist() if isinstance(column, np.ndarray) else column)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return f"{value:.10g}" if isinstance(value, float) else value
