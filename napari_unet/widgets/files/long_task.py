"""Work of seconds in a thread, such as opening and saving: progress, time left, Cancel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QEventLoop, QObject, Qt, QThread, QTimer, Signal
from qtpy.QtWidgets import QApplication, QProgressDialog, QWidget

from napari_unet.text import line
from napari_unet.widgets.common.background import Progress, StoppedError, run_in_thread
from napari_unet.widgets.common.connections import when_deleted
from napari_unet.widgets.common.messages import TITLE

PATIENCE = 500  # milliseconds until progress is shown
INTERVAL = 100  # milliseconds between two of its changes; each may let Qt handle other events
_running: set[LongTask] = set()


class LongTask(QObject):
    """Does work in a thread; a small window shows how far it is, and cancels it.

    Parameters
    ----------
    title : str
        What is done, such as "Saving mask.tif".
    work : callable
        Is given its progress, to call after each part; must touch no widget and no layer's events.
    parent : QWidget or None
        Progress is shown before its window. The work is finished, although this is closed.
    what : str
        What a part of the work is called.
    """

    done = Signal(object)  # what ``work`` returned
    failed = Signal(Exception)
    ended = Signal()  # after either, or where a person cancelled it

    def __init__(
        self,
        title: str,
        work: Callable[[Progress], Any],
        parent: QWidget | None = None,
        what: str = "Slice",
    ) -> None:
        super().__init__()
        self._title, self._work = line(title), work
        self._progress = Progress(what)
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._show_progress)
        owner = QApplication.activeWindow() if parent is None else parent.window()
        self._window: QProgressDialog | None = QProgressDialog(
            f"{self._title}…", "Cancel", 0, 0, owner
        )
        self._window.setWindowTitle(TITLE)
        self._window.setMinimumDuration(PATIENCE)
        self._window.setAutoReset(False)
        self._window.canceled.connect(self._on_cancelled)
        when_deleted(self._window, self._on_window_deleted)

    def start(self) -> None:
        """Begin; the window of the program stays usable."""
        _running.add(self)
        self._show_progress()
        self._timer.start()
        run_in_thread(partial(self._work, self._progress), self._on_done, self._on_failed)

    def wait(self) -> None:
        """Begin, and return when it has ended; meanwhile the window is drawn, and no more."""
        if self._window is not None:
            self._window.setWindowModality(Qt.WindowModality.ApplicationModal)
        loop = QEventLoop()
        self.ended.connect(loop.quit)
        self.start()
        loop.exec_()

    def _show_progress(self) -> None:
        progress = self._progress
        if self._window is None or progress.is_stopped:
            return
        if text := progress.text():
            self._window.setMaximum(progress.total + 1)  # a file gets its name after its last slice
            self._window.setValue(progress.done)
            self._window.setLabelText(f"{self._title}…\n{text}")

    def _on_cancelled(self) -> None:
        self._progress.stop()

    def _on_window_deleted(self) -> None:
        self._window = None

    def _on_done(self, result: Any) -> None:
        self.done.emit(result)
        self._end()

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, StoppedError):
            self.failed.emit(error)
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        if self._window is not None:
            self._window.deleteLater()
        _running.discard(self)
        self.ended.emit()


def do_and_wait(title: str, work: Callable[[Progress], Any], what: str = "Slice") -> Any:
    """Do work for a caller that needs its result, as napari's menu does; None if it was cancelled.

    Parameters
    ----------
    title, work, what
        As of a :class:`LongTask`. Where there is no window the work is simply done.

    Raises
    ------
    Exception
        What ``work`` raises.
    """
    application = QApplication.instance()
    if application is None or QThread.currentThread() != application.thread():
        return work(Progress())
    results: list[Any] = []
    errors: list[Exception] = []
    task = LongTask(title, work, what=what)
    task.done.connect(results.append)
    task.failed.connect(errors.append)
    task.wait()
    if errors:
        raise errors[0]
    return results[0] if results else None
