"""Saving layers, by the ending of their file's name: those of a prediction, and labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_unet.layers.followed_operations import no_operation
from napari_unet.stacks.napari_writer import (
    LayerWriter,
    write_image,
    write_labels,
    write_labels_membrane,
    write_submission,
)
from napari_unet.text import line
from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.messages import inform
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.files.save_dialog import ask_where_to_save, suggested_file
from napari_unet.widgets.files.unpredicted_question import UnpredictedQuestion
from training.masks.hdf5_writer import HDF5_ENDINGS
from training.masks.stack_writer import split_path
from training.masks.tif_writer import TIF_ENDINGS
from training.masks.writer_choice import IMAGE_ENDINGS, LABEL_ENDINGS

_LABELS = f"({' '.join(f'*{ending}' for ending in LABEL_ENDINGS)})"
_IMAGES = f"({' '.join(f'*{ending}' for ending in IMAGE_ENDINGS)})"
MASK_FORMS: dict[str, LayerWriter] = {
    f"Mask, 0 = membrane as ISBI {_LABELS}": write_labels,
    f"Mask, 255 = membrane {_LABELS}": write_labels_membrane,
}
PROBABILITY_FORMS: dict[str, LayerWriter] = {
    f"Probability of membrane, 32 bits {_IMAGES}": write_image,
    f"ISBI submission, 0 = membrane {_IMAGES}": write_submission,
}
PREDICT_REST = "Predict the rest"
LABELS_FORMS: dict[str, LayerWriter] = {f"Labels {_LABELS}": write_labels}
NEURONS_FORMS: dict[str, LayerWriter] = {f"Neurons, each with its number {_LABELS}": write_labels}


class SaveButtons(QWidget):
    """Buttons that ask to save a mask and its probability."""

    mask_requested = Signal()
    probability_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mask = QPushButton("Save mask…")
        self._mask.setToolTip("Save the mask as TIF, OME-Zarr or HDF5, with its pixel size.")
        self._probability = QPushButton("Save probability…")
        self._probability.setToolTip("Save it, 32 bits, as TIF, OME-Zarr, HDF5 or MRC.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._mask)
        layout.addWidget(self._probability)
        self._mask.clicked.connect(self.mask_requested)
        self._probability.clicked.connect(self.probability_requested)

    def enable(self, *, mask: bool, probability: bool) -> None:
        """Let only what is there be asked for."""
        self._mask.setEnabled(mask)
        self._probability.setEnabled(probability)


class PredictionSaving(QObject):
    """Saves the layers of a prediction as long as the viewer has them.

    Parameters
    ----------
    viewer : Viewer
        Viewer of the layers.
    buttons : SaveButtons
        Ask for it.
    """

    rest_requested = Signal(list)  # slices to predict before anything is saved
    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, buttons: SaveButtons) -> None:
        super().__init__(buttons)
        self._viewer, self._buttons = viewer, buttons
        self._mask: Labels | None = None
        self._probability: Image | None = None
        self._question = UnpredictedQuestion(buttons, PREDICT_REST, self.rest_requested.emit)
        self._question.failed.connect(self.failed)
        buttons.mask_requested.connect(self._on_mask_requested)
        buttons.probability_requested.connect(self._on_probability_requested)
        Connections(self).add(viewer.layers.events.removed, self._refresh)
        self._refresh()

    def offer(self, mask: Labels | None, probability: Image | None) -> None:
        """Offer to save these layers; None: there are none."""
        self._mask, self._probability = mask, probability
        self._refresh()

    def _refresh(self, event: object = None) -> None:
        layers = self._viewer.layers
        self._buttons.enable(mask=self._mask in layers, probability=self._probability in layers)

    def _on_mask_requested(self) -> None:
        self._ask_and_save(self._mask, MASK_FORMS)

    def _on_probability_requested(self) -> None:
        self._ask_and_save(self._probability, PROBABILITY_FORMS)

    def _ask_and_save(self, layer: Layer | None, forms: dict[str, LayerWriter]) -> None:
        if self._mask is not None and layer is not None:
            arguments = self._buttons, self._viewer, layer, forms, self.failed.emit
            save = partial(ask_and_save, *arguments)
            self._question.ask(self._mask, save)


def ask_and_save(
    parent: QWidget,
    viewer: Viewer,
    layer: Layer,
    forms: dict[str, LayerWriter],
    on_error: Callable[[Exception], None],
) -> None:
    """Ask for a file and one of several forms, and save a layer in a thread.

    Parameters
    ----------
    viewer : Viewer
        Where the layer's image may be, in whose folder the file is offered.
    forms : dict
        Writers, by their names in the dialog.
    on_error : callable
        Called where it can't be saved.
    """
    suggestion = suggested_file(viewer, layer, TIF_ENDINGS[0])
    answer = ask_where_to_save(parent, f"Save {line(layer.name)}", suggestion, list(forms))
    if answer is not None:
        path, form = answer
        data, attributes, _ = layer.as_layer_data_tuple()

        def write(progress: Progress) -> list[str]:
            with no_operation(layer):
                return forms[form](str(path), data, attributes, progress)

        task = LongTask(f"Saving {path.name}", write, parent)
        task.done.connect(_report_saved)
        task.failed.connect(on_error)
        task.start()


def _report_saved(paths: list[str]) -> None:
    path = Path(paths[0])
    found = split_path(path, HDF5_ENDINGS)
    inform(f"Saved {path.name}." if found is None else f"Saved {found[1]} in {found[0].name}.")
