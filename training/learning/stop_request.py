"""The request that a training ends: a signal, or a file in its run directory."""

from __future__ import annotations

import os
import signal
from types import FrameType

from training.devices.run_processes import on_hang_up, on_parent_death
from training.runs.run_directory import RunDirectory


class StopRequest:
    """Notes signals once it is made, and looks for the stop file.

    The signals are SIGTERM, SIGINT, the parent's death and a hang-up of the terminal, where the
    system has them: Windows has only the file. A second SIGTERM or SIGINT ends the process at
    once, as if there were no handler.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._has_signal = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        on_parent_death(self._on_loss)
        on_hang_up(self._on_loss)

    def is_requested(self) -> bool:
        """Return whether a signal came or the file is there."""
        return self._has_signal or os.access(self._run.stop_request, os.F_OK)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._has_signal = True
        signal.signal(number, signal.SIG_DFL)

    def _on_loss(self, number: int, frame: FrameType | None) -> None:
        self._has_signal = True
