"""Results of predictions on servers that have come home, added to the viewer as layers."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.class_layers import CLASS_THRESHOLDS_KEY
from napari_unet.layers.plugin_layers import (
    MODEL_KEY,
    THRESHOLD_KEY,
    add_class_labels,
    add_mask,
    add_probability,
    placement,
)
from napari_unet.layers.slices import full_resolution, stack_shape, translation_to
from napari_unet.layers.stack_names import image_of_stack
from napari_unet.runs.prediction_results import PredictionResults, read_results, results_here
from napari_unet.text import line
from napari_unet.widgets.common.background import run_in_thread
from training.runs.run_directory import RunDirectory

# In the metadata of a layer of a result: the folder of its prediction.
_RUN_KEY = "prediction"
_MOST_LETTERS = 99


class ShownResults(QObject):
    """Adds the mask of a prediction to a viewer, and its probability if that came home too.

    Parameters
    ----------
    viewer : Viewer
        Gets the layers.
    """

    told = Signal(str)
    failed = Signal(object)  # the exception

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer

    def show_over_stack(self, run: RunDirectory, said: str) -> None:
        """Add what was just fetched over its stack, where that is open; else say how to see it.

        Parameters
        ----------
        said : str
            What was told of it, which the sentence goes on with.
        """
        run_in_thread(partial(_read_if_any, run, said), self._on_fetched, self.failed.emit)

    def open(self, run: RunDirectory) -> None:
        """Add the results of a prediction, over its stack or, where that isn't open, alone."""
        run_in_thread(partial(read_results, run), self._on_read, self.failed.emit)

    def _on_fetched(self, fetched: tuple[PredictionResults | None, str]) -> None:
        results, said = fetched
        if results is None:
            return
        image = self._image_of(results)
        if image is None:
            self.told.emit(f"{said}. Its stack isn't open: press Open to see the mask alone.")
        else:
            self.told.emit(f"{said}. {self._show(results, image)}")

    def _on_read(self, results: PredictionResults) -> None:
        image = self._image_of(results)
        self.told.emit(self._show(results, image))

    def _show(self, results: PredictionResults, image: Image | None) -> str:
        """Add the layers, unless they are there, and say so."""
        former = self._layers_of(results.run)
        layers = former or self._add(results, image)
        self._viewer.layers.selection = layers
        name = line(layers[-1].name)
        if former:
            return f"'{name}' is open already."
        return f"'{name}' is added, over '{line(image.name)}'." if image else f"'{name}' is added."

    def _image_of(self, results: PredictionResults) -> Image | None:
        return image_of_stack(self._viewer, results.stack, results.shape, results.corner)

    def _layers_of(self, run: RunDirectory) -> list[Layer]:
        key = str(run.path)
        return [layer for layer in self._viewer.layers if layer.metadata.get(_RUN_KEY) == key]

    def _add(self, results: PredictionResults, image: Image | None) -> list[Layer]:
        name = _name(results.stack) if image is None else image.name
        over, place = image, results.place
        if image is not None and results.shape != stack_shape(image):
            over, place = None, _place_in(image, results)
        shape = results.mask.shape if over is None else full_resolution(over).shape
        if place.get("scale") is not None and len(place["scale"]) > len(shape):
            shape = (1,) * (len(place["scale"]) - len(shape)) + shape
        mask = results.mask.reshape(shape)
        layers: list[Layer] = []
        if results.probability is not None:
            data = results.probability.reshape(shape)
            layers.append(add_probability(self._viewer, data, over, f"{name} probability", **place))
        layers.append(self._add_mask(results, mask, over, name, place))
        for layer in layers:
            layer.metadata[_RUN_KEY] = str(results.run.path)
        return layers

    def _add_mask(
        self,
        results: PredictionResults,
        data: Any,
        over: Image | None,
        name: str,
        place: dict[str, Any],
    ) -> Labels:
        if results.classes:
            about = f"{name} classes", results.classes
            classes = add_class_labels(self._viewer, data, over, *about, **place)
            classes.metadata[MODEL_KEY] = ""  # that of the server
            classes.metadata[CLASS_THRESHOLDS_KEY] = results.class_thresholds
            return classes
        mask = add_mask(self._viewer, data, over, f"{name} mask", **place)
        mask.metadata[THRESHOLD_KEY] = results.threshold
        return mask


def _place_in(image: Image, results: PredictionResults) -> dict[str, Any]:
    """Give the arguments that put a layer of a part of an image's stack where it lies in that."""
    corner = np.zeros(image.ndim)
    corner[-3:] = np.asarray(results.corner)[-image.ndim :]
    return placement(image) | {"translate": translation_to(image, corner)}


def _read_if_any(run: RunDirectory, said: str) -> tuple[PredictionResults | None, str]:
    return (read_results(run) if results_here(run) else None), said


def _name(stack: str) -> str:
    """Name layers after a stack that isn't open."""
    name = re.split(r"[/\\]", stack.rstrip("/\\"))[-1]
    return line(f"{name:.{_MOST_LETTERS}}")
