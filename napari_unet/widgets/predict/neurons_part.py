"""The part of the predict dock that finds the neurons of a prediction, and saves them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari import Viewer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.files.save_layers import NEURONS_FORMS, ask_and_save
from napari_unet.widgets.files.unpredicted_question import UnpredictedQuestion
from napari_unet.widgets.predict.neuron_search import NeuronSearch
from napari_unet.widgets.predict.neurons_view import NeuronsView
from napari_unet.widgets.predict.predicted_layers import PredictedLayers


class NeuronsPart(QWidget):
    """Controls of a search for neurons, and what they control.

    Parameters
    ----------
    viewer : Viewer
        That shows the neurons.
    """

    find_requested = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._view, self._search = NeuronsView(), NeuronSearch(viewer, self)
        self._question = UnpredictedQuestion(self)
        self._question.failed.connect(self._view.show_failure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._view)
        self._view.find_requested.connect(self.find_requested)
        self._view.cancel_requested.connect(self._search.cancel)
        self._view.save_requested.connect(self._on_save_requested)
        self._search.available_changed.connect(self._view.set_available)
        self._search.begun.connect(self._view.show_begun)
        self._search.progressed.connect(self._view.show_progress)
        self._search.ended.connect(self._view.show_ended)
        self._search.failed.connect(self._view.show_failure)
        self._search.layer_changed.connect(self._view.set_saveable)

    def offer(self, result: PredictedLayers | None) -> None:
        """Search this prediction from now on; None: there is none."""
        self._search.offer(result)

    def search(self, model: Path | None) -> None:
        """Find the neurons of the predicted slices, by a model if it is known which made them."""
        self._search.find(self._view.threshold, self._view.is_linked, model)

    def _on_save_requested(self) -> None:
        layer = self._search.layer
        if layer is not None:
            arguments = self, self._viewer, layer, NEURONS_FORMS, self._view.show_failure
            self._question.ask(layer, partial(ask_and_save, *arguments))
