"""How many faults and inputs the suite tries."""

from __future__ import annotations

import os

VARIABLE = "NAPARI_UNET_FAULTS"


def scaled(count: int) -> int:
    """``count`` in the ordinary test run, and as often again as ``NAPARI_UNET_FAULTS`` says."""
    return max(1, round(count * float(os.environ.get(VARIABLE, "1"))))
