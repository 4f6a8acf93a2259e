"""Keeps a comparison up to date while its two layers are edited."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import QSignalThrottler

from napari_unet.evaluation.comparison import Comparison
from napari_unet.layers.class_layers import layer_classes, layer_thresholds
from napari_unet.layers.label_values import reading_of
from napari_unet.layers.layer_search import image_under, unusable_labels
from napari_unet.layers.plugin_layers import MODEL_KEY, THRESHOLD_KEY, trained_slices
from napari_unet.layers.slices import (
    displayed_slice,
    edited_slices,
    full_resolution,
    nearest_first,
)
from napari_unet.layers.unpredicted import unpredicted_slices
from napari_unet.runs.id_borders import borders_of
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from training.errors import UserError
from training.label_classes import MEMBRANE_NAME
from training.label_convention import LabelConvention

EDIT_DELAY = 60  # milliseconds from a brush's movement to new figures
NEURONS_DELAY = 400  # milliseconds of rest until the figures of neurons are computed
COMPUTING_SECONDS = 0.5  # of computing, until the figures that are done are shown
READING = "Reading the labels…"


class LiveComparison(QObject):
    """Computes all slices in a thread, edited ones first; neurons after a rest, in another.

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
        self._border: int | None = None  # None: the model's
        self._events = Connections(self)
        self._edited: set[int] = set()
        self._outdated = _Outdated()
        self._opening = LatestWork(self, _open, self._on_opened, self._on_unreadable)
        self._computing = LatestWork(
            self, _compute, self._on_computed, self.failed.emit, shows_outdated=True
        )
        self._measuring = LatestWork(self, _measure_neurons, self._on_measured, self.failed.emit)
        self._edits = QSignalThrottler(QSignalThrottler.EmissionPolicy.Trailing, self)
        self._edits.setTimeout(EDIT_DELAY)
        self._edits.triggered.connect(self._on_edit_settled)
        self._rest = QTimer(self)  # superqt's debouncer can't say whether it is running
        self._rest.setSingleShot(True)
        self._rest.setInterval(NEURONS_DELAY)
        self._rest.timeout.connect(self._measure_neurons)

    @property
    def is_reading(self) -> bool:
        """Whether a comparison of the layers is about to begin."""
        return self.problem == READING

    def watch(self, mask: Labels | None, truth: Labels | None) -> None:
        """Compare these two layers from now on."""
        self._events.clear()
        if (mask, truth) != self._layers:
            self._layers, self._border = (mask, truth), None
        for layer in self._layers:
            if layer is not None:
                self._events.add(layer.events.paint, self._on_painted)
                self._events.add(layer.events.labels_update, self._on_view_changed)
                self._events.add(layer.events.set_data, self._on_view_changed)
                self._events.add(layer.events.data, self._on_data_changed)
                self._events.add(layer.events.name, self._name_layers)
        self._restart()

    def set_border(self, width: int) -> None:
        """Take for membrane what lies within so many pixels of another id, where there are ids."""
        self._border = width
        self._restart()

    def keep_wrong_pixels(self) -> NDArray[np.uint8] | None:
        """Keep wrong pixels up to date, (Z, Y, X) or (Y, X) of uint8; None: nothing is compared.

        See :meth:`Comparison.keep_wrong_pixels`.
        """
        if self.comparison is None:
            return None
        wrong = self.comparison.keep_wrong_pixels()
        self._compute_all()
        return wrong

    def _restart(self) -> None:
        mask, truth = self._layers
        self.comparison = None
        for work in (self._opening, self._computing, self._measuring):
            work.drop()
        obstacle = unusable_labels(self._viewer)
        if mask is None or truth is None:
            self.problem = obstacle or "Open a mask and its ground truth as Labels layers."
        elif mask == truth:
            self.problem = "Mask and truth are one layer: predict a mask, or open one."
        else:
            self.problem = READING
            image = image_under(self._viewer, mask)
            self._opening.request((mask, truth, image, self._border))
        self.restarted.emit()

    def _on_opened(self, comparison: Comparison) -> None:
        mask, truth = self._layers
        if not comparison.is_of(full_resolution(mask), full_resolution(truth)):
            self._restart()
            return
        self.comparison, self.problem = comparison, ""
        self._name_layers()
        self._compute_all()
        self.restarted.emit()

    def _on_unreadable(self, error: Exception) -> None:
        self.problem = str(error)
        self.restarted.emit()
        if not isinstance(error, UserError):
            self.failed.emit(error)

    def _compute_all(self) -> None:
        if self.comparison is not None:
            shown = displayed_slice(self._viewer, self._layers[0])
            self._compute_first(reversed(nearest_first(range(len(self.comparison)), shown)))

    def _compute_first(self, slices: Iterable[int]) -> None:
        """Compute these slices before those that wait, the last of them first."""
        if self.comparison is not None:
            self._outdated.add(self.comparison, slices)
            self._computing.request((self.comparison, self._outdated))

    def _on_computed(self, changed: list[int]) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        if changed:
            self.figures_changed.emit(min(changed), max(changed))
        if self._outdated.has_some_of(comparison):
            self._computing.request((comparison, self._outdated))
            return
        thresholds = _thresholds_of(self._layers[0])
        if thresholds != comparison.thresholds:  # of which all figures are now
            comparison.thresholds = thresholds
            self.figures_changed.emit(0, len(comparison) - 1)
        if not comparison.has_neurons:
            self._rest.start()

    def _measure_neurons(self) -> None:
        if self.comparison is not None and not self.comparison.has_neurons:
            self._measuring.request(self.comparison)

    def _on_measured(self, _: None) -> None:
        if self.comparison is not None:
            self.figures_changed.emit(0, len(self.comparison) - 1)
        if not self._rest.isActive():
            self._measure_neurons()

    def _on_painted(self, event: Any) -> None:
        """Note the slices. napari reports a dab before its pixels are there; the throttle waits."""
        self._edited |= edited_slices(event)
        self._on_view_changed()

    def _on_view_changed(self) -> None:
        """Compare again soon: the brush moves, an edit was undone, or only the slider moved."""
        self._edits.throttle()

    def _on_edit_settled(self) -> None:
        edited, self._edited = self._edited, set()
        mask = self._layers[0]
        index = displayed_slice(self._viewer, mask) if mask is not None else None
        self._compute_first(edited if index is None else [*edited, index])

    def _on_data_changed(self) -> None:
        """Compare all slices again, or restart where the whole array was replaced."""
        mask, truth = self._layers
        pair = full_resolution(mask), full_resolution(truth)
        if self.comparison is not None and self.comparison.is_of(*pair):
            _note_origin(self.comparison, mask)
            self._compute_all()
        else:
            self._restart()

    def _name_layers(self, _: object = None) -> None:
        mask, truth = self._layers
        if self.comparison is not None:
            self.comparison.predicted_name, self.comparison.truth_name = mask.name, truth.name


class _Outdated:
    """The slices of a comparison to compute, shared with the thread that does it."""

    def __init__(self) -> None:
        self._comparison: Comparison | None = None
        self._slices: dict[int, None] = {}  # the last is the most urgent

    def add(self, comparison: Comparison, slices: Iterable[int]) -> None:
        """Have these slices computed before the others, the last of them first."""
        if comparison is not self._comparison:
            self._comparison, self._slices = comparison, {}
        for index in slices:
            self._slices.pop(index, None)
            self._slices[index] = None

    def has_some_of(self, comparison: Comparison) -> bool:
        """Whether slices of a comparison are still to be computed."""
        return comparison is self._comparison and bool(self._slices)

    def take(self, comparison: Comparison) -> int | None:
        """Take the most urgent slice of a comparison; None where there is none."""
        return self._slices.popitem()[0] if self.has_some_of(comparison) else None


def _open(request: tuple[Labels, Labels, Image | None, int | None]) -> Comparison:
    """Read how the values of two layers are meant, and begin to compare them."""
    mask, truth, image, border = request
    if reading_of(mask).convention == LabelConvention.INSTANCES:
        raise UserError(
            f"The layer '{mask.name}' holds ids of cells, not a mask of membrane.",
            "Choose a mask; the command napari-unet evaluate judges a file of ids.",
        )
    model = mask.metadata.get(MODEL_KEY)
    borders = borders_of([Path(model)] if model else [])
    comparison = Comparison(
        full_resolution(mask),
        full_resolution(truth),
        mask.name,
        truth.name,
        reading_of(truth, borders if border is None else replace(borders, width=border)),
        None if image is None else full_resolution(image),
        layer_classes(mask),
    )
    _note_origin(comparison, mask)
    comparison.thresholds = _thresholds_of(mask)
    return comparison


def _note_origin(comparison: Comparison, mask: Labels) -> None:
    """Note which slices the mask's model was trained on, and which it has not predicted yet."""
    comparison.trained, comparison.unpredicted = trained_slices(mask), unpredicted_slices(mask)


def _thresholds_of(mask: Labels) -> dict[str, float]:
    """Find the thresholds that Predict decided a mask by, by the names of classes."""
    if layer_classes(mask):
        return layer_thresholds(mask)
    threshold = mask.metadata.get(THRESHOLD_KEY)
    return {} if threshold is None else {MEMBRANE_NAME: float(threshold)}


def _compute(request: tuple[Comparison, _Outdated]) -> list[int]:
    """Compute slices for a while, and list those whose figures changed."""
    comparison, outdated = request
    end, changed = time.monotonic() + COMPUTING_SECONDS, []
    while time.monotonic() < end and (index := outdated.take(comparison)) is not None:
        if comparison.update(index):
            changed.append(index)
    return changed


def _measure_neurons(comparison: Comparison) -> None:
    comparison.update_neurons(COMPUTING_SECONDS)
