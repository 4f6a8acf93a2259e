"""The setup of a training: reads its data as they are chosen, and says what is missing."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.servers.predictions.data_there import VolumesThere
from napari_unet.runs.training_estimate import estimate_seconds
from napari_unet.runs.training_preview import Preview, preview
from napari_unet.runs.training_sources import TrainingData
from napari_unet.runs.training_there import DataThere
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.train.setup_view import TrainingSetupView
from training.config import TrainingConfig
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import IdBorders, LabelConvention

Request = tuple[TrainingData | DataThere, LabelConvention | None, IdBorders, LabelClasses]
_MOST_SENTENCES = 20  # of a server, and letters of one
_MOST_LETTERS = 999


class SetupControl(QObject):
    """Previews the data of a setup, fits its options to them, and collects what was chosen.

    Parameters
    ----------
    view : TrainingSetupView
        Where data and options are chosen.

    Attributes
    ----------
    obstacle : str
        Why nothing can be started with these data; empty if it can.
    """

    obstacle_changed = Signal(str)
    estimate_changed = Signal()

    def __init__(self, view: TrainingSetupView) -> None:
        super().__init__(view)
        self.obstacle = ""
        self._data, self._form = view.data, view.form
        self._reading = LatestWork(self, _read, self._on_read, self._on_unreadable)
        self._data.data_changed.connect(self._on_data_changed)
        self._data.pairs.failed.connect(self._show_obstacle)
        self._form.changed.connect(self.estimate_changed)
        self._form.ids_changed.connect(self._on_ids_changed)
        self._form.classes_changed.connect(self._on_data_changed)
        self._on_data_changed()

    def choices(self) -> tuple[TrainingData | DataThere, TrainingConfig]:
        """Read what to train on, and how.

        Raises
        ------
        UserError
            If something is missing, or an option is not valid.
        """
        data = self._data.data()
        if data is None:
            raise UserError("There is nothing to train on.", self._what_is_missing())
        return data, self._form.config(self._data.pair.convention)

    def estimate(self) -> float | None:
        """Estimate the seconds that the training takes on a CPU; None where that is not known."""
        shown = self._data.pair.preview
        if self.obstacle or shown is None:
            return None
        try:
            config = self._form.config(self._data.pair.convention)
        except UserError:  # a field that is being edited
            return None
        volumes = (shown,) if config.steps else (shown, *shown.others)
        return sum(
            estimate_seconds(config, volume.labelled_count, (volume.shape[-2], volume.shape[-1]))
            for volume in volumes
        )

    def _on_data_changed(self) -> None:
        offered = self._data.classes_to_offer()
        if offered is not None:
            self._form.offer_classes(offered)
        data = self._data.data()
        if data is None:
            self._reading.drop()
            self._show_obstacle(self._what_is_missing())
            return
        server = data.folder.server if isinstance(data, DataThere) else ""
        self._data.pair.show_preview(None, f"Asking {server}…" if server else "Reading…")
        self._set_obstacle("")
        try:
            classes = self._form.classes
        except UserError as error:
            self._reading.drop()
            self._show_obstacle(str(error))
            return
        self._reading.request((data, self._data.known_convention, self._form.ids, classes))

    def _on_ids_changed(self) -> None:
        if self._data.pair.convention == LabelConvention.INSTANCES:
            self._on_data_changed()

    def _what_is_missing(self) -> str:
        if self._data.lacks_labels:
            return "Paint labels, open some, or choose another layer that holds them."
        if self._data.is_list:
            return "Add pairs: choose images and their labels above, and click Add layers."
        return self._data.unusable or (
            "Open a stack of images and its labels, or choose a folder. Just to try it: "
            "File > Open Sample > U-Net for membranes."
        )

    def _on_read(self, shown: Preview | VolumesThere) -> None:
        if isinstance(shown, VolumesThere):
            self._data.pair.show_words(_describe(shown), shown.convention)
        else:
            self._data.pair.show_preview(shown)
        self._form.follow_convention(self._data.pair.convention)
        problems = () if isinstance(shown, VolumesThere) else shown.problems
        self._set_obstacle("\n".join(map(str, problems)))

    def _on_unreadable(self, error: Exception) -> None:
        self._show_obstacle(str(error))

    def _show_obstacle(self, reason: str) -> None:
        self._data.pair.show_preview(None, reason)
        self._set_obstacle(reason)

    def _set_obstacle(self, reason: str) -> None:
        self.obstacle = reason
        self.obstacle_changed.emit(reason)
        self.estimate_changed.emit()


def _read(request: Request) -> Preview | VolumesThere:
    data, convention, ids, classes = request
    if isinstance(data, DataThere):
        return data.look(ids, classes)
    return preview(data, convention, ids, classes)


def _describe(there: VolumesThere) -> str:
    """Say what a server said of its volumes."""
    count = len(there.pairs)
    found = "Images and labels are there." if count == 1 else f"{count} volumes are there."
    told = [f"{text:.{_MOST_LETTERS}}" for text in there.sentences[:_MOST_SENTENCES]]
    return "\n".join([found, *told])
