"""Results of predictions on servers that have come home, added to the viewer as layers."""

from __future__ import annotations

import re
from functools import partial

from napari import Viewer
from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.plugin_layers import THRESHOLD_KEY, add_mask, add_probability
from napari_unet.layers.slices import full_resolution
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
        image = image_of_stack(self._viewer, results.stack, results.shape)
        if image is None:
            self.told.emit(f"{said}. Its stack isn't open: press Open to see the mask alone.")
        else:
            self.told.emit(f"{said}. {self._show(results, image)}")

    def _on_read(self, results: PredictionResults) -> None:
        image = image_of_stack(self._viewer, results.stack, results.shape)
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

    def _layers_of(self, run: RunDirectory) -> list[Layer]:
        key = str(run.path)
        return [layer for layer in self._viewer.layers if layer.metadata.get(_RUN_KEY) == key]

    def _add(self, results: PredictionResults, image: Image | None) -> list[Layer]:
        shape = results.mask.shape if image is None else full_resolution(image).shape
        name = _name(results.stack) if image is None else image.name
        layers: list[Layer] = []
        if results.probability is not None:
            data = results.probability.reshape(shape)
            place = results.place
            layers.append(
                add_probability(self._viewer, data, image, f"{name} probability", **place)
            )
        data = results.mask.reshape(shape)
        mask = add_mask(self._viewer, data, image, f"{name} mask", **results.place)
        mask.metadata[THRESHOLD_KEY] = results.threshold
        layers.append(mask)
        for layer in layers:
            layer.metadata[_RUN_KEY] = str(results.run.path)
        return layers


def _read_if_any(run: RunDirectory, said: str) -> tuple[PredictionResults | None, str]:
    return (read_results(run) if results_here(run) else None), said


def _name(stack: str) -> str:
    """Name layers after a stack that isn't open."""
    name = re.split(r"[/\\]", stack.rstrip("/\\"))[-1]
    return line(f"{name:.{_MOST_LETTERS}}")
