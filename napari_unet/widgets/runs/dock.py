"""The runs dock: all runs of a folder, and what can be done with them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout
from superqt import QElidingLabel

from napari_unet.exchange.model_export import export_model
from napari_unet.runs.prediction_list import list_prediction_rows
from napari_unet.runs.run_list import RunSummary, list_runs
from napari_unet.runs.run_titles import write_title
from napari_unet.runs.training_places import launcher_for
from napari_unet.settings import Settings, load_settings, remember
from napari_unet.text import line
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.dock import Dock, open_dock
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import confirm, plain_tooltip
from napari_unet.widgets.common.text_window import TextWindow
from napari_unet.widgets.files.save_dialog import file_stem
from napari_unet.widgets.runs.device_log import DeviceLogWindow
from napari_unet.widgets.runs.export_dialog import ExportModelDialog
from napari_unet.widgets.runs.predictions import PredictionFollower
from napari_unet.widgets.runs.results import ShownResults
from napari_unet.widgets.runs.table import RunsTable
from napari_unet.widgets.servers.login_question import offer_dialogs
from training.errors import UserError
from training.files.untrusted_files import read_document
from training.runs.run_directory import RunDirectory

_REFRESH_INTERVAL = 3000  # milliseconds


class RunsDock(Dock):
    """Look at runs, predict with them, export, resume and delete them.

    Parameters
    ----------
    napari_viewer : Viewer
        Viewer that opens the train and predict docks; napari passes it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        offer_dialogs()
        self._viewer = napari_viewer
        self._folder = Path()
        self._wanted = ""  # name of the run that is chosen when it is listed
        self._listing = LatestWork(self, _list, self._on_listed, self._on_unlisted)
        self._table = RunsTable()
        self._folder_label = QElidingLabel()
        self._folder_label.setTextFormat(Qt.TextFormat.PlainText)
        self._folder_label.setElideMode(Qt.TextElideMode.ElideLeft)
        self._choose = QPushButton("Folder…")
        self._choose.setToolTip("Choose the folder of the runs; new ones are made there too.")
        self._follower = PredictionFollower(self)
        self._results = ShownResults(napari_viewer, self)
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH_INTERVAL)
        self._is_listed = True
        self._lay_out()
        self._connect()
        self.refresh()
        self._timer.start()

    def choose(self, run: RunDirectory) -> None:
        """Choose a run of the list, as soon as it is there."""
        self._wanted = run.name
        self.refresh()

    def refresh(self) -> None:
        """Look again at the folder that new runs are made in: a project has its own."""
        self._listing.request(None)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self._folder_label, 1)
        row.addWidget(self._choose)
        layout = QVBoxLayout(self.content)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(row)
        layout.addWidget(self._table, 1)
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self._timer.timeout.connect(self._on_interval)
        self._choose.clicked.connect(self._on_folder_requested)
        self._table.curves_requested.connect(self._on_curves_requested)
        self._table.log_requested.connect(self._on_log_requested)
        self._table.config_requested.connect(self._on_config_requested)
        self._table.prediction_requested.connect(self._on_prediction_requested)
        self._table.stop_requested.connect(self._on_stop_requested)
        self._table.fetch_requested.connect(self._on_fetch_requested)
        self._table.results_requested.connect(self._on_results_requested)
        self._follower.changed.connect(self.refresh)
        self._follower.fetched.connect(self._results.show_over_stack)
        self._results.told.connect(self.message.tell)
        self._results.failed.connect(self.report)
        self._follower.told.connect(self.message.tell)
        self._follower.failed.connect(self.report)
        self._table.export_requested.connect(self._on_export_requested)
        self._table.resume_requested.connect(self._on_resume_requested)
        self._table.deletion_requested.connect(self._on_deletion_requested)
        self._table.renamed.connect(self._on_renamed)

    def _on_interval(self) -> None:
        chosen = self._table.chosen_run
        going_on = chosen is not None and chosen.is_prediction and chosen.is_running
        self._follower.follow(chosen.run if chosen is not None and going_on else None)
        if not self._listing.is_busy:
            self.refresh()

    def _on_listed(self, listed: tuple[Path, list[RunSummary]]) -> None:
        folder, runs = listed
        if folder != self._folder:
            self._folder = folder
            self._folder_label.setText(str(folder))
            self._folder_label.setToolTip(plain_tooltip(str(folder)))
        if not self._is_listed:
            self._is_listed = True
            self.message.tell("")
        self._table.show_runs(runs)
        if self._wanted and any(summary.run.name == self._wanted for summary in runs):
            self._table.choose(self._wanted)
            self._wanted = ""

    def _on_unlisted(self, error: Exception) -> None:
        """Say so once; the disk may come back."""
        if self._is_listed:
            self._is_listed = False
            self.report(error)

    def _on_folder_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the runs", str(self._folder))
        if folder:
            remember(Settings(runs_folder=folder))
            self.refresh()

    def _on_curves_requested(self, summary: RunSummary) -> None:
        open_dock(self._viewer, "Train").follow(summary.run)

    def _on_prediction_requested(self, summary: RunSummary) -> None:
        open_dock(self._viewer, "Predict").use_model(summary.run.path)

    def _on_resume_requested(self, summary: RunSummary) -> None:
        if summary.is_prediction:
            self._follower.resume(summary.run)
        else:
            open_dock(self._viewer, "Train").resume(summary.run)

    def _on_stop_requested(self, summary: RunSummary) -> None:
        name = line(summary.title)
        end = "now, and keeps nothing" if summary.is_prediction else "after its current step"
        self.message.tell(f"Asking '{name}' to end…")
        work = partial(_stop, summary.run, f"'{name}' ends {end}.")
        run_in_thread(work, self.message.tell, self.report)

    def _on_fetch_requested(self, summary: RunSummary) -> None:
        self._follower.fetch(summary.run)

    def _on_results_requested(self, summary: RunSummary) -> None:
        self._results.open(summary.run)

    def _on_export_requested(self, summary: RunSummary) -> None:
        dialog = ExportModelDialog(Path.cwd(), file_stem(summary.title), summary.title, self)
        if dialog.exec_():
            target = dialog.target
            work = partial(
                export_model, summary.run.path, target, dialog.description, overwrite=True
            )
            self.message.tell(f"Exporting {target.name}…")
            run_in_thread(work, self.message.tell, self.report)
        dialog.deleteLater()

    def _on_log_requested(self, summary: RunSummary) -> None:
        DeviceLogWindow(summary.run, self).show()

    def _on_config_requested(self, summary: RunSummary) -> None:
        try:
            text = read_document(summary.run.config)
        except (OSError, ValueError) as error:
            self.report(UserError(f"{summary.run.config} can't be read: {error}."))
            return
        TextWindow(f"Configuration of {summary.run.name}", text, self).show()

    def _on_renamed(self, summary: RunSummary, title: str) -> None:
        self.message.tell("")
        work = partial(write_title, summary.run, title)
        run_in_thread(work, self._on_changed, self.report)

    def _on_changed(self, _: None) -> None:
        self.refresh()

    def _on_deletion_requested(self, summary: RunSummary) -> None:
        run = summary.run
        if confirm(
            self,
            f"Delete '{run.name}'?",
            f"{run.path} is deleted, here and on its server, with the results that are there."
            if summary.is_prediction
            else f"{run.path} is deleted, with its model, its curves and its log.",
            "Delete",
        ):
            self.message.tell("")
            run_in_thread(lambda: _delete(run), self._on_changed, self.report)


def _list(_: None) -> tuple[Path, list[RunSummary]]:
    folder = Path(load_settings().runs_folder)
    return folder, [*list_runs(folder), *list_prediction_rows(folder)]


def _stop(run: RunDirectory, afterwards: str) -> str:
    launcher = launcher_for(run)
    try:
        launcher.stop(run)
    finally:
        launcher.close()
    return afterwards


def _delete(run: RunDirectory) -> None:
    launcher_for(run).cancel(run, delete=True)
