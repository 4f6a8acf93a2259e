"""Work beside a window, which stays smooth."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

LOWER_PRIORITY = 10


def lower_priority() -> None:
    """Lower the priority of the current thread and of threads started from it, on Linux.

    Elsewhere threads have no priority of their own that a process's could be set as.
    """
    if sys.platform == "linux":
        identity = threading.get_native_id()
        with suppress(OSError):  # a container may forbid it
            lowered = os.getpriority(os.PRIO_PROCESS, identity) + LOWER_PRIORITY
            os.setpriority(os.PRIO_PROCESS, identity, min(lowered, 19))
