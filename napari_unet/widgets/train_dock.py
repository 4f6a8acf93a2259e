"""The train dock: puts choosing, starting, following and ending of a training together."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from napari_unet.launching import Launcher, LocalLauncher, new_run_name
from napari_unet.preview_layer import PreviewLayer
from napari_unet.run_progress import RunProgress, failure, interruption
from napari_unet.runs import RunSummary, list_runs
from napari_unet.servers import launcher_for
from napari_unet.servers.host_keys import UnknownHostKeyError, accept_host_key
from napari_unet.servers.upload import Progress
from napari_unet.settings import load_settings, remember
from napari_unet.starting import start_training
from napari_unet.widgets.background import run_in_thread
from napari_unet.widgets.banner import Banner
from napari_unet.widgets.close_guard import CloseGuard, ask_to_leave
from napari_unet.widgets.connections import Connections
from napari_unet.widgets.dock import Dock
from napari_unet.widgets.messages import confirm, report
from napari_unet.widgets.place_choice import PlaceChoice
from napari_unet.widgets.run_buttons import RunButtons
from napari_unet.widgets.run_watcher import RunWatcher
from napari_unet.widgets.training_progress_view import TrainingProgressView
from napari_unet.widgets.training_setup_view import TrainingSetupView
from training.errors import UserError
from training.run_directory import RunDirectory

_MINIMUM_WIDTH = 330


class TrainDock(Dock):
    """Train a U-Net on layers or files, and watch it.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose layers are trained on; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        settings = load_settings()
        self._viewer = napari_viewer
        self._launcher: Launcher = LocalLauncher(Path(settings.runs_folder))
        self._run: RunDirectory | None = None
        self._is_stopping = False
        self._images: Image | None = None
        self._preview_layer = PreviewLayer(napari_viewer)
        self._banner = Banner()
        setup = TrainingSetupView(napari_viewer, settings.training)
        self._setup, self.data, self.form = setup, setup.data, setup.form
        self.form.open_advanced(settings.is_advanced_open)
        self._progress = TrainingProgressView(napari_viewer.theme, settings.is_loss_logarithmic)
        self.place = PlaceChoice()
        self._buttons = RunButtons()
        self._watcher = RunWatcher(self)
        self._guard = CloseGuard(self._may_close, self)
        self._lay_out()
        self._connect()
        run_in_thread(self._launcher.list_devices, self.form.set_devices)
        run_in_thread(lambda: list_runs(self._launcher.runs_folder), self._on_runs_listed)

    def follow(self, run: RunDirectory) -> None:
        """Watch a run that is going on, or show one that has ended."""
        self._run, self._is_stopping = run, False
        self._preview_layer.forget()
        self._banner.hide()
        self._launcher = launcher_for(run, self._launcher)
        self._buttons.show_busy()
        self._tabs.setCurrentIndex(1)
        self._watcher.watch(run, self._launcher)

    def resume(self, run: RunDirectory) -> None:
        """Go on with a run that ended before its time, and watch it."""
        self._buttons.show_busy()
        self._tabs.setCurrentIndex(1)
        self._progress.show_headline(f"Resuming <b>{run.name}</b>")
        run_in_thread(lambda: self._resumed(run), self.follow, self._on_refused)

    def _lay_out(self) -> None:
        self._tabs = QTabWidget()
        self._tabs.addTab(self._setup, "Set up")
        self._tabs.addTab(self._progress, "Progress")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._banner)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self.place)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(_MINIMUM_WIDTH)

    def _connect(self) -> None:
        self.form.advanced_toggled.connect(self._on_advanced_toggled)
        self._progress.curves.scale_changed.connect(self._on_scale_changed)
        self._progress.preview_requested.connect(self._on_preview_requested)
        self._buttons.start_requested.connect(self._on_start_requested)
        self._buttons.stop_requested.connect(self._on_stop_requested)
        self._buttons.cancel_requested.connect(self._on_cancel_requested)
        self._buttons.resume_requested.connect(self._on_resume_requested)
        self.place.upload_progressed.connect(self._on_upload_progressed)
        self._watcher.progressed.connect(self._on_progressed)
        self._watcher.ended.connect(self._on_ended)
        self._watcher.disturbed.connect(self._on_disturbed)
        Connections(self).add(self._viewer.events.theme, self._on_theme_changed)

    def _on_start_requested(self) -> None:
        try:
            data, config = self._setup.choices()
            settings = remember(training=self.form.values())
            self._launcher = self.place.launcher(Path(settings.runs_folder))
        except UserError as error:
            report(error)
            return
        self._images = self.data.images_layer
        name = new_run_name(config, self._launcher.runs_folder, datetime.now())
        self._buttons.show_busy()
        self._progress.show_headline(f"Starting <b>{name}</b>")
        run_in_thread(
            lambda: start_training(self._launcher, data, config, name),
            self.follow,
            self._on_refused,
        )

    def _on_refused(self, error: Exception) -> None:
        self._progress.show_headline("The training was not started.")
        self._buttons.show_ended(None)
        if not isinstance(error, UnknownHostKeyError):
            report(error)
        elif confirm(self, "Is this server what it says?", error.problem, "Accept its key"):
            accept_host_key(error)
            self._on_start_requested()

    def _on_upload_progressed(self, progress: Progress) -> None:
        percent = 100 * progress.done // max(1, progress.total)
        self._progress.show_headline(f"Uploading {progress.what}: {percent} %")

    def _on_stop_requested(self) -> None:
        run = self._run
        if run is None:
            return
        self._is_stopping = True
        self._show_stopping()
        run_in_thread(lambda: self._launcher.stop(run), lambda _: None, self._on_not_ended)

    def _show_stopping(self) -> None:
        self._buttons.show_stopping()
        self._progress.show_headline("Stopping after the current step")

    def _on_not_ended(self, error: Exception) -> None:
        report(error)
        if self._run is not None:
            self.follow(self._run)

    def _on_cancel_requested(self) -> None:
        run = self._run
        if run is None or not confirm(
            self,
            f"Cancel '{run.name}'?",
            "The training ends at once, and its model, curves and log are deleted.",
            "Cancel and delete",
        ):
            return
        self._buttons.show_busy()
        self._watcher.leave()
        run_in_thread(
            lambda: self._launcher.cancel(run, delete=True), self._on_cancelled, self._on_not_ended
        )

    def _on_cancelled(self, _: Any) -> None:
        self._run = None
        self._progress.show_headline("The training was cancelled, and its run deleted.")
        self._buttons.show_ended(None)

    def _on_resume_requested(self) -> None:
        if self._run is not None:
            self.resume(self._run)

    def _resumed(self, run: RunDirectory) -> RunDirectory:
        self._launcher = launcher_for(run, self._launcher)
        self._launcher.resume(run)
        return run

    def _on_progressed(self, progress: RunProgress) -> None:
        self._progress.show_progress(progress)
        if progress.preview is not None:
            self._preview_layer.show(progress.preview, self._images)
        if progress.is_running and self._is_stopping:
            self._show_stopping()
        elif progress.is_running:
            self._buttons.show_running()

    def _on_ended(self, progress: RunProgress) -> None:
        self._buttons.show_ended(progress.status)
        run = self._run
        if run is None:
            return
        if progress.status == "interrupted":
            self._banner.offer(interruption(run), "Resume", partial(self.resume, run))
        elif progress.status == "failed":
            report(failure(progress, run))
        else:
            show_info(f"{run.name} {progress.status}{progress.best_figure}")

    def _on_disturbed(self, error: UserError) -> None:
        self._progress.show_headline(f"{error} Trying again.")

    def _on_preview_requested(self) -> None:
        self._preview_layer.reveal(self._images)

    def _on_runs_listed(self, summaries: list[RunSummary]) -> None:
        """Offer to follow what was left running, or was interrupted unseen."""
        left = load_settings().followed_run
        for summary in summaries:
            run = summary.run
            if self._run is not None:
                return
            if summary.is_running:
                text = f"'{run.name}' is still training."
                self._banner.offer(text, "Follow", partial(self.follow, run))
                return
            if str(run.path) == left:
                text = f"'{run.name}', which was left running, is {summary.status} now."
                self._banner.offer(text, "Show", partial(self.follow, run))
        remember(followed_run="")

    def _on_advanced_toggled(self, is_open: bool) -> None:
        remember(is_advanced_open=is_open)

    def _on_scale_changed(self, is_logarithmic: bool) -> None:
        remember(is_loss_logarithmic=is_logarithmic)

    def _on_theme_changed(self, event: Any) -> None:
        self._progress.curves.set_theme(self._viewer.theme)

    def _may_close(self) -> bool:
        run = self._run
        if run is None or not self._watcher.is_watching:
            return True
        answer = ask_to_leave(self, run.name)
        if answer == "stop":
            self._launcher.stop(run)
        elif answer == "leave":
            remember(followed_run=str(run.path))
        return answer != "stay"
