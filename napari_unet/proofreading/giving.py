"""Whole neurons that get another id: their pixels are found slice by slice, as they are changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_unet.proofreading.body_index import Section
from napari_unet.proofreading.edits import Edit, Volume


@dataclass(frozen=True)
class Giving:
    """Neurons of labels (Z, Y, X), and the id that all of them become.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
    sections : mapping
        Those of each neuron, by its id, and by the indices of their slices.
    after : int
    """

    labels: Volume
    sections: Mapping[int, Mapping[int, Section]]
    after: int

    @property
    def ids(self) -> list[int]:
        """The ids that change, and the one that they become, without 0."""
        return sorted({*self.sections, self.after} - {0})

    def slices(self, shape: tuple[int, ...]) -> list[int]:
        """List the slices along Z that change."""
        return sorted({index for found in self.sections.values() for index in found})

    def in_slice(self, index: int, shape: tuple[int, ...]) -> Edit | None:
        """Find what changes in a slice; None where a neuron there was painted since."""
        parts = []
        for body, found in self.sections.items():
            section = found.get(index)
            if section is None:
                continue
            box = slice(index, index + 1), *section.box
            part = Edit.of(self.labels, box, self.labels[box] == body, self.after)
            if part.count != section.area:
                return None
            parts.append(part)
        return Edit.joined(parts, self.after)
