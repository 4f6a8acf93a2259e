"""Work beside a window, which stays smooth."""

from __future__ import annotations

import os
import threading

LOWER_PRIORITY = 10


def lower_priority() -> None:
    """Lower the priority of the current thread and of threads started from it (Linux)."""
    if hasattr(os, "setpriority"):
        identity = threading.get_native_id()
        lowered = os.getpriority(os.PRIO_PROCESS, identity) + LOWER_PRIORITY
        os.setpriority(os.PRIO_PROCESS, identity, min(lowered, 19))
