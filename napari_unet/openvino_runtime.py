"""OpenVINO, imported where it is used, for that takes a while; two habits of its own mended."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

_first_inference = threading.Lock()
_is_first_over = False


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
