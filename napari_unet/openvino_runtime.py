"""OpenVINO, which is imported where it is used, for it takes a while, and without telemetry."""

from __future__ import annotations

import sys
from typing import Any


def import_openvino() -> Any:
    """OpenVINO, kept from telling its maker of every import.

    Its conversion tools, imported with it, do that through the package ``openvino_telemetry``,
    and do without where that can't be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
