"""Buttons that save a predicted mask and its probability as TIF."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_unet.stacks.napari_writer import (
    write_image,
    write_labels,
    write_labels_membrane,
    write_submission,
)
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.messages import inform

Writer = Callable[[str, Any, dict[str, Any]], list[str]]
MASK_FORMS: dict[str, Writer] = {
    "Mask, 0 = membrane as ISBI (*.tif)": write_labels,
    "Mask, 255 = membrane (*.tif)": write_labels_membrane,
}
PROBABILITY_FORMS: dict[str, Writer] = {
    "Probability of membrane, 32 bits (*.tif)": write_image,
    "ISBI submission, 0 = membrane (*.tif)": write_submission,
}


class SaveButtons(QWidget):
    """Saves layers of a viewer in a background thread.

    Parameters
    ----------
    viewer : Viewer
        The buttons are disabled when their layers are no longer in it.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._mask: Labels | None = None
        self._probability: Image | None = None
        self._save_mask = QPushButton("Save mask…")
        self._save_mask.setToolTip("Save the mask as a TIF stack, with its pixel size.")
        self._save_probability = QPushButton("Save probability…")
        self._save_probability.setToolTip("Save the probability as a 32-bit TIF stack.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._save_mask)
        layout.addWidget(self._save_probability)
        self._save_mask.clicked.connect(self._on_mask_requested)
        self._save_probability.clicked.connect(self._on_probability_requested)
        Connections(self).add(viewer.layers.events.removed, self._refresh)
        self._refresh()

    def offer(self, mask: Labels, probability: Image) -> None:
        """The layers to save."""
        self._mask, self._probability = mask, probability
        self._refresh()

    def _refresh(self, event: object = None) -> None:
        self._save_mask.setEnabled(self._mask in self._viewer.layers)
        self._save_probability.setEnabled(self._probability in self._viewer.layers)

    def _on_mask_requested(self) -> None:
        self._ask_and_save(self._mask, MASK_FORMS)

    def _on_probability_requested(self) -> None:
        self._ask_and_save(self._probability, PROBABILITY_FORMS)

    def _ask_and_save(self, layer: Layer, forms: dict[str, Writer]) -> None:
        suggestion = f"{layer.name.replace(' ', '-')}.tif"
        path, form = QFileDialog.getSaveFileName(
            self, f"Save {layer.name}", suggestion, ";;".join(forms)
        )
        if path:
            data, attributes, _ = layer.as_layer_data_tuple()
            run_in_thread(partial(forms[form], path, data, attributes), self._on_saved)

    def _on_saved(self, paths: list[str]) -> None:
        inform(f"Saved {Path(paths[0]).name}.")


def ask_and_save_labels(parent: QWidget, layer: Labels) -> None:
    """Save in a thread, in the layer's own convention."""
    suggestion = f"{layer.name.replace(' ', '-')}.tif"
    path, _ = QFileDialog.getSaveFileName(parent, f"Save {layer.name}", suggestion, "TIF (*.tif)")
    if path:
        data, attributes, _ = layer.as_layer_data_tuple()
        run_in_thread(partial(write_labels, path, data, attributes), _tell_saved)


def _tell_saved(paths: list[str]) -> None:
    inform(f"Saved {Path(paths[0]).name}.")
