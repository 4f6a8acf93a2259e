"""How far a prediction on a server is, on the standard output."""

from __future__ import annotations

import sys

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.launchers.servers.predictions.record import (
    PredictionState,
    log_path,
    read_sentences,
)
from training.console import say
from training.runs.run_directory import RunDirectory


class PredictionDisplay:
    """Shows how far a prediction is on the standard output, and what else it printed."""

    def __init__(self, run: RunDirectory) -> None:
        self._log = log_path(run)
        self._shown = self._done = 0
        self._standing = ""
        self._bar: ProgressBar | None = None
        if sys.stdout.isatty():
            self._bar = ProgressBar(total=0, desc="Predicting", unit="slice", file=sys.stdout)

    def __enter__(self) -> PredictionDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, state: PredictionState) -> None:
        """Show a prediction as it is now."""
        sentences, self._shown = read_sentences(self._log, self._shown)
        for sentence in sentences:
            self.say(sentence)
        if state.standing not in ("", self._standing):
            self._standing = state.standing
            self.say(state.standing)
        if state.done == self._done:
            return
        self._done = state.done
        if self._bar is None:
            say(f"{state.done} of {state.total} slices, {state.text}")
        else:
            self._bar.total, self._bar.n = state.total, state.done
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        with ProgressBar.external_write_mode(file=sys.stdout):
            say(text)
