"""Watches one run in a thread, and reports what is new to the window."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.launcher import Launcher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_progress import ProgressReader, RunProgress
from napari_unet.widgets.common.background import Worker
from napari_unet.widgets.common.connections import when_deleted
from napari_unet.widgets.common.messages import report
from training.errors import UserError
from training.runs.run_directory import RunDirectory

_POLL_SECONDS = 0.5


class RunWatcher(QObject):
    """Watches a run until its process has ended or :meth:`leave` is called."""

    progressed = Signal(object)  # RunProgress
    ended = Signal(object)  # RunProgress
    disturbed = Signal(object)  # UserError: the place can't be reached now; it is tried again

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._quit: threading.Event | None = None
        self._started: list[threading.Event] = []
        when_deleted(self, partial(_set_all, self._started))

    def watch(self, run: RunDirectory, launcher: Launcher) -> None:
        """Watch this run instead of any other."""
        self.leave()
        self._quit = threading.Event()
        self._started[:] = [self._quit]
        worker = Worker(_watch, RunFollower(run, launcher), self._quit)
        worker.yielded.connect(self._on_yielded)
        worker.errored.connect(report)
        worker.start()

    def leave(self) -> None:
        """Stop watching; the run goes on."""
        if self._quit is not None:
            self._quit.set()
            self._quit = None

    @property
    def is_watching(self) -> bool:
        """Whether there is a run that has not ended yet."""
        return self._quit is not None

    def _on_yielded(self, news: tuple[threading.Event, RunProgress | UserError]) -> None:
        source, what = news
        if source is not self._quit:
            return  # from a run that was left meanwhile
        if isinstance(what, UserError):
            self.disturbed.emit(what)
            return
        self.progressed.emit(what)
        if not what.is_running:
            self._quit = None
            self.ended.emit(what)


def _set_all(requests: list[threading.Event]) -> None:
    for request in requests:
        request.set()


def _watch(
    follower: RunFollower, quit_request: threading.Event
) -> Iterator[tuple[threading.Event, RunProgress | UserError]]:
    reader = ProgressReader(follower)
    is_first = True
    while True:
        try:
            if follower.update() or is_first:
                is_first = False
                yield quit_request, reader.read()
        except UserError as error:
            yield quit_request, error
        if follower.has_ended or quit_request.wait(_POLL_SECONDS):
            return
