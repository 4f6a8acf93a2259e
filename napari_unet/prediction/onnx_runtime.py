"""Networks computed by ONNX Runtime, imported where it is used: an extra, for other devices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError, raise_interrupt

INSTALL = "pip install 'napari-unet-mindspore[onnxruntime]'"


class Provider(NamedTuple):
    """ONNX Runtime's name of what computes, what is installed for it, and its options."""

    name: str
    package: str
    options: dict[str, str]


# By the device that a person names.
PROVIDERS = {
    "cpu": Provider("CPUExecutionProvider", "onnxruntime", {}),
    # TensorFloat-32 would round to 10 bits.
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", {"use_tf32": "0"}),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime on macOS", {}),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", {}),
    "cann": Provider("CANNExecutionProvider", "onnxruntime-cann", {}),
}


class OnnxRuntimeEngine:
    """A network of ONNX Runtime, see :func:`napari_unet.prediction.engine.start_engine`.

    A device computes all of it or is refused: none of it falls back to the CPU.
    """

    parallel = 1  # one tile takes all cores, or the device
    precision = "f32"

    def __init__(self, content: bytes, device: str, precision: str, threads: int) -> None:
        runtime = _import_runtime()
        provider = _find_provider(runtime, device)
        if precision == "bf16":
            raise UserError("ONNX Runtime computes in f32.", "Leave --precision out.")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what goes wrong is raised
        if provider is not PROVIDERS["cpu"]:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            self._session = runtime.InferenceSession(
                content, options, providers=[(provider.name, provider.options)]
            )
        except Exception as error:  # of a class that it does not export
            if provider is PROVIDERS["cpu"]:
                raise RuntimeError(str(error)) from error
            raise UserError(
                f"ONNX Runtime can't compute this network on {device}: the device, its libraries "
                "or an operation are missing.",
                f"See what {provider.package} needs, or choose another device.",
            ) from error
        self._session.disable_fallback()
        self._input = self._session.get_inputs()[0].name

    def compute(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the probability (1, 1, Y', X') of a tile (1, 1, Y, X), both of float32.

        Raises
        ------
        RuntimeError
            If ONNX Runtime can't.
        """
        try:
            return np.asarray(self._session.run(None, {self._input: tile})[0])
        except Exception as error:  # of a class that it does not export
            raise_interrupt(error)
            raise RuntimeError(str(error)) from error


def list_devices() -> list[str]:
    """List the devices that the installed ONNX Runtime has providers for; none without it."""
    try:
        available = _import_runtime().get_available_providers()
    except UserError:
        return []
    return [device for device, provider in PROVIDERS.items() if provider.name in available]


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError("ONNX Runtime is not installed.", f"Install it: {INSTALL}.") from None
    return onnxruntime


def _find_provider(runtime: Any, device: str) -> Provider:
    provider = PROVIDERS.get(device.lower())
    if provider is None:
        raise UserError(
            f"There is no device {device} for ONNX Runtime.",
            f"Choose one of: {', '.join(PROVIDERS)}.",
        )
    if provider.name not in runtime.get_available_providers():
        raise UserError(
            f"This ONNX Runtime has no {provider.name}, which {device} needs.",
            f"Install {provider.package} in its place, or choose another device.",
        )
    return provider
