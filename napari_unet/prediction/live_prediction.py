"""A prediction that fills up slice by slice, and is thresholded anew without predicting."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from training.stacks.stack_axes import as_stack

if TYPE_CHECKING:
    from napari_unet.prediction.predictor import Predictor
from training.stacks.scaling import Scaling

IN_MEMORY_BYTES = 2**30
LOWER_PRIORITY = 10


class LivePrediction:
    """Probability and mask of a stack.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X), or (Y, X) of a single image.
    threshold : float
        Probability from which on a pixel is membrane.

    Attributes
    ----------
    probability : array of float32, of ``shape``
        0 where nothing was predicted yet.
    mask : array of uint8, of ``shape``
        1 = membrane. A person may paint on it; see :meth:`keep`.
    """

    def __init__(self, shape: tuple[int, ...], threshold: float) -> None:
        self.threshold = threshold
        self.probability = allocate(shape, np.float32)
        self.mask = allocate(shape, np.uint8)
        self._probabilities = self.probability.reshape((-1, *shape[-2:]))
        self._masks = self.mask.reshape((-1, *shape[-2:]))
        self._predicted: set[int] = set()
        self._kept: set[int] = set()

    def __len__(self) -> int:
        return len(self._masks)

    def has(self, index: int) -> bool:
        """Whether a slice was predicted."""
        return index in self._predicted

    @property
    def predicted_slices(self) -> list[int]:
        """Slices that were predicted so far."""
        return sorted(self._predicted)

    @property
    def kept_slices(self) -> list[int]:
        """Slices that were corrected by hand."""
        return sorted(self._kept)

    def store(self, index: int, probability: NDArray[np.float32]) -> None:
        """Take the prediction of a slice (Y, X)."""
        self._probabilities[index] = probability
        self._predicted.add(index)
        self.threshold_slice(index)

    def keep(self, indices: Iterable[int]) -> None:
        """Leave the mask of these slices as it is, for somebody corrected it by hand."""
        self._kept.update(indices)

    def release(self) -> None:
        """Let the threshold decide all slices again."""
        self._kept.clear()

    def threshold_slice(self, index: int) -> None:
        """Mask of a slice from its probability, unless it is kept or not predicted yet."""
        if index in self._predicted and index not in self._kept:
            membrane = self._masks[index].view(np.bool_)
            np.greater_equal(self._probabilities[index], self.threshold, out=membrane)

    def threshold_all(self) -> float:
        """Mask of all slices; gives up when the threshold is changed meanwhile.

        Returns
        -------
        threshold : float
            That it was done with.
        """
        threshold = self.threshold
        for index in sorted(self._predicted):
            if self.threshold != threshold:
                break
            self.threshold_slice(index)
        return threshold


def predict_slices(
    model: Path,
    stack: Any,
    indices: Iterable[int],
    prediction: LivePrediction,
    tta: bool = False,
) -> Iterator[int]:
    """Predict slices into ``prediction``; yields the index of each when it is there.

    Parameters and errors as :class:`StackPrediction`; ``indices`` are taken in their order.
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
        Of any real dtype; dask arrays will do.
    prediction : LivePrediction
        Takes what is predicted.
    tta : bool
        As of :class:`prediction.Predictor`.
    """

    def __init__(
        self, model: Path, stack: Any, prediction: LivePrediction, tta: bool = False
    ) -> None:
        self._model, self._tta = model, tta
        self._slices = as_stack(stack)
        self._prediction = prediction
        self._scaling: Scaling | None = None
        self._executor = ThreadPoolExecutor(1, "prediction", initializer=lower_priority)

    def predict(self, index: int) -> int:
        """Predict a slice; returns its index when it is there.

        Raises
        ------
        UserError
            If the model can't be used, or pixels are NaN or infinite.
        """
        return self._executor.submit(self._predict, index).result()

    def close(self) -> None:
        """Let go of the thread, once its slice is done."""
        self._executor.shutdown(wait=False)

    def _predict(self, index: int) -> int:
        predictor = _load(self._model, self._tta)
        if self._scaling is None:
            self._scaling = predictor.card.scaling.for_stack(self._slices)
        image = np.asarray(self._slices[index])
        self._prediction.store(index, predictor.predict_slice(image, self._scaling))
        return index

    def __enter__(self) -> StackPrediction:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _load(model: Path, tta: bool) -> Predictor:
    from training.runs.run_directory import RunDirectory

    file = RunDirectory(model).model_file if model.is_dir() else model
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return _load_once(model, changed, tta)


@lru_cache(maxsize=1)
def _load_once(model: Path, changed: int, tta: bool) -> Predictor:
    """``changed`` is there so that a model that trained on is loaded anew."""
    from napari_unet.prediction.predictor import load_predictor

    return load_predictor(model, tta=tta, is_parallel=False)


def lower_priority() -> None:
    """Of this thread, and of those that a library starts in it. Linux only knows threads'."""
    if hasattr(os, "setpriority"):
        identity = threading.get_native_id()
        lowered = os.getpriority(os.PRIO_PROCESS, identity) + LOWER_PRIORITY
        os.setpriority(os.PRIO_PROCESS, identity, min(lowered, 19))


def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros; large ones in a file without a name, so that memory is not needed for all."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return np.memmap(file, dtype, mode="r+", shape=shape)
