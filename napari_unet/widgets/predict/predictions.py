"""The predictions in a viewer: made, found again, and forgotten with their layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.layer_search import prediction_over
from napari_unet.layers.plugin_layers import corrected_slices
from napari_unet.layers.slices import edited_slices
from napari_unet.settings import load_settings
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.predict.predicted_layers import PredictedLayers


class Predictions(QObject):
    """Holds the prediction of each image.

    Parameters
    ----------
    viewer : Viewer
        Where the layers of predictions are.
    """

    reading = Signal()  # what is there already; ``found`` follows
    found = Signal()
    forgotten = Signal(object)  # PredictedLayers whose layers are gone or have other data
    corrected = Signal()
    failed = Signal(Exception)  # a prediction that is there can't be read

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image: Image | None = None
        self._of_images: dict[Image, PredictedLayers] = {}
        self._events: dict[Image, Connections] = {}
        self._is_adding = self._is_reading = False
        self._search = LatestWork(self, _read, self._on_read, self._on_unread)
        events = Connections(self)
        events.add(viewer.layers.events.inserted, self._look)
        events.add(viewer.layers.events.removed, self._on_layer_removed)

    @property
    def is_looking(self) -> bool:
        """Whether the pixels of a prediction that was there already are being read."""
        return self._is_reading

    @property
    def current(self) -> PredictedLayers | None:
        """The prediction of the image that was looked at last."""
        return None if self._image is None else self._of_images.get(self._image)

    def look_at(self, image: Image | None) -> bool:
        """Find the layers of this image's prediction, now or when they are opened.

        Returns
        -------
        bool
            Whether it is another image than before.
        """
        if image == self._image:
            return False
        self._image = image
        self._look()
        return True

    def go_on(self, model: Path, threshold: float) -> PredictedLayers:
        """Have the image that is looked at predicted by this model from now on.

        What was predicted before is filled up; slices that a person corrected stay. Where there
        is nothing yet, empty layers are added, which follow ``threshold``, 0..1.

        Raises
        ------
        ValueError
            If no image is looked at.
        """
        if self._image is None:
            raise ValueError("No image is looked at.")
        old = self.current
        if old is None:
            self._is_adding = True
            try:
                new = PredictedLayers.add(self._viewer, self._image, model, threshold)
            finally:
                self._is_adding = False
        else:
            new = old.with_model(model)
        self._hold(new)
        self.protect_corrected(new)
        return new

    def protect_corrected(self, result: PredictedLayers) -> None:
        """Leave alone the slices that a person marked as right, or whose drop was undone."""
        result.prediction.protect_restored()
        result.prediction.protect_slices(corrected_slices(result.mask))
        self.corrected.emit()

    def _look(self, event: object = None) -> None:
        image, current = self._image, self.current
        if image is None or current is not None or self._is_adding:
            return
        layers = prediction_over(self._viewer, image)
        if layers is not None and PredictedLayers.can_go_on(image, *layers):
            self._is_reading = True
            self._search.request((image, *layers))
            self.reading.emit()

    def _on_read(self, result: PredictedLayers) -> None:
        is_there = all(layer in self._viewer.layers for layer in (result.image, *result.layers))
        if is_there and result.is_whole and result.image not in self._of_images:
            self._hold(result)
            self.protect_corrected(result)
        self._is_reading = False
        self.found.emit()

    def _on_unread(self, error: Exception) -> None:
        self._is_reading = False
        self.found.emit()
        self.failed.emit(error)

    def _hold(self, result: PredictedLayers) -> None:
        self._of_images[result.image] = result
        result.note_unpredicted()
        if result.image not in self._events:
            events = self._events[result.image] = Connections(self)
            events.add(result.mask.events.paint, self._on_painted)
            for layer in (result.image, *result.layers):
                events.add(layer.events.data, self._on_data_changed)

    def _on_painted(self, event: Any) -> None:
        for result in self._of_images.values():
            if event.source == result.mask:
                slices = edited_slices(event)
                result.prediction.protect_slices(slices)
                self.corrected.emit()

    def _on_data_changed(self, event: Any) -> None:
        self._forget([result for result in self._of_images.values() if not result.is_whole])
        self._look()

    def _on_layer_removed(self, event: Any) -> None:
        removed = event.value
        self._forget(
            [
                result
                for result in self._of_images.values()
                if removed == result.image or removed in result.layers
            ]
        )

    def _forget(self, results: list[PredictedLayers]) -> None:
        for result in results:
            del self._of_images[result.image]
            self._events.pop(result.image).clear()
            self.forgotten.emit(result)


def _read(layers: tuple[Image, Labels, Image]) -> PredictedLayers:
    return PredictedLayers.of(*layers, load_settings().threshold)
