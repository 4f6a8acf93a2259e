"""What is painted: membrane and inside, or classes that a person names; and its brushes."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QLineEdit, QWidget

from napari_unet.labelling.label_counts import KINDS
from napari_unet.layers.colors import INSIDE_COLOR, TRUTH_COLOR
from napari_unet.widgets.common.brush_buttons import Brush
from training.label_classes import NO_CLASSES, UNKNOWN_NAME, LabelClasses
from training.stacks.sparse_labels import INSIDE, MEMBRANE

ERASER = Brush("Erase", "E", 0, "#808080")
BRUSHES = (
    Brush("Membrane", "A", MEMBRANE, TRUTH_COLOR),
    Brush("Inside", "S", INSIDE, INSIDE_COLOR),
    ERASER,
)
_KEYS = "123456789"


class ClassField(QLineEdit):
    """Names of the classes that a new layer has; empty: membrane and inside."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("membrane and inside")
        self.setAccessibleName("Classes of a new layer")
        self.setToolTip(
            "Other classes than membrane and inside, for New: inside, membrane, mitochondria. What "
            "is not painted is unknown."
        )

    def read(self) -> LabelClasses:
        """Read the classes; what is not painted, 0, is unknown.

        Raises
        ------
        UserError
            If it is not a list of classes.
        """
        text = self.text().strip()
        if not text:
            return NO_CLASSES
        is_told = LabelClasses.parse(text).unknown is not None
        return LabelClasses.parse(text if is_told else f"{text},{UNKNOWN_NAME}=0")


def brushes_of(classes: LabelClasses) -> tuple[Brush, ...]:
    """Make a brush for each class, with the keys 1 to 9; empty: those of membrane and inside."""
    if not classes:
        return BRUSHES
    painted = [classes.members[channel] for channel in classes.things]
    brushes = [
        Brush(member.name.capitalize(), _KEYS[place : place + 1], member.value, member.color)
        for place, member in enumerate(painted)
    ]
    return (*brushes, ERASER)


def kinds_of(classes: LabelClasses) -> Mapping[int, str]:
    """Give the names of what is painted, by its value."""
    if not classes:
        return KINDS
    return {classes.members[place].value: classes.members[place].name for place in classes.things}
