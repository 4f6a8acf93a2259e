"""The dialog that asks where to save: beside the image, and never over a file unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from napari import Viewer
from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_unet.layers.crops import surroundings_of
from napari_unet.layers.layer_search import image_under
from napari_unet.layers.levels import whole_of
from napari_unet.text import line
from napari_unet.widgets.common.messages import confirm
from training.console import list_names
from training.formats.location import is_array_folder


def ask_where_to_save(
    parent: QWidget, title: str, suggestion: Path, forms: Sequence[str]
) -> tuple[Path, str] | None:
    """Ask for a file, and before one that is there already is replaced.

    Parameters
    ----------
    suggestion : Path
        Folder and name that are offered; a name without an ending gets this one's.
    forms : sequence of str
        What can be saved, in the form of Qt's filters.

    Returns
    -------
    path, form : Path and str
        None if nothing is to be saved.
    """
    dialog = _SaveDialog(parent, title, str(suggestion.parent), ";;".join(forms))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suggestion.suffix.removeprefix("."))
    dialog.selectFile(suggestion.name)
    if not dialog.exec_():
        return None
    return Path(dialog.selectedFiles()[0]), dialog.selectedNameFilter()


class _SaveDialog(QFileDialog):
    """Takes a folder of arrays for a file, where Qt would show what is in it."""

    def accept(self) -> None:
        """Close with a name, once a person agrees that what has it is replaced."""
        named = [Path(name) for name in self.selectedFiles()]
        if not any(is_array_folder(path) for path in named):
            super().accept()
        elif may_replace(self, named):
            self.done(QFileDialog.DialogCode.Accepted)


def may_replace(parent: QWidget, targets: Iterable[Path]) -> bool:
    """Ask before files are replaced; True where none of them is there."""
    names = [line(target.name) for target in targets if target.exists()]
    if not names:
        return True
    verb = "exists" if len(names) == 1 else "exist"
    question = f"{list_names(names)} {verb} already. Replace?"
    return confirm(parent, question, "What was saved there before is lost.", "Replace")


def suggested_file(viewer: Viewer, layer: Layer, ending: str) -> Path:
    """Suggest a file for a layer: named after it, in the folder of its image or of its own file."""
    return folder_of(viewer, layer) / f"{file_stem(layer.name)}{ending}"


def folder_of(viewer: Viewer, layer: Layer) -> Path:
    """Find the folder that a layer's image, or the layer itself, was opened from; else this one."""
    image = image_under(viewer, layer)
    opened = None if image is None else whole_of(surroundings_of(image).image)
    for candidate in (opened, layer):
        path = None if candidate is None else candidate.source.path
        if path is not None and Path(path).parent.is_dir():
            return Path(path).parent
    return Path.cwd()


def file_stem(name: str) -> str:
    """Make the name of a layer a file's, without an ending."""
    return line(name).replace(" ", "-").replace("/", "-").strip(".") or "layer"


def browse_row(field: QLineEdit, tip: str, browse: Callable[[], None]) -> QHBoxLayout:
    """Put a button that calls ``browse`` beside the field of a path."""
    button = QPushButton("Browse…")
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: browse())
    row = QHBoxLayout()
    row.addWidget(field, stretch=1)
    row.addWidget(button)
    return row
