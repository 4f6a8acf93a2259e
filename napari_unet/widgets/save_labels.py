"""Asks for a file, and saves a layer of labels in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari.layers import Labels
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet.widgets.background import run_in_thread
from napari_unet.writer import write_labels


def ask_and_save_labels(parent: QWidget, layer: Labels) -> None:
    """Save in a thread, in the layer's own convention."""
    suggestion = f"{layer.name.replace(' ', '-')}.tif"
    path, _ = QFileDialog.getSaveFileName(parent, f"Save {layer.name}", suggestion, "TIF (*.tif)")
    if path:
        data, attributes, _ = layer.as_layer_data_tuple()
        run_in_thread(partial(write_labels, path, data, attributes), _tell_saved)


def _tell_saved(paths: list[str]) -> None:
    show_info(f"Saved {Path(paths[0]).name}.")
