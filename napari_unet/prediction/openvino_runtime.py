"""Networks computed by OpenVINO, imported where it is used; two of its habits are mended."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import queue
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically

_first_inference = threading.Lock()
_is_first_over = False
ALLOWED_INSTRUCTIONS = "ONEDNN_MAX_CPU_ISA"  # of the processor's; read by OpenVINO
KEPT = 8  # compiled models: of compact 2 MB each, of medical 120 MB
DIGEST_BYTES = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)


def import_openvino() -> Any:
    """OpenVINO, kept from telling its maker of every import.

    Its conversion tools, imported with it, do that through the package ``openvino_telemetry``,
    and do without where that can't be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVinoEngine:
    """A network compiled by OpenVINO, see :func:`napari_unet.prediction.engine.start_engine`."""

    def __init__(
        self, content: bytes, device: str, precision: str, is_parallel: bool, threads: int
    ) -> None:
        core = import_openvino().Core()
        device = _check_device(core, device)
        # Compiled for any size of tile: as fast as for one, measured on both presets.
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "THROUGHPUT" if is_parallel else "LATENCY",
        }
        if threads and device == "CPU":  # unpinned: processes would share cores
            options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        compiled, self.precision = _compile(core, content, device, precision, options)
        if (len(compiled.inputs), len(compiled.outputs)) != (1, 1):
            raise RuntimeError("it has not one input and one output")
        self.parallel = 1
        if is_parallel:
            self.parallel = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.parallel):
            self._requests.put(compiled.create_infer_request())

    def compute(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the probability (1, 1, Y', X') of a tile (1, 1, Y, X), both of float32.

        At most ``parallel`` of them at once.
        """
        request = self._requests.get()
        try:
            return infer(request, tile)
        finally:
            self._requests.put(request)


def list_devices() -> list[str]:
    """List the devices that OpenVINO computes on, by its names."""
    return list(import_openvino().Core().available_devices)


def _check_device(core: Any, device: str) -> str:
    if device.upper() not in core.available_devices:
        raise UserError(
            f"There is no device {device} for OpenVINO.",
            f"Choose one of: {', '.join(core.available_devices)}.",
        )
    return device.upper()


def _compile(
    core: Any, content: bytes, device: str, precision: str, options: dict[str, Any]
) -> tuple[Any, str]:
    """Compile a network in a precision, and say in which; for ``auto`` in bf16 where it can be.

    OpenVINO promises bf16 by the processor, and then fails where :data:`ALLOWED_INSTRUCTIONS` has
    less: MindSpore needs that variable, so a process that trains has it, and those that it starts.
    """
    exact = {**options, "INFERENCE_PRECISION_HINT": "f32"}
    if precision == "f32" or (precision == "auto" and not _promises_bf16(core, device)):
        return compile_network(core, content, device, exact), "f32"
    try:
        quick = {**options, "INFERENCE_PRECISION_HINT": "bf16"}
        return compile_network(core, content, device, quick), "bf16"
    except RuntimeError as error:
        compiled = compile_network(core, content, device, exact)  # raises if it is the network
        if precision == "auto":
            return compiled, "f32"
        raise UserError(
            f"OpenVINO can't compute in bf16 on this {device}.",
            f"Choose the precision auto or f32; where {ALLOWED_INSTRUCTIONS} is set, unset it.",
        ) from error


def _promises_bf16(core: Any, device: str) -> bool:
    return "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")


def infer(request: Any, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the output of a network of one input and one output.

    A process's first inference is over before the next begins: OpenVINO's Python functions set
    themselves up in their first call, and two threads in it at once wait for each other forever
    (one for Python's lock, the other for the set-up; 2 of 40 processes hung so).

    Parameters
    ----------
    request : openvino.InferRequest
    image : array (N, 1, H, W) of float32
        Scaled to [-1, 1].

    Returns
    -------
    array (N, 1, h, w) of float32
        Probability of membrane, 0..1.

    Raises
    ------
    RuntimeError
        If the network can't compute it.
    """
    global _is_first_over
    with nullcontext() if _is_first_over else _first_inference:
        output = np.array(request.infer({0: image}, share_inputs=True)[0])
        _is_first_over = True
    return output


def cache_folder() -> Path:
    """Where compiled models are kept, for this person on this system."""
    return Path(platformdirs.user_cache_dir("napari-unet")) / "openvino"


def compile_network(core: Any, content: bytes, device: str, options: dict[str, str]) -> Any:
    """Compile a network, or take it from the cache; a damaged one there is compiled again.

    OpenVINO's own cache takes a damaged file for a good one, and then computes wrong masks.

    Parameters
    ----------
    core : openvino.Core
    content : bytes
        Content of an ONNX file.
    device : str
        OpenVINO's name of it.
    options : dict
        OpenVINO's properties.

    Raises
    ------
    RuntimeError
        If OpenVINO can't read or compile it.
    """
    path = cache_folder() / f"{_key(core, content, device, options)}.blob"
    kept = _read_kept(path)
    if kept is not None:
        try:
            return core.import_model(kept, device, options)
        except RuntimeError as error:
            _log.warning("The compiled model %s is of no use: %s", path, error)
    compiled = core.compile_model(core.read_model(content), device, options)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        compiled.export_model(stream)
        blob = stream.getvalue()
        write_atomically(path, hashlib.sha256(blob).digest() + blob)
        _prune(path.parent)
    except (OSError, RuntimeError, UnwritableError) as error:
        _log.warning("Compiled models can't be kept in %s: %s", path.parent, error)
    return compiled


def _key(core: Any, content: bytes, device: str, options: dict[str, str]) -> str:
    """Name what a compiled model depends on."""
    chip, version = core.get_property(device, "FULL_DEVICE_NAME"), import_openvino().get_version()
    allowed = os.environ.get(ALLOWED_INSTRUCTIONS)
    digest = hashlib.sha256(
        f"{version} {device} {chip} {allowed} {sorted(options.items())}".encode()
    )
    digest.update(content)
    return digest.hexdigest()[:32]


def _read_kept(path: Path) -> Any:
    """Read a compiled model behind its SHA-256, as a tensor; None if it is missing or damaged."""
    try:
        kept = np.fromfile(path, np.uint8)
    except OSError:
        return None
    digest, blob = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
    if hashlib.sha256(blob.data).digest() != digest.tobytes():
        return None
    # A copy, which OpenVINO owns: the network reads from it as long as it computes.
    return import_openvino().Tensor(blob)


def _prune(folder: Path) -> None:
    """Keep the newest ones: every training makes a model of its own."""
    files = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
