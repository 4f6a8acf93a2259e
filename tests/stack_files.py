"""What stacks in files say of themselves."""

from pathlib import Path

from training.formats.pixel_size import PixelSize
from training.opening import open_stack
from training.stacks.sparse_labels import LabelNote


def read_pixel_size(path: Path) -> PixelSize | None:
    with open_stack(path) as stack:
        return stack.pixel_size


def read_label_note(path: Path) -> LabelNote | None:
    with open_stack(path) as stack:
        return stack.label_note
