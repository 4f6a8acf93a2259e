"""Keeps a comparison up to date while its two layers are edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import QSignalThrottler

from napari_unet.evaluation.comparison import Comparison
from napari_unet.layers.plugin_layers import (
    MODEL_KEY,
    image_under,
    reading_of,
    trained_slices,
    unusable_labels,
)
from napari_unet.layers.slices import displayed_slice, edited_slices, full_resolution
from napari_unet.runs.id_borders import borders_of
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from training.errors import UserError
from training.label_convention import IdBorders, LabelConvention

EDIT_DELAY = 60  # milliseconds from a brush's movement to new figures
NEURONS_DELAY = 400  # milliseconds of rest until the figures of neurons are computed
NEURONS_SECONDS = 0.5  # of computing, until the figures that are done are shown
MOST_AT_ONCE = 4  # slices that an edit may make the window's thread compute


class LiveComparison(QObject):
    """Computes all slices in a thread, and edited ones again; neurons after a rest, in a thread.

    Parameters
    ----------
    viewer : Viewer
        Its slider says which slice the brush is on.
    """

    restarted = Signal()  # other layers, or other arrays in them: nothing is computed yet
    figures_changed = Signal(int, int)  # first and last slice
    failed = Signal(Exception)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.comparison: Comparison | None = None
        self.problem = ""
        self._viewer = viewer
        self._layers: tuple[Any, Any] = (None, None)
        self._events = Connections(self)
        self._edited: set[int] = set()
        self._computing = LatestWork(
            self, _compute_all, self._on_computed, self.failed.emit, shows_outdated=True
        )
        self._measuring = LatestWork(self, _measure_neurons, self._on_measured, self.failed.emit)
        self._edits = QSignalThrottler(QSignalThrottler.EmissionPolicy.Trailing, self)
        self._edits.setTimeout(EDIT_DELAY)
        self._edits.triggered.connect(self._on_edit_settled)
        self._rest = QTimer(self)  # superqt's debouncer can't say whether it is running
        self._rest.setSingleShot(True)
        self._rest.setInterval(NEURONS_DELAY)
        self._rest.timeout.connect(self._measure_neurons)

    def watch(self, mask: Labels | None, truth: Labels | None) -> None:
        """Compare these two layers from now on."""
        self._events.clear()
        self._layers = (mask, truth)
        for layer in self._layers:
            if layer is not None:
                self._events.add(layer.events.paint, self._on_painted)
                self._events.add(layer.events.labels_update, self._on_view_changed)
                self._events.add(layer.events.set_data, self._on_view_changed)
                self._events.add(layer.events.data, self._on_data_changed)
                self._events.add(layer.events.name, self._name_layers)
        self._restart()

    def _restart(self) -> None:
        mask, truth = self._layers
        self.comparison = None
        self._computing.drop()
        self._measuring.drop()
        obstacle = unusable_labels(self._viewer)
        self.problem = obstacle or "Open a mask and its ground truth as Labels layers."
        if mask is not None and mask == truth:
            self.problem = "Mask and truth are one layer: predict a mask, or open one."
        elif mask is not None and reading_of(mask).convention == LabelConvention.INSTANCES:
            self.problem = (
                f"The layer '{mask.name}' holds ids of cells, not a mask of membrane. Choose a "
                "mask; the command napari-unet evaluate judges a file of ids."
            )
        elif mask is not None and truth is not None:
            try:
                image = image_under(self._viewer, mask)
                self.comparison = Comparison(
                    mask.data,
                    truth.data,
                    mask.name,
                    truth.name,
                    reading_of(truth, _borders_of(mask)),
                    None if image is None else full_resolution(image),
                )
                self.comparison.trained = trained_slices(mask)
            except UserError as error:
                self.problem = str(error)
        self._compute_all()
        self.restarted.emit()

    def _compute_all(self) -> None:
        if self.comparison is not None:
            self._computing.request(self.comparison)

    def _on_computed(self, _: None) -> None:
        if self.comparison is not None:
            self.figures_changed.emit(0, len(self.comparison) - 1)
            self._rest.start()

    def _measure_neurons(self) -> None:
        if self.comparison is not None and not self.comparison.has_neurons:
            self._measuring.request(self.comparison)

    def _on_measured(self, _: None) -> None:
        if self.comparison is not None:
            self.figures_changed.emit(0, len(self.comparison) - 1)
        if not self._rest.isActive():
            self._measure_neurons()

    def _update(self, slices: set[int]) -> None:
        if self.comparison is None:
            return
        if len(slices) > MOST_AT_ONCE:
            self._compute_all()
            return
        changed = [index for index in slices if self.comparison.update(index)]
        if changed:
            self.figures_changed.emit(min(changed), max(changed))
            self._rest.start()

    def _on_painted(self, event: Any) -> None:
        """Note the slices. napari reports a dab before its pixels are there; the throttle waits."""
        self._edited |= edited_slices(event) if event.source.ndim == 3 else {0}
        self._on_view_changed()

    def _on_view_changed(self) -> None:
        """Compare again soon: the brush moves, an edit was undone, or only the slider moved."""
        self._edits.throttle()

    def _on_edit_settled(self) -> None:
        edited, self._edited = self._edited, set()
        mask = self._layers[0]
        index = displayed_slice(self._viewer, mask) if mask is not None else None
        self._update(edited if index is None else edited | {index})

    def _on_data_changed(self) -> None:
        """Compare all slices again, or restart where the whole array was replaced."""
        mask, truth = self._layers
        if self.comparison is not None and self.comparison.is_of(mask.data, truth.data):
            self.comparison.trained = trained_slices(mask)
            self._compute_all()
        else:
            self._restart()

    def _name_layers(self, _: object = None) -> None:
        mask, truth = self._layers
        if self.comparison is not None:
            self.comparison.predicted_name, self.comparison.truth_name = mask.name, truth.name


def _borders_of(mask: Labels) -> IdBorders:
    """Find the borders of ids that the model of a mask was trained with."""
    model = mask.metadata.get(MODEL_KEY)
    return borders_of([Path(model)] if model else [])


def _compute_all(comparison: Comparison) -> None:
    comparison.update_all()


def _measure_neurons(comparison: Comparison) -> None:
    comparison.update_neurons(NEURONS_SECONDS)
