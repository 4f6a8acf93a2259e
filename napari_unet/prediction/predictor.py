"""Prediction with a portable model, on OpenVINO, without MindSpore."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.model_check import read_card, read_onnx
from napari_unet.prediction.openvino_runtime import compile_network, import_openvino, infer
from napari_unet.prediction.portable_model import build_portable, portable_model
from training.errors import UserError
from training.model.model_card import ModelCard
from training.model.saved_model import WEIGHT_SUFFIXES
from training.model.slice_prediction import WHOLE, predict_slice
from training.model.slice_view import SliceView
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Slices, check_pixels

PRECISIONS = ("auto", "f32", "bf16")


class Predictor:
    """A loaded model, for one thread at a time.

    Parameters
    ----------
    model : Path
        An ONNX file that this package exported, or a checkpoint (``.safetensors``, or the zoo's
        ``.ckpt``).
    content : bytes or None
        What to take for the file's content; None: it is read.
    device : str
        OpenVINO's name of the device, such as CPU or GPU.
    precision : str
        ``f32``, ``bf16``, or ``auto``: bf16 where the processor computes in it. It takes half
        the time, and changed the Dice of ISBI's 30 slices by 0.00002.
    tta : bool
        Test-time augmentation: take the mean over flips and quarter turns, eight times the work.
    is_parallel : bool
        Predict several slices at once, each on some of the cores: the most slices a second.
        Else all cores work at one slice, which is there the soonest.

    Raises
    ------
    UserError
        If the file is not such a model, or there is no such device.
    """

    def __init__(
        self,
        model: Path,
        content: bytes | None = None,
        *,
        device: str = "CPU",
        precision: str = "auto",
        tta: bool = False,
        is_parallel: bool = True,
    ) -> None:
        openvino = import_openvino()

        core = openvino.Core()
        if content is None:
            content = _read_file(model)
        self.card = read_card(content, model)
        self.tta = tta
        device = _check_device(core, device)
        # Compiled for any size of tile: as fast as for one, measured on both presets.
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT" if is_parallel else "LATENCY",
            "INFERENCE_PRECISION_HINT": _precision(core, device, precision),
        }
        try:
            compiled = compile_network(core, content, device, options)
        except RuntimeError as error:
            raise _unusable(model) from error
        if (len(compiled.inputs), len(compiled.outputs)) != (1, 1):
            raise _unusable(model)
        self._model = model
        self._parallel = 1
        if is_parallel:
            self._parallel = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._parallel):
            self._requests.put(compiled.create_infer_request())

    def predict(
        self,
        stack: Slices,
        card: ModelCard | None = None,
        indices: Sequence[int] | None = None,
        view: SliceView = WHOLE,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Predict the probability of membrane slice by slice; few slices are in memory at a time.

        Parameters
        ----------
        stack : sequence of arrays (Y, X), or array (Z, Y, X)
            Intensities of any real dtype.
        card : ModelCard, optional
            How to predict; by default what the model's card says of such a stack.
        indices : sequence of int, optional
            The slices to predict, in this order; by default all.
        view : SliceView
            At which scale slices are predicted, and which part; by default all as it is.

        Yields
        ------
        index : int
            The slice's in the stack.
        probability : array (Y, X) of float32
            0..1, in the shape of the view's window, else of the slice.

        Raises
        ------
        UserError
            For NaN or infinite pixels, or if the model can't be used.
        """
        card = card or self.card.for_stack(stack)
        predict = partial(self._predict_slice, card, view=view)
        waiting: deque[tuple[int, Future[NDArray[np.float32]]]] = deque()
        with ThreadPoolExecutor(self._parallel) as executor:
            for index in range(len(stack)) if indices is None else indices:
                image = np.asarray(stack[index])
                check_pixels(image, f"Slice {index}")
                waiting.append((index, executor.submit(predict, image)))
                if len(waiting) > self._parallel:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)

    def predict_slice(
        self, image: NDArray[Any], card: ModelCard | None = None, view: SliceView = WHOLE
    ) -> NDArray[np.float32]:
        """Predict the probability (Y, X), float32 from 0 to 1, of one image (Y, X).

        It does so in the caller's thread. Parameters and errors as of :meth:`predict`.
        """
        check_pixels(image, "The image")
        return self._predict_slice(card or self.card.for_stack([image]), image, view)

    def _predict_slice(
        self, card: ModelCard, image: NDArray[Any], view: SliceView
    ) -> NDArray[np.float32]:
        return predict_slice(self._forward, image, card, self.tta, view)

    def _forward(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        request = self._requests.get()
        try:
            probability = infer(request, tile)
        except RuntimeError as error:
            raise _unusable(self._model) from error
        finally:
            self._requests.put(request)
        margin = 2 * self.card.geometry.margin
        expected = (1, 1, tile.shape[2] - margin, tile.shape[3] - margin)
        if probability.shape != expected or not np.isfinite(probability).all():
            raise _unusable(self._model)
        return probability


def _first(waiting: deque[tuple[int, Future[NDArray[np.float32]]]]) -> Any:
    index, future = waiting.popleft()
    return index, future.result()


def load_predictor(model: str | Path, **options: Any) -> Predictor:
    """The model of a run's folder, an ONNX file or a checkpoint; options as :class:`Predictor`.

    Raises
    ------
    UserError
        If there is no such file, the run has no model yet, or it can't be used.
    """
    path = Path(model)
    if not path.exists():
        raise UserError(
            f"There is no run or model {path}.", "Give a run's folder, model.onnx or a checkpoint."
        )
    if not path.is_dir():
        return Predictor(path, **options)
    run = RunDirectory(path)
    return Predictor(run.onnx, portable_model(run), **options)


def _read_file(path: Path) -> bytes:
    return build_portable(path) if path.suffix in WEIGHT_SUFFIXES else read_onnx(path)


def _unusable(path: Path) -> UserError:
    return UserError(
        f"{path} is a network that can't be used: it is damaged, or napari-unet did not make it.",
        "Give a model that napari-unet exported.",
    )


def _check_device(core: Any, device: str) -> str:
    if device.upper() not in core.available_devices:
        raise UserError(
            f"There is no device {device} for OpenVINO.",
            f"Choose one of: {', '.join(core.available_devices)}.",
        )
    return device.upper()


def _precision(core: Any, device: str, precision: str) -> str:
    if precision != "auto":
        return precision
    can_bf16 = "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return "bf16" if can_bf16 else "f32"
