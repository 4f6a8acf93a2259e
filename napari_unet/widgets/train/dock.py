"""The train dock: coordinates the setup, the start, the progress and the end of a training."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from napari_unet.launchers.launcher import UploadProgress, new_run_name
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError, accept_host_key
from napari_unet.launchers.servers.opening import LoginDeclinedError, ask_again
from napari_unet.layers.slices import displayed_slice
from napari_unet.runs.run_list import RunSummary, list_runs
from napari_unet.runs.run_offer import offer_run
from napari_unet.runs.run_progress import RunProgress, failure, interruption
from napari_unet.runs.training_estimate import estimate_text
from napari_unet.runs.training_places import THIS_COMPUTER
from napari_unet.settings import Settings, load_settings, remember
from napari_unet.widgets.common.background import remember_in_thread, run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock, open_dock
from napari_unet.widgets.common.messages import confirm, inform
from napari_unet.widgets.runs.device_log import DeviceLogWindow
from napari_unet.widgets.servers.host_key_question import ACCEPT, ask_to_accept
from napari_unet.widgets.servers.login_question import offer_dialogs
from napari_unet.widgets.train.banner import Banner
from napari_unet.widgets.train.close_guard import CloseGuard
from napari_unet.widgets.train.place_choice import PlaceChoice
from napari_unet.widgets.train.place_control import PlaceControl
from napari_unet.widgets.train.preview_layer import PreviewLayer
from napari_unet.widgets.train.progress_view import TrainingProgressView
from napari_unet.widgets.train.run_buttons import RunButtons
from napari_unet.widgets.train.run_control import RunControl
from napari_unet.widgets.train.setup_control import SetupControl
from napari_unet.widgets.train.setup_view import TrainingSetupView
from napari_unet.widgets.train.training_setup import TrainingSetup
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.runs.run_state import can_resume

PREDICT = "Predict and evaluate"


class TrainDock(Dock):
    """Train a U-Net on layers or files, and watch it.

    Parameters
    ----------
    napari_viewer : Viewer
        Viewer whose layers are trained on; napari passes it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        offer_dialogs()
        settings = load_settings()
        self._viewer = napari_viewer
        self._project = settings.project
        self._images: Image | None = None
        self._preview_layer = PreviewLayer(napari_viewer)
        self._banner = Banner()
        self._page = TrainingSetupView(napari_viewer, settings.training)
        self.data, self.form = self._page.data, self._page.form
        self._setup = SetupControl(self._page)
        self.form.open_advanced(settings.is_advanced_open)
        self._progress = TrainingProgressView(napari_viewer.theme, settings.is_loss_logarithmic)
        self.place = PlaceChoice()
        self._place = PlaceControl(self.place)
        self._training_setup = TrainingSetup()
        self._buttons = RunButtons()
        self._shown: RunProgress | None = None  # of the run in Progress
        self._control = RunControl(Path(settings.runs_folder), self)
        self._guard = CloseGuard(self._control, self)
        self._lay_out()
        self._connect()
        self._connect_control()
        runs_folder = self._control.launcher.runs_folder
        tell_error = self._buttons.message.tell_error
        run_in_thread(lambda: list_runs(runs_folder), self._on_runs_listed, tell_error)

    def follow(self, run: RunDirectory) -> None:
        """Watch a run that is going on, or show one that has ended."""
        self._control.follow(run)

    def resume(self, run: RunDirectory) -> None:
        """Resume a run that ended before its time, and watch it."""
        self._control.resume(run)

    def choose_layers(self, images: Image, labels: Labels) -> None:
        """Choose these layers as training data."""
        self.data.choose_layers(images, labels)

    def _look_again(self) -> None:
        """Offer the servers, and the training, that the command line may have set up."""
        self._place.refresh()
        self._training_setup.look()

    def _lay_out(self) -> None:
        self._tabs = QTabWidget()
        self._tabs.addTab(self._page, "Set up")
        self._tabs.addTab(self._progress, "Progress")
        layout = QVBoxLayout(self.content)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._banner)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self.place)
        layout.addWidget(self._training_setup)
        layout.addWidget(self._buttons)

    def _connect(self) -> None:
        self.data.labels_wanted.connect(self._on_labels_wanted)
        self.data.data_changed.connect(self._on_data_changed)
        self._setup.obstacle_changed.connect(self._show_obstacle)
        self._training_setup.obstacle_changed.connect(self._show_obstacle)
        self._training_setup.ended.connect(self._buttons.message.tell)
        self._setup.estimate_changed.connect(self._show_estimate)
        self.place.place_changed.connect(self._on_place_changed)
        self._tabs.currentChanged.connect(self._show_estimate)
        self.form.advanced_toggled.connect(self._on_advanced_toggled)
        self._progress.curves.scale_changed.connect(self._on_scale_changed)
        self._progress.preview_requested.connect(self._on_preview_requested)
        self._progress.log_requested.connect(self._on_log_requested)
        self._buttons.start_requested.connect(self._on_start_requested)
        self._buttons.stop_requested.connect(self._control.stop)
        self._buttons.cancel_requested.connect(self._on_cancel_requested)
        self._buttons.resume_requested.connect(self._on_resume_requested)
        self._place.upload_progressed.connect(self._on_upload_progressed)
        self._place.devices_changed.connect(self._on_devices_changed)
        self._place.failed.connect(self._buttons.message.tell_error)
        self.closed.connect(self._on_closed)
        self.front_changed.connect(self._on_front_changed)
        self.came_in_sight.connect(self._look_again)
        Connections(self).add(self._viewer.events.theme, self._on_theme_changed)
        self._show_obstacle()

    def _connect_control(self) -> None:
        self._control.busy.connect(self._on_busy)
        self._control.followed.connect(self._on_followed)
        self._control.stopping.connect(self._on_stopping)
        self._control.cancelled.connect(self._on_cancelled)
        self._control.refused.connect(self._on_refused)
        self._control.not_ended.connect(self._on_not_done)
        self._control.progressed.connect(self._on_progressed)
        self._control.ended.connect(self._on_ended)
        self._control.disturbed.connect(self._on_disturbed)

    def _on_data_changed(self) -> None:
        self._buttons.message.tell("")  # it may be about the former data

    def _on_devices_changed(self, devices: list[str]) -> None:
        self.form.set_devices(devices)
        self._show_estimate()

    def _on_place_changed(self, name: str) -> None:
        is_here = name == THIS_COMPUTER
        self._training_setup.choose_place(is_here)
        self.data.show_server("" if is_here else name)
        self._buttons.message.tell(self.data.elsewhere(name))
        self._show_obstacle()
        self._show_estimate()

    def _show_obstacle(self, _: object = None) -> None:
        is_here = self.place.name in ("", THIS_COMPUTER)
        here = self._training_setup.obstacle if is_here else ""
        elsewhere = self.data.elsewhere(self.place.name)
        self._buttons.set_obstacle(self._setup.obstacle or elsewhere or here)

    def _show_estimate(self, _: object = None) -> None:
        is_seen = self._tabs.currentWidget() is self._page and self._place.is_cpu(self.form.device)
        seconds = self._setup.estimate() if is_seen else None
        self.place.show_estimate("" if seconds is None else estimate_text(seconds))

    def _on_front_changed(self, is_in_front: bool) -> None:
        if is_in_front:
            self.data.look_again()
            self._follow_project()

    def _follow_project(self) -> None:
        """Show the options of the project that was opened, or closed, since."""
        settings = load_settings()
        if settings.project != self._project:
            self._project = settings.project
            self.form.restore(settings.training)

    def _on_labels_wanted(self) -> None:
        open_dock(self._viewer, "Annotate")

    def _on_start_requested(self) -> None:
        try:
            data, config = self._setup.choices()
            remember_in_thread(Settings(training=self.form.choices()))
            launcher = self._place.launcher()
        except UserError as error:
            self._buttons.message.tell_error(error)
            return
        self.data.name_classes(config.label_classes)  # whoever judges by them knows them, too
        self._images = self.data.images_layer
        if self._images is not None and not self.data.is_list and config.preview_slice < 0:
            shown = displayed_slice(self._viewer, self._images)
            config = config.replace(preview_slice=-1 if shown is None else shown)
        name = new_run_name(config, launcher.runs_folder, datetime.now())
        self._control.start(launcher, data, config, name)

    def _on_cancel_requested(self) -> None:
        run = self._control.run
        if run is not None and confirm(
            self,
            f"Cancel '{run.name}'?",
            "The training ends at once, and its model, curves and log are deleted.",
            "Cancel and delete",
        ):
            self._control.cancel()

    def _on_resume_requested(self) -> None:
        if self._control.run is not None:
            self.resume(self._control.run)

    def _on_busy(self, what: str) -> None:
        self._buttons.show_busy()
        self._buttons.message.tell(what)

    def _on_followed(self, _: RunDirectory) -> None:
        self._preview_layer.forget()
        self._banner.hide()
        self._shown = None
        self._buttons.show_busy()
        self._buttons.message.tell("")
        self._tabs.setCurrentWidget(self._progress)

    def _on_refused(self, error: Exception) -> None:
        self._show_buttons()
        self._on_not_done(error)

    def _on_not_done(self, error: Exception) -> None:
        """Show why something was not done; do it again once a server's key is accepted."""
        if not isinstance(error, UnknownHostKeyError):
            self._buttons.message.tell_error(error)
            return
        self._buttons.message.tell("")
        if ask_to_accept(self, error):
            self._control.repeat()

    def _show_buttons(self) -> None:
        """Offer what can be done with the run in Progress, or a start if there is none."""
        if self._shown is None or not self._shown.is_running:
            self._buttons.show_ended(self._shown is not None and can_resume(self._shown.status))
        elif self._control.is_stopping:
            self._buttons.show_stopping()
        else:
            self._buttons.show_running()

    def _on_upload_progressed(self, progress: UploadProgress) -> None:
        percent = 100 * progress.done // max(1, progress.total)
        self._buttons.message.tell(f"Uploading {progress.what}: {percent} %")

    def _on_stopping(self) -> None:
        self._show_buttons()
        self._progress.show_headline("Stopping after the current step")

    def _on_cancelled(self) -> None:
        self._preview_layer.remove_blank()
        self._shown = None
        self._progress.forget("The training was cancelled, and its run deleted.")
        self._buttons.message.tell("")
        self._show_buttons()

    def _on_progressed(self, progress: RunProgress) -> None:
        self._shown = progress
        self._progress.show_progress(progress)
        self._preview_layer.follow(progress, self._images, self.data.images_layer)
        self._show_buttons()

    def _on_ended(self, progress: RunProgress) -> None:
        self._preview_layer.remove_blank()
        run = self._control.run
        if run is None:
            return
        if not run.path.is_dir():
            self._shown = None
            self._progress.forget(f"The folder of '{run.name}' is not there any more: {run.path}.")
            self._show_buttons()
        elif progress.status == "interrupted":
            self._banner.offer(interruption(run), "Resume", partial(self.resume, run))
        elif progress.status == "failed":
            self._buttons.message.tell_error(failure(run, progress.state))
        else:
            self._offer_prediction(run, progress)

    def _offer_prediction(self, run: RunDirectory, progress: RunProgress) -> None:
        outcome = f"{progress.status}{progress.best_figure}"
        if not self.isVisible():
            inform(f"Training {outcome} ({run.name})")
        if run.has_model:
            action = partial(self._predict_and_evaluate, run)
            self._banner.offer(f"Training {outcome}.", PREDICT, action)

    def _predict_and_evaluate(self, run: RunDirectory) -> None:
        """Predict what was trained on, all classes where there are several, and judge that."""
        images = self._images if self._images in self._viewer.layers else self.data.images_layer
        evaluate = partial(_evaluate, self._viewer)
        self._preview_layer.hide()  # the mask is seen there now
        predict = open_dock(self._viewer, "Predict")
        predict.predict_all(run.path, images, evaluate, of_classes=True)

    def _on_disturbed(self, error: UserError) -> None:
        if isinstance(error, UnknownHostKeyError):
            self._progress.show_headline(error.problem)
            self._banner.offer(error.problem, ACCEPT, partial(accept_host_key, error))
        elif isinstance(error, LoginDeclinedError):
            self._progress.show_headline(error.problem)
            self._banner.offer(error.problem, "Log in", ask_again)
        else:
            self._progress.show_headline(f"{error} Trying again.")

    def _on_log_requested(self) -> None:
        if self._control.run is not None:
            DeviceLogWindow(self._control.run, self, self._control.launcher).show()

    def _on_preview_requested(self) -> None:
        self._preview_layer.reveal()

    def _on_runs_listed(self, summaries: list[RunSummary]) -> None:
        left = load_settings().followed_run
        if left:
            remember(Settings(followed_run=""))
        offer = offer_run(summaries, left)
        if offer is None or self._control.run is not None:
            return
        if offer.action:
            self._banner.offer(offer.text, offer.action, partial(self.follow, offer.run))
        else:
            inform(offer.text)
            self.follow(offer.run)

    def _on_advanced_toggled(self, is_open: bool) -> None:
        remember_in_thread(Settings(is_advanced_open=is_open))

    def _on_scale_changed(self, is_logarithmic: bool) -> None:
        remember_in_thread(Settings(is_loss_logarithmic=is_logarithmic))

    def _on_theme_changed(self, event: Any) -> None:
        self._progress.curves.set_theme(self._viewer.theme)

    def _on_closed(self) -> None:
        """Say that the training goes on: the dock alone was closed, not the window."""
        run = self._control.watched
        if run is not None:
            self._control.leave_running()
            inform(f"Still training; open the Train dock to follow it again ({run.name}).")


def _evaluate(viewer: Viewer, mask: Labels) -> None:
    open_dock(viewer, "Evaluate").choose_mask(mask)
