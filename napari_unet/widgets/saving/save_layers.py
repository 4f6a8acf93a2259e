"""Saving layers as TIF: those of a prediction, and labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_unet.stacks.napari_writer import (
    write_image,
    write_labels,
    write_labels_membrane,
    write_submission,
)
from napari_unet.text import line
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.messages import inform
from napari_unet.widgets.saving.save_dialog import TIF_ENDINGS, ask_where_to_save, suggested_file
from napari_unet.widgets.saving.unpredicted_question import UnpredictedQuestion

Writer = Callable[[str, Any, dict[str, Any]], list[str]]
MASK_FORMS: dict[str, Writer] = {
    "Mask, 0 = membrane as ISBI (*.tif)": write_labels,
    "Mask, 255 = membrane (*.tif)": write_labels_membrane,
}
PROBABILITY_FORMS: dict[str, Writer] = {
    "Probability of membrane, 32 bits (*.tif)": write_image,
    "ISBI submission, 0 = membrane (*.tif)": write_submission,
}
PREDICT_REST = "Predict the rest"
LABELS_FORMS: dict[str, Writer] = {"TIF (*.tif)": write_labels}
NEURONS_FORMS: dict[str, Writer] = {"Neurons, each with its number (*.tif)": write_labels}


class SaveButtons(QWidget):
    """Buttons that ask to save a mask and its probability."""

    mask_requested = Signal()
    probability_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mask = QPushButton("Save mask…")
        self._mask.setToolTip("Save the mask as a TIF stack, with its pixel size.")
        self._probability = QPushButton("Save probability…")
        self._probability.setToolTip("Save the probability as a 32-bit TIF stack.")
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

    def _ask_and_save(self, layer: Layer | None, forms: dict[str, Writer]) -> None:
        if self._mask is not None and layer is not None:
            arguments = self._buttons, self._viewer, layer, forms, self.failed.emit
            save = partial(ask_and_save, *arguments)
            self._question.ask(self._mask, self._probability, save)


def ask_and_save(
    parent: QWidget,
    viewer: Viewer,
    layer: Layer,
    forms: dict[str, Writer],
    on_error: Callable[[Exception], None],
) -> None:
    """Ask for a file and one of several forms, and save a layer in a thread.

    Parameters
    ----------
    viewer : Viewer
        Where the layer's image may be, in whose folder the file is offered.
    forms : dict
        Writers of napari's kind, by their names in the dialog.
    on_error : callable
        Called where it can't be saved.
    """
    suggestion = suggested_file(viewer, layer, TIF_ENDINGS[0])
    answer = ask_where_to_save(parent, f"Save {line(layer.name)}", suggestion, list(forms))
    if answer is not None:
        path, form = answer
        data, attributes, _ = layer.as_layer_data_tuple()
        work = partial(forms[form], str(path), data, attributes)
        run_in_thread(work, _report_saved, on_error)


def _report_saved(paths: list[str]) -> None:
    inform(f"Saved {Path(paths[0]).name}.")
