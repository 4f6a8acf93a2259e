"""OpenVINO, imported where it is used, for that takes a while; two habits of its own mended."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

_first_inference = threading.Lock()
_is_first_over = False
KEPT = 8  # compiled models: of compact 2 MB each, of medical 120 MB
_log = logging.getLogger(__name__)


def import_openvino() -> Any:
    """OpenVINO, kept from telling its maker of every import.

    Its conversion tools, imported with it, do that through the package ``openvino_telemetry``,
    and do without where that can't be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def infer(request: Any, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of a network of one input and one output.

    A process's first inference is over before the next begins: OpenVINO's Python functions set
    themselves up in their first call, and two threads in it at once wait for each other forever
    (one for Python's lock, the other for the set-up; 2 of 40 processes hung so).

    Parameters
    ----------
    request : openvino.InferRequest
    image : array (N, 1, H, W)

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


def compile_network(core: Any, network: Any, device: str, options: dict[str, str]) -> Any:
    """Compile a network, or take it from the cache; a cache that is of no use is passed over.

    Parameters
    ----------
    core : openvino.Core
    network : openvino.Model
    device : str
        OpenVINO's name of it.
    options : dict
        OpenVINO's properties.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        compiled = core.compile_model(network, device, {**options, "CACHE_DIR": str(folder)})
        _prune(folder)
    except (OSError, RuntimeError) as error:
        _log.warning("Compiled models in %s are of no use: %s", folder, error)
        return core.compile_model(network, device, options)
    return compiled


def _prune(folder: Path) -> None:
    """Keep the newest ones: every training makes a model of its own."""
    files = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
