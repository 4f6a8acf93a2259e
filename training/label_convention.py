"""What the values of a label image mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from training.errors import UserError


class LabelConvention(StrEnum):
    """Which values of a label image are membrane. The names are those of files and options."""

    ISBI = "isbi"
    """0 is membrane, every other value is inside: the files of the ISBI 2012 challenge."""

    MEMBRANE = "membrane"
    """Every other value than 0 is membrane."""

    SPARSE = "sparse"
    """0 is unknown, 1 is membrane, 2 is inside: strokes on some slices."""

    INSTANCES = "instances"
    """Each cell has an id; 0 and the borders between ids are membrane, see :class:`IdBorders`."""

    CLASSES = "classes"
    """Each value is a class with a name, see :class:`training.label_classes.LabelClasses`."""


def leading_convention(conventions: Iterable[LabelConvention]) -> LabelConvention:
    """Give that of several volumes which decides the options.

    Classes come first, then ids, whose options go with them; strokes only where there is nothing
    else.
    """
    kinds = LabelConvention
    order = [kinds.CLASSES, kinds.INSTANCES, kinds.ISBI, kinds.MEMBRANE, kinds.SPARSE]
    return min(conventions, key=order.index)


FINISHED_CONVENTIONS = (
    LabelConvention.ISBI,
    LabelConvention.MEMBRANE,
    LabelConvention.INSTANCES,
)
"""Those in which every pixel is labelled."""


WIDEST_BORDER = 50


@dataclass(frozen=True)
class IdBorders:
    """Which pixels are membrane, of labels of the convention ``instances``.

    Parameters
    ----------
    width : int
        Membrane is what lies within this many pixels of another id, measured between the centres
        of pixels. 0: only where the labels are 0.
    is_zero_unknown : bool
        Whether pixels of 0 are unknown, rather than membrane.
    """

    width: int = 1
    is_zero_unknown: bool = False

    def describe(self) -> str:
        """Say which pixels are membrane, as the end of a sentence."""
        if not self.width:
            return "0 alone is membrane"
        pixels = "1 pixel" if self.width == 1 else f"{self.width} pixels"
        near = f"what lies within {pixels} of another id is membrane"
        return f"{near}, and 0 is unknown" if self.is_zero_unknown else f"0 and {near}"

    def check_for(self, convention: LabelConvention) -> None:
        """Refuse other borders than the usual ones for labels that are no ids.

        Raises
        ------
        UserError
        """
        if convention != LabelConvention.INSTANCES and self != USUAL_BORDERS:
            raise UserError(
                f"The options border and unknown are for ids, but the labels are {convention}.",
                "Leave them out, or choose the convention instances if each cell has an id.",
            )


USUAL_BORDERS = IdBorders()
