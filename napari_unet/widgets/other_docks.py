"""Finds the other docks of this plugin in a window, or opens them."""

from __future__ import annotations

from typing import Any

from napari import Viewer
from qtpy.QtWidgets import QDockWidget

PLUGIN = "napari-unet-mindspore"


def open_dock(viewer: Viewer, name: str) -> Any:
    """The dock of this name, opened if it isn't, and in front.

    Parameters
    ----------
    name : str
        As the manifest gives it: "Train", "Predict"...
    """
    frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    if isinstance(frame, QDockWidget):
        frame.show()
        frame.raise_()
    return dock
