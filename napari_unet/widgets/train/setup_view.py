"""The setup of a training: its data and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.runs.training_preview import Preview, preview
from napari_unet.runs.training_sources import TrainingData
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea
from napari_unet.widgets.train.data_view import TrainingDataView
from napari_unet.widgets.train.form import TrainingForm
from training.config import TrainingConfig
from training.errors import UserError


class TrainingSetupView(VerticalScrollArea):
    """Data above, options below; the data are read and shown as soon as they are chosen.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose layers are offered.
    remembered : mapping
        Options to begin with.
    """

    obstacle_changed = Signal(str)  # why nothing can be started with these data; "" if it can

    def __init__(
        self, viewer: ViewerModel, remembered: Mapping[str, Any], parent: QWidget | None = None
    ) -> None:
        super().__init__(QWidget(), parent)
        self.data = TrainingDataView(viewer)
        self.form = TrainingForm(remembered)
        self._previewed: TrainingData | None = None
        rows = QVBoxLayout(self.content)
        rows.setContentsMargins(4, 4, 4, 4)
        rows.addWidget(self.data)
        rows.addWidget(self.form, 1)
        self.data.data_changed.connect(self._on_data_changed)
        self._on_data_changed()

    def choices(self) -> tuple[TrainingData, TrainingConfig]:
        """Read what to train on, and how.

        Raises
        ------
        UserError
            If something is missing, or an option is not valid.
        """
        data = self.data.data()
        if data is None:
            raise UserError("There is nothing to train on.", self._what_is_missing())
        return data, self.form.config().replace(label_convention=self.data.pair.convention)

    def _on_data_changed(self) -> None:
        data = self._previewed = self.data.data()
        if data is None:
            self._show_obstacle(self._what_is_missing())
            return
        self.data.pair.show_preview(None, "Reading…")
        self.obstacle_changed.emit("")
        convention = self.data.known_convention
        run_in_thread(
            lambda: (data, preview(data, convention)), self._on_previewed, self._on_unreadable
        )

    def _what_is_missing(self) -> str:
        if self.data.lacks_labels:
            return "Paint labels, open some, or choose another layer that holds them."
        return (
            "Open a stack of images and its labels, or choose a folder. Just to try it: "
            "File > Open Sample > U-Net for membranes."
        )

    def _on_previewed(self, result: tuple[TrainingData, Preview]) -> None:
        data, shown = result
        if data is self._previewed:
            self.data.pair.show_preview(shown)
            self.form.follow_convention(self.data.pair.convention)
            self.obstacle_changed.emit("\n".join(map(str, shown.problems)))

    def _on_unreadable(self, error: Exception) -> None:
        self._show_obstacle(str(error))

    def _show_obstacle(self, reason: str) -> None:
        self.data.pair.show_preview(None, reason)
        self.obstacle_changed.emit(reason)
