"""The predict dock: a model, an image, and a mask that follows a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout

from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError
from napari_unet.launchers.servers.predictions.live_server_prediction import options_there
from napari_unet.launchers.servers.predictions.prediction_launcher import Begun
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.layers.layer_search import why_not_tissue
from napari_unet.layers.plugin_layers import is_tissue
from napari_unet.layers.slices import displayed_slice, nearest_first, stack_shape
from napari_unet.prediction.engine import list_engines
from napari_unet.runs.model_list import list_models
from napari_unet.settings import Settings, load_settings
from napari_unet.widgets.common.background import remember_in_thread, run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock, open_dock
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.files.save_layers import (
    PredictionSaving,
    SaveButtons,
)
from napari_unet.widgets.predict.classes_view import ClassesView
from napari_unet.widgets.predict.engine_choice import EngineChoice
from napari_unet.widgets.predict.level_choice import LevelChoice
from napari_unet.widgets.predict.mask_threshold import MaskThreshold
from napari_unet.widgets.predict.model_choice import ModelChoice
from napari_unet.widgets.predict.neurons_part import NeuronsPart
from napari_unet.widgets.predict.place_choice import PlaceChoice
from napari_unet.widgets.predict.predicted_layers import PredictedLayers
from napari_unet.widgets.predict.predictions import Predictions
from napari_unet.widgets.predict.region_choice import RegionChoice
from napari_unet.widgets.predict.stack_there import StackThere
from napari_unet.widgets.predict.views import (
    PredictionOptions,
    PredictionProgress,
    ThresholdView,
)
from napari_unet.widgets.predict.workers import PredictionWorker, SliceFollower
from napari_unet.widgets.servers.host_key_question import ask_to_accept
from training.console import list_slices
from training.errors import UserError


class _Awaited(NamedTuple):
    """What another dock asked for: who is given the layer, and whether it is one of classes."""

    on_done: Callable[[Labels], None]
    is_of_classes: bool


class PredictDock(Dock):
    """Coordinates the views below with the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Viewer whose images are predicted; napari passes it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        viewer = napari_viewer
        self._viewer = viewer
        self._on_done: Callable[[Labels], None] | None = None  # who waits for the mask
        self._awaited: _Awaited | None = None  # what is to begin as soon as it can
        self._predictions = Predictions(viewer, self)
        self._worker = PredictionWorker(self)
        self._events = Connections(self)
        self._model = ModelChoice()
        self._image = LayerChoice(viewer, is_tissue, prefers=_is_selected(viewer))
        self._progress = PredictionProgress()
        self._classes = ClassesView(viewer)
        self._options = PredictionOptions()
        self._engine = EngineChoice()
        self._place = PlaceChoice()
        self._stack_there = StackThere()
        self._region = RegionChoice(viewer)
        self._level = LevelChoice(viewer)
        self._follower = SliceFollower(self)
        self._warning = MessageLine()
        self._threshold = ThresholdView(load_settings().threshold)
        self._masking = MaskThreshold(viewer, self._predictions, self._threshold)
        self._save = SaveButtons()
        self._saving = PredictionSaving(viewer, self._save)
        self._neurons = NeuronsPart(viewer)
        self._lay_out()
        self._connect()
        self._on_choice_changed()

    def use_model(self, path: Path) -> None:
        """Choose a model: folder of a run, or a file of a model."""
        self._model.choose(path)

    def predict_all(
        self,
        model: Path,
        image: Image | None,
        on_done: Callable[[Labels], None] = lambda _: None,
        *,
        of_classes: bool = False,
    ) -> None:
        """Predict every slice of an image, or of the chosen one; the layer is passed on then.

        That is a mask; ``of_classes``, if the model has several, one of all its classes. What goes
        on is cancelled.
        """
        self.use_model(model)
        if image is not None:
            self._image.choose(image)
        if self._image.layer is not None and image in (None, self._image.layer):
            self._awaited = _Awaited(on_done, of_classes)
            self._worker.cancel()
            self._classes.cancel()
            self._begin_awaited()

    def _lay_out(self) -> None:
        self._image.setToolTip("The image layer to predict.")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self._model)
        form.addRow("Image", self._image)
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._level)
        layout.addWidget(self._options)
        layout.addWidget(self._engine)
        layout.addWidget(self._place)
        layout.addWidget(self._stack_there)
        layout.addWidget(self._region)
        layout.addWidget(self._progress)
        layout.addWidget(self._classes)
        layout.addWidget(self.message)
        layout.addWidget(self._warning)
        layout.addSpacing(8)
        layout.addWidget(QLabel("Threshold"))
        layout.addWidget(self._threshold)
        layout.addSpacing(8)
        layout.addWidget(self._save)
        layout.addSpacing(8)
        layout.addWidget(self._neurons)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.came_in_sight.connect(self._look_again)
        self._model.model_changed.connect(self._on_choice_changed)
        self._image.layer_changed.connect(self._on_choice_changed)
        self._engine.engine_changed.connect(remember_in_thread)
        self._place.server_changed.connect(self._stack_there.show_server)
        self._stack_there.chosen.connect(self._on_stack_there_chosen)
        self._stack_there.begun.connect(self._on_begun_there)
        self._stack_there.failed.connect(self.report)
        self._progress.all_requested.connect(self._on_all_requested)
        self._classes.requested.connect(self._on_classes_requested)
        self._classes.offered.connect(self.ease_controls)
        self._classes.rested.connect(self._begin_awaited)
        self._progress.slice_requested.connect(self._on_slice_requested)
        self._progress.cancel_requested.connect(self._worker.cancel)
        self._worker.progressed.connect(self._progress.show_progress)
        self._worker.slice_done.connect(self._on_slice_done)
        self._worker.failed.connect(self._on_failed)
        self._worker.completed.connect(self._on_completed)
        self._worker.ended.connect(self._on_ended)
        for requested in (self._save.mask_requested, self._save.probability_requested):
            requested.connect(partial(self.message.tell, ""))
        self._saving.rest_requested.connect(self._start)
        self._saving.failed.connect(self.report)
        self._predictions.failed.connect(self.report)
        self._masking.decided.connect(self._show_warning)
        self._masking.failed.connect(self.report)
        self._neurons.find_requested.connect(self._on_neurons_requested)
        self._options.scroll_toggled.connect(self._follow_slider)
        self._follower.predicted.connect(self._on_slice_followed)
        self._follower.failed.connect(self._on_following_failed)
        self._events.add(self._viewer.dims.events.current_step, self._follow_slider)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            self._events.add(event, self._show_missing)
        self._level.found.connect(self._on_choice_changed)
        self._predictions.reading.connect(self._show_missing)
        self._predictions.found.connect(self._on_choice_changed)
        self._predictions.forgotten.connect(self._on_forgotten)

    def _look_again(self) -> None:
        """Offer the models that there are now; they may be others than when it was last seen."""
        models = partial(list_models, self._model.paths)
        run_in_thread(models, self._model.show_models, self.report)
        run_in_thread(_list_engines, self._on_engines_listed, self.report)
        run_in_thread(RemoteLauncher.list_places, self._place.show_servers, self.report)

    def _on_engines_listed(self, listed: tuple[list[tuple[str, str]], Settings]) -> None:
        self._engine.show_engines(*listed)

    def _on_choice_changed(self) -> None:
        self.message.tell("")
        self._show_choice()
        self._begin_awaited()
        self._follow_slider()

    def _show_choice(self) -> None:
        image: Any = self._image.layer
        self._level.look_at(image, self._model.model)
        self._classes.offer(self._model.model if image is not None else None, image)
        if self._predictions.look_at(image) and not self._worker.is_busy:
            self._progress.end("")
        result = self._predictions.current
        if result is not None:
            self._saving.offer(result.mask, result.probability)
        else:
            self._saving.offer(None, None)
        self._neurons.offer(result)
        self._masking.show_current()
        self._show_warning()
        self._show_missing()

    def _show_missing(self, _: object = None) -> None:
        if self._image.layer is None:
            self._progress.show_missing(why_not_tissue(self._viewer))
        elif self._model.model is None:
            self._progress.show_missing("Choose a model, or open a run or a model's file.")
        elif self._level.is_reading:
            self._progress.show_missing("Reading the model's pixel size…")
        elif self._predictions.is_looking:
            self._progress.show_missing("Reading what is predicted already…")
        else:
            self._progress.show_missing("")

    def _begin_awaited(self) -> None:
        is_ready = not (self._worker.is_busy or self._classes.is_busy or self._is_looking)
        if self._awaited and is_ready and self._image.layer and self._model.model:
            awaited, self._awaited = self._awaited, None
            self._choose_level()
            if awaited.is_of_classes and self._classes.has_classes:
                self._predict_classes(awaited.on_done)
            else:
                self._on_done = awaited.on_done
                self._predict_all()

    @property
    def _is_looking(self) -> bool:
        return self._level.is_reading or self._predictions.is_looking

    def _choose_level(self) -> None:
        """Go on with the level of a multiscale image that fits the model."""
        image: Any = self._image.layer
        self._image.choose(self._level.choose(image))

    def _on_all_requested(self) -> None:
        if not self._choose_region():
            return
        if self._place.server:
            self._predict_there(self._place.server)
        else:
            self._predict_all()

    def _on_stack_there_chosen(self, stack: ServerPath) -> None:
        model: Any = self._model.model
        if model is None:
            self.message.tell("Choose a model, or open a run or a model's file.")
            return
        self.message.tell(f"Beginning to predict {stack}…")
        options = options_there(*self._options.chosen)
        options["threshold"] = f"{self._threshold.threshold}"
        self._stack_there.predict(model, stack, options)

    def _on_begun_there(self, begun: Begun) -> None:
        goes_on = "is predicted" if begun.is_new else "is predicted already"
        self.message.tell(f"The stack {goes_on} there: follow and fetch it in Runs.")
        open_dock(self._viewer, "Runs").choose(begun.run)

    def _predict_there(self, server: str) -> None:
        self.message.tell("")
        result = self._go_on()
        try:
            self._worker.predict_on(server, result, *self._options.chosen)
        except UserError as error:
            self.report(error)
        else:
            self._progress.begin(len(result.prediction))

    def _predict_all(self) -> None:
        image: Any = self._image.layer
        count = stack_shape(image)[0]
        self._start(nearest_first(range(count), displayed_slice(self._viewer, image)))

    def _choose_region(self) -> bool:
        """Go on with a crop of the rectangle, where that is wanted; False if there is none."""
        self._choose_level()
        image: Any = self._image.layer
        try:
            self._image.choose(self._region.choose(image))
        except UserError as error:
            self.report(error)
            return False
        return True

    def _on_slice_requested(self) -> None:
        if not self._choose_region():
            return
        index = displayed_slice(self._viewer, self._image.layer)
        if index is None:
            self._progress.end("The slider is outside of this image.")
        else:
            self._start([index])

    def _on_classes_requested(self) -> None:
        if self._choose_region():
            self._predict_classes()

    def _predict_classes(self, on_done: Callable[[Labels], None] = lambda _: None) -> None:
        tta, resample, membranes = self._options.chosen
        image: Any = self._image.layer
        if resample:
            self.report(
                UserError(
                    "Classes are predicted at the image's pixel size.",
                    "Uncheck the box that resamples, or predict on the command line.",
                )
            )
            return
        self._classes.predict(image, tta, membranes, on_done)

    def _on_neurons_requested(self) -> None:
        result, chosen = self._predictions.current, self._model.model
        model = None if result is None else result.model
        if model is None and result is not None and result.is_by(chosen):
            model = chosen
        self._neurons.search(model)

    def _follow_slider(self, _: object = None) -> None:
        """Predict the slice that is shown, if that is chosen and nothing else is predicted."""
        image, model = self._image.layer, self._model.model
        is_idle = self._options.is_scrolling and not self._worker.is_busy
        is_there = image in self._viewer.layers  # and not just on its way out
        if not (is_idle and is_there and model) or self._is_looking:
            return
        self._choose_level()
        index = displayed_slice(self._viewer, self._image.layer)
        if index is None or self._is_looking:  # at what was predicted of the level
            return
        result = self._go_on()
        if not result.prediction.has(index):
            self._follower.request(result, index, *self._options.chosen)

    def _start(self, indices: Sequence[int]) -> None:
        self.message.tell("")
        result = self._go_on()
        self._progress.begin(len(indices))
        self._worker.predict(result, indices, *self._options.chosen)

    def _go_on(self) -> PredictedLayers:
        """Take the layers of the chosen image, which are added first if there are none."""
        image: Any = self._image.layer
        model: Any = self._model.model
        former = self._predictions.current
        self._image.choose(image)  # it stays, whichever layer is selected next
        result = self._predictions.go_on(model, self._threshold.threshold)
        if result is not former:
            remember_in_thread(Settings(model=str(model)))
            self._saving.offer(result.mask, result.probability)
            self._neurons.offer(result)
        return result

    def _on_following_failed(self, error: Exception) -> None:
        self._options.stop_scrolling()
        self.report(error)

    def _on_slice_followed(self, result: PredictedLayers, index: int) -> None:
        self._show_warning()
        result.note_origin()
        result.refresh(self._viewer, index)

    def _on_slice_done(self, result: PredictedLayers, index: int, done: int, text: str) -> None:
        self._progress.show_progress(done, text)
        self._show_warning()
        result.refresh(self._viewer, index)

    def _on_failed(self, error: Exception) -> None:
        self._on_done = None
        self._progress.end("")
        if isinstance(error, UnknownHostKeyError):
            if ask_to_accept(self, error):
                self._on_all_requested()
        else:
            self.report(error)
        self._begin_awaited()

    def _on_completed(self, result: PredictedLayers) -> None:
        if self._on_done is not None:
            self._on_done(result.mask)

    def _on_ended(self, result: PredictedLayers, outcome: str) -> None:
        self._on_done = None
        left, is_there = result.prediction.outdated_slices, result.mask in self._viewer.layers
        if left:
            outcome += f" Slices of the former model are left: {list_slices(left)}."
        self._progress.end(outcome if is_there else "")
        if is_there:
            result.note_origin()
            result.report_mask_changed()
        self._begin_awaited()

    def _show_warning(self) -> None:
        """Say how this image was taken, and what speaks against its prediction with this model."""
        result = self._predictions.current
        is_shown = result is not None and result.is_by(self._model.model)
        self._warning.tell(result.prediction.remarks() if result and is_shown else "")

    def _on_forgotten(self, result: PredictedLayers) -> None:
        if self._worker.result is result:
            self._worker.cancel()
        elif not self._worker.is_busy:
            self._progress.end("")
        self._show_choice()  # what a person removed does not come back by itself


def _list_engines() -> tuple[list[tuple[str, str]], Settings]:
    return list_engines(), load_settings()


def _is_selected(viewer: Viewer) -> Any:
    return lambda layer: layer in viewer.layers.selection
