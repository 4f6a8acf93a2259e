"""Predicting slices of a stack beside a window, in the order that they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.thread_priority import lower_priority
from training.masks.result_warnings import stack_warning
from training.runs.run_directory import RunDirectory
from training.stacks.stack_axes import as_stack

if TYPE_CHECKING:
    from napari_unet.prediction.predictor import Predictor
    from training.stacks.scaling import Scaling


def predict_slices(
    model: Path,
    stack: Any,
    indices: Iterable[int],
    prediction: LivePrediction,
    tta: bool = False,
) -> Iterator[int]:
    """Predict slices into ``prediction``, in the order of ``indices``.

    Parameters and errors as :class:`StackPrediction`.

    Yields
    ------
    index : int
        Called with each slice, when it is there.
    """
    with StackPrediction(model, stack, prediction, tta) as work:
        for index in indices:
            yield work.predict(index)


class StackPrediction:
    """Predicts single slices of a stack, and loads the model with the first.

    The work is done in a thread of its own at a lower priority, so that a window beside it
    stays smooth. Use it in a ``with`` statement, or close it.

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
    """

    def __init__(
        self, model: Path, stack: Any, prediction: LivePrediction, tta: bool = False
    ) -> None:
        self._model, self._tta = model, tta
        self._slices = as_stack(stack)
        self._prediction = prediction
        self._scaling: Scaling | None = None
        self._trained: list[int] | None = None
        self._executor = ThreadPoolExecutor(1, "prediction", initializer=lower_priority)

    def predict(self, index: int) -> int:
        """Predict a slice, and return its index when it is there.

        Raises
        ------
        UserError
            If the model can't be used, or pixels are NaN or infinite.
        """
        return self._executor.submit(self._predict, index).result()

    def close(self) -> None:
        """Let the thread end, once its slice is done."""
        self._executor.shutdown(wait=False)

    def _predict(self, index: int) -> int:
        predictor = _load(self._model, self._tta)
        if self._scaling is None:
            trained = predictor.card.scaling
            self._scaling = trained.for_stack(self._slices)
            self._prediction.stack_warning = stack_warning(trained, self._scaling)
            self._trained = predictor.card.trained_slices(self._slices)
        image = np.asarray(self._slices[index])
        is_trained = None if self._trained is None else index in self._trained
        self._prediction.store(index, predictor.predict_slice(image, self._scaling), is_trained)
        return index

    def __enter__(self) -> StackPrediction:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _load(model: Path, tta: bool) -> Predictor:
    file = RunDirectory(model).model_file if model.is_dir() else model
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return _load_once(model, changed, tta)


@lru_cache(maxsize=1)
def _load_once(model: Path, changed: int, tta: bool) -> Predictor:
    """Load a model; ``changed`` differs after more training, so that it is loaded again."""
    from napari_unet.prediction.predictor import load_predictor

    return load_predictor(model, tta=tta, is_parallel=False)
