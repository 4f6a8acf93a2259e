"""A window with the log of a training, or of any of its devices, which follows what they write."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.servers.predictions.record import is_prediction, log_path
from napari_unet.runs.training_places import launcher_for
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import plain_label, report
from napari_unet.widgets.common.text_window import TextWindow
from training.errors import UserError
from training.files.untrusted_files import read_tail
from training.runs.run_directory import RunDirectory

_INTERVAL = 1500  # milliseconds
_NOTHING = "Nothing was printed yet."


class DeviceLogWindow(TextWindow):
    """Shows the end of a log. New lines are followed while the last line is in sight.

    Parameters
    ----------
    run : RunDirectory
        The run here, or the copy of a server's run.
    launcher : Launcher, optional
        Launcher of the run's place; its open connection is used.
    """

    def __init__(
        self, run: RunDirectory, parent: QWidget, launcher: Launcher | None = None
    ) -> None:
        is_training = not is_prediction(run)
        log = run.log if is_training else log_path(run)
        super().__init__(f"Log of {run.name}", read_tail(log) or _NOTHING, parent)
        self._run = run
        self._launcher = launcher_for(run, launcher)
        self._reading = LatestWork(self, self._text_of, self._on_read, self._on_unread)
        self._sources = QComboBox()
        if is_training:
            self._sources.addItem("Whole training", None)
        for rank in range(self._launcher.count_device_logs(run)):
            self._sources.addItem(f"Device {rank}" if is_training else "Prediction", rank)
        self._sources.setToolTip("Whose log is shown. Those on a server are fetched.")
        self._sources.currentIndexChanged.connect(lambda _: self._on_source_changed())
        self._state = plain_label()
        self._state.setWordWrap(True)
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL)
        self._timer.timeout.connect(self._on_interval)
        self._lay_out()
        self._timer.start()

    def choose(self, rank: int) -> None:
        """Show the log of a device."""
        self._sources.setCurrentIndex(self._sources.findData(rank))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(QLabel("Log of"))
        row.addWidget(self._sources)
        row.addWidget(self._state, 1)
        self.insert_row(row)

    def _on_source_changed(self) -> None:
        self.show_text("")
        self._state.setText("Fetching…")
        self._reading.request(self._sources.currentData())

    def _on_interval(self) -> None:
        if not self._reading.is_busy:
            self._reading.request(self._sources.currentData())

    def _text_of(self, rank: int | None) -> str:
        if rank is None:
            return read_tail(self._run.log)
        return read_tail(self._launcher.fetch_device_log(self._run, rank))

    def _on_read(self, text: str) -> None:
        self._state.clear()
        self.show_text(text or _NOTHING)

    def _on_unread(self, error: Exception) -> None:
        if isinstance(error, UserError):
            self._state.setText(f"{error} Trying again.")
            return
        self._timer.stop()
        report(error)
