"""How far a look at all slices, or their copying, is: the time left, and a way to stop it."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.common.message_line import MessageLine

INTERVAL = 200  # milliseconds between two looks at the progress
PATIENCE = 0.5  # seconds until progress is shown


class LookRow(QWidget):
    """A bar, the time left, and Stop, while there is something to wait for."""

    again_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ""
        self._progress: Progress | None = None
        self._bar, self._state = QProgressBar(), MessageLine()
        self._bar.setAccessibleName("Progress of the look at the neurons")
        self._stop, self._again = QPushButton("Stop"), QPushButton("Look again")
        self._stop.setToolTip("End this; operations done by then stay.")
        self._again.setToolTip("Look at the neurons of all slices, to mend them.")
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._show)
        self._stop.clicked.connect(self._on_stop)
        self._again.clicked.connect(self._on_again)
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._stop)
        row.addWidget(self._again)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._state)
        layout.addLayout(row)
        self.hide()

    def follow(self, title: str, progress: Progress) -> None:
        """Show progress from now on, where it takes long."""
        self.rest()
        self._title, self._progress = title, progress
        self._timer.start()

    def rest(self) -> None:
        """Show nothing."""
        self._timer.stop()
        self._progress = None
        self.hide()

    def offer_again(self) -> None:
        """Show that the first look was stopped, and a button that begins it again."""
        self.rest()
        self._state.tell("Stopped: neurons are mended once all slices were looked at.")
        self._take_apart(is_running=False)

    def _show(self) -> None:
        progress = self._progress
        if progress is None or progress.elapsed < PATIENCE:
            return
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        self._state.tell(f"{self._title}… {progress.text()}")
        self._take_apart(is_running=True)

    def _take_apart(self, *, is_running: bool) -> None:
        self._bar.setVisible(is_running)
        self._stop.setVisible(is_running)
        self._again.setVisible(not is_running)
        self.show()

    def _on_stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _on_again(self) -> None:
        self.rest()
        self.again_requested.emit()
