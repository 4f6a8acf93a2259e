"""Predicting slices of a stack beside a window, in the order that they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.thread_priority import lower_priority
from napari_unet.settings import load_settings
from training.formats.pixel_size import resampling_zoom
from training.masks.result_warnings import size_hint, size_warning
from training.model.slice_view import SliceView
from training.model.stack_scale import card_for, size_of_training
from training.runs.run_directory import RunDirectory
from training.stacks.intensities import Membranes
from training.stacks.stack_axes import as_stack
from training.stacks.windows import Window

if TYPE_CHECKING:
    from napari_unet.prediction.predictor import Predictor
    from training.formats.pixel_size import PixelSize
    from training.model.model_card import ModelCard


def predict_slices(
    model: Path,
    stack: Any,
    indices: Iterable[int],
    prediction: LivePrediction,
    tta: bool = False,
    pixel_size: PixelSize | None = None,
    resample: bool = False,
    window: Window | None = None,
    membranes: Membranes = Membranes.AUTO,
) -> Iterator[int]:
    """Predict slices into ``prediction``, in the order of ``indices``.

    Parameters and errors as :class:`StackPrediction`.

    Yields
    ------
    index : int
        Called with each slice, when it is there.
    """
    options = tta, pixel_size, resample, window, membranes
    with StackPrediction(model, stack, prediction, *options) as work:
        for index in indices:
            yield work.predict(index)


class StackPrediction:
    """Predicts single slices of a stack, and loads the model with the first.

    The network is computed by what the settings say. The work is done in a thread of its own at a
    lower priority, so that a window beside it stays smooth. Use it in a ``with`` statement, or
    close it.

    Parameters
    ----------
    model : Path
        Folder of a run, or an ONNX file.
    stack : array (Z, Y, X) or (Y, X)
        Intensities of any real dtype. May be a dask array.
    prediction : LivePrediction
        Gets what is predicted.
    tta : bool
        As of :class:`predictor.Predictor`.
    pixel_size : PixelSize or None
        The stack's, if it is known.
    resample : bool
        Predict at the pixel size of the model's training.
    window : tuple of range or None
        Rows and columns that ``prediction`` has; None: all.
    membranes : Membranes
        As of :meth:`training.stacks.scaling.Scaling.for_stack`.
    """

    def __init__(
        self,
        model: Path,
        stack: Any,
        prediction: LivePrediction,
        tta: bool = False,
        pixel_size: PixelSize | None = None,
        resample: bool = False,
        window: Window | None = None,
        membranes: Membranes = Membranes.AUTO,
    ) -> None:
        self._model, self._tta = model, tta
        self._pixel_size, self._resample = pixel_size, resample
        self._view = SliceView(window=window)
        self._membranes = membranes
        self._slices = as_stack(stack)
        self._prediction = prediction
        self._card: ModelCard | None = None
        self._trained: list[int] | None = None
        self._executor = ThreadPoolExecutor(1, "prediction", initializer=lower_priority)

    def predict(self, index: int) -> int:
        """Predict a slice, and return its index when it is there.

        Raises
        ------
        UserError
            If the model can't be used, pixels are NaN or infinite, or the stack can't be resampled.
        """
        return self._executor.submit(self._predict, index).result()

    def close(self) -> None:
        """Let the thread end, once its slice is done."""
        self._executor.shutdown(wait=False)

    def _predict(self, index: int) -> int:
        predictor = _load(self._model, self._tta)
        if self._card is None:
            shown = self._prediction
            card, shown.note, shown.stack_warning = card_for(
                predictor.card, self._slices, self._membranes
            )
            self._choose_scale(predictor.card)
            self._trained = predictor.card.trained_slices(self._slices)
            self._card = card
        image = np.asarray(self._slices[index])
        is_trained = None if self._trained is None else index in self._trained
        probability = predictor.predict_slice(image, self._card, self._view)
        self._prediction.store(index, probability, is_trained)
        return index

    def _choose_scale(self, card: ModelCard) -> None:
        """Resample if that is wanted; else add to the warning what speaks for it."""
        size = self._pixel_size
        if self._resample:
            trained = size_of_training(card, self._model)
            self._view = replace(self._view, zoom=resampling_zoom(trained, size, "this image"))
            return
        hint = size_hint(card.pixel_size, size, "If they differ, record it in the file.")
        texts = (
            self._prediction.stack_warning,
            size_warning(card.pixel_size, size, "Check the box that resamples."),
            f"Hint: {hint}" if hint else "",
        )
        self._prediction.stack_warning = " ".join(filter(None, texts))

    def __enter__(self) -> StackPrediction:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _load(model: Path, tta: bool) -> Predictor:
    file = RunDirectory(model).model_file if model.is_dir() else model
    changed = file.stat().st_mtime_ns if file.exists() else 0
    settings = load_settings()
    return _load_once(model, changed, tta, settings.engine, settings.device)


@lru_cache(maxsize=1)
def _load_once(model: Path, changed: int, tta: bool, engine: str, device: str) -> Predictor:
    """Load a model; ``changed`` differs after more training, so that it is loaded again."""
    from napari_unet.prediction.predictor import load_predictor

    return load_predictor(model, tta=tta, engine=engine, device=device, is_parallel=False)
