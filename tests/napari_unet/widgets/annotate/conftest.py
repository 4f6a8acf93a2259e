"""The Annotate dock over the tissue."""

from __future__ import annotations

import pytest
from napari import Viewer

from napari_unet.widgets.annotate.dock import AnnotateDock

PLUGIN = "napari-unet-mindspore"


@pytest.fixture
def dock(viewer: Viewer) -> AnnotateDock:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
    return dock
