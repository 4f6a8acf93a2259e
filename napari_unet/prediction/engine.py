"""What computes a network: OpenVINO, or ONNX Runtime, which knows other devices."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.onnx_runtime import OnnxRuntimeEngine, list_devices
from napari_unet.prediction.openvino_runtime import OpenVinoEngine
from training.resources.limits import threads_to_set

ENGINES = ("openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")


class Engine(Protocol):
    """A network of one input and one output, ready to be computed by several threads.

    Attributes
    ----------
    parallel : int
        How many tiles at once give the most tiles a second.
    precision : str
        In which it computes: ``f32`` or ``bf16``.
    """

    parallel: int
    precision: str

    def compute(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the output of a tile (N, 1, H, W), float32; a RuntimeError if it can't."""


def start_engine(
    name: str, content: bytes, device: str, precision: str, is_parallel: bool, threads: int = 0
) -> Engine:
    """Make a network ready.

    Parameters
    ----------
    name : str
        One of :data:`ENGINES`.
    content : bytes
        Content of an ONNX file.
    device : str
        For OpenVINO one of its names, such as cpu or gpu; for ONNX Runtime one of
        :data:`~napari_unet.prediction.onnx_runtime.PROVIDERS`.
    precision : str
        One of :data:`PRECISIONS`.
    is_parallel : bool
        For the most tiles a second; else each tile is there the soonest.
    threads : int
        Of the processor, all tiles together; 0: as many as this process may use cores.

    Raises
    ------
    UserError
        If the engine is not installed, or has no such device or precision.
    RuntimeError
        If it can't compute the network.
    """
    threads = threads or threads_to_set()
    if name == "openvino":
        return OpenVinoEngine(content, device, precision, is_parallel, threads)
    return OnnxRuntimeEngine(content, device, precision, threads)


def list_engines() -> list[tuple[str, str]]:
    """List what a window offers, engines with their devices: the default, then ONNX Runtime's."""
    return [("openvino", "cpu"), *(("onnxruntime", device) for device in list_devices())]
