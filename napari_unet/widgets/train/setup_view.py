"""The page of a training's setup: its data and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.components import ViewerModel
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.form_layout import align_labels
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea
from napari_unet.widgets.train.data_view import TrainingDataView
from napari_unet.widgets.train.form import TrainingForm


class TrainingSetupView(VerticalScrollArea):
    """Data above, options below.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose layers are offered.
    remembered : mapping
        Options to begin with.
    """

    def __init__(
        self, viewer: ViewerModel, remembered: Mapping[str, Any], parent: QWidget | None = None
    ) -> None:
        super().__init__(QWidget(), parent)
        self.data = TrainingDataView(viewer)
        self.form = TrainingForm(remembered)
        rows = QVBoxLayout(self.content)
        rows.setContentsMargins(4, 4, 4, 4)
        rows.addWidget(self.data)
        rows.addWidget(self.form, 1)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Align the fields, now that the window's font is known."""
        super().showEvent(event)
        align_labels(self.data, self.form.basic)
