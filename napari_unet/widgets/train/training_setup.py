"""The way to a Python that trains, shown where trainings can't run on this computer yet."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from qtpy.QtCore import QCoreApplication, QObject, Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_unet.training_python.choice import find_training_python
from napari_unet.training_python.making import download_gigabytes, set_up
from napari_unet.training_python.uv_process import SetupProgress
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.common.messages import plain_label
from training.console import format_duration
from training.errors import UserError

_SET_UP = f"Set up training, {download_gigabytes():.1f} GB"
_MB = 1_000_000
_RUNNING: set[SetupTask] = set()  # one at most


class SetupTask(QObject):
    """Sets up training in a thread. It outlives the dock, and ends with the program."""

    progressed = Signal(object)  # SetupProgress
    ended = Signal(str)  # what became of it
    failed = Signal(Exception)

    def __init__(self) -> None:
        super().__init__()
        self._is_cancelled = threading.Event()
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.cancel)

    def start(self) -> None:
        """Begin, or go on where a former one ended."""
        _RUNNING.add(self)
        run_in_thread(self._work, self._on_ended, self._on_failed)

    def cancel(self) -> None:
        """End it soon; what was loaded is kept."""
        self._is_cancelled.set()

    def _work(self) -> str:
        with closing(set_up()) as progresses:
            for progress in progresses:
                if self._is_cancelled.is_set():
                    return "Cancelled: the next setup goes on where this one was."
                self.progressed.emit(progress)
        return "Training is set up."

    def _on_ended(self, outcome: str) -> None:
        _RUNNING.discard(self)
        self.ended.emit(outcome)

    def _on_failed(self, error: Exception) -> None:
        _RUNNING.discard(self)
        self.failed.emit(error)


class TrainingSetup(QWidget):
    """A button that sets up training, then its progress; takes no room where training can run.

    Attributes
    ----------
    obstacle : str
        Why no training can be started on this computer; empty where one can, as far as is known.
    message : MessageLine
        Why a setup failed.
    """

    obstacle_changed = Signal()
    ended = Signal(str)  # what became of a setup

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.obstacle = ""
        self.message = MessageLine()
        self._task: SetupTask | None = None
        self._is_here = True
        self._first: tuple[float, int] | None = None  # when loading began, and with how much
        self._text = plain_label()
        self._text.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._begin = QPushButton(_SET_UP)
        self._begin.setToolTip("Make a Python with MindSpore. That of napari stays as it is.")
        self._begin.clicked.connect(self._on_begin)
        self._cancel = QPushButton("Cancel setup")
        self._cancel.setToolTip("End the setup. The next one goes on where it was.")
        self._cancel.clicked.connect(self._on_cancel)
        self._lay_out()
        self._show()
        for task in _RUNNING:
            self._follow(task)

    def look(self) -> None:
        """Find out whether a training can run on this computer, in a thread."""
        run_in_thread(_find_obstacle, self._on_looked)

    def choose_place(self, is_here: bool) -> None:
        """Say whether a training is to run on this computer: else nothing is shown."""
        self._is_here = is_here
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._begin, 1)
        row.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._text, self.message):
            layout.addWidget(widget)
        layout.addLayout(row)

    def _show(self) -> None:
        is_running = self._task is not None
        if not is_running:
            self._text.setText(self.obstacle)
        for widget in (self._bar, self._cancel):
            widget.setVisible(is_running)
        self._begin.setVisible(not is_running)
        self.setVisible(self._is_here and (is_running or bool(self.obstacle)))

    def _on_looked(self, obstacle: str) -> None:
        self.obstacle = obstacle
        self._show()
        self.obstacle_changed.emit()

    def _on_begin(self) -> None:
        self.message.tell("")
        task = SetupTask()
        self._follow(task)
        task.start()

    def _follow(self, task: SetupTask) -> None:
        self._task, self._first = task, None
        task.progressed.connect(self._on_progressed)
        task.ended.connect(self._on_ended)
        task.failed.connect(self._on_failed)
        self._bar.setRange(0, 0)
        self._text.setText("Setting up training…")
        self._cancel.setEnabled(True)
        self._show()

    def _on_cancel(self) -> None:
        self._cancel.setEnabled(False)
        self._text.setText("Cancelling…")
        if self._task is not None:
            self._task.cancel()

    def _on_progressed(self, progress: SetupProgress) -> None:
        if not self._cancel.isEnabled():
            return
        self._bar.setRange(0, progress.total // _MB)
        self._bar.setValue(progress.done // _MB)
        self._text.setText(f"{progress.step}…{self._amount(progress)}")

    def _amount(self, progress: SetupProgress) -> str:
        """How much is loaded, and how long the rest takes at the pace so far."""
        if not progress.total:
            return ""
        now = time.monotonic()
        begin, before = self._first = self._first or (now, progress.done)
        text = f" {progress.done // _MB} of {progress.total // _MB} MB"
        if progress.done > before:
            left = (progress.total - progress.done) * (now - begin) / (progress.done - before)
            text += f", {format_duration(left)} left"
        return text

    def _on_ended(self, outcome: str) -> None:
        self._task = None
        self._show()
        self.ended.emit(outcome)
        self.look()

    def _on_failed(self, error: Exception) -> None:
        self._task = None
        self.message.tell_error(error)
        self._show()


def _find_obstacle() -> str:
    try:
        find_training_python()
    except UserError as error:
        return f"No training can run on this computer yet. {error.problem}"
    return ""
