"""Keeps an open project saved: a second after a stroke it is on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_unet.projects.layer_records import (
    attributes_of,
    is_kept,
    metadata_of,
    note_of,
    stack_path,
    view_of,
)
from napari_unet.projects.project import Project, project_settings
from napari_unet.projects.records import LayerRecord, ProjectState, StackReference
from napari_unet.stacks.incremental_tif import SavedStack
from napari_unet.stacks.napari_writer import pixel_size_of
from napari_unet.stacks.pixel_size import PixelSize
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.messages import report
from training.errors import UserError

EDIT_DELAY = 1000  # milliseconds from a stroke to its saving
VIEW_INTERVAL = 2000  # milliseconds between looks at what else has changed


@dataclass(eq=False)
class _OwnFile:
    """A layer whose pixels the project holds; ``slices`` changed since, None for all."""

    name: str
    stack: SavedStack
    slices: set[int] | None


@dataclass(frozen=True)
class _Job:
    """What the thread that saves needs to know of a layer."""

    record: LayerRecord
    path: Path | None
    data: Any
    own: _OwnFile | None
    slices: set[int] | None
    note: str
    pixel_size: PixelSize | None


class ProjectSession(QObject):
    """Saves a viewer's layers into a project, as long as the window lives.

    Parameters
    ----------
    viewer : Viewer
        What is saved.
    project : Project
        Where to.
    missing : tuple of LayerRecord
        Layers of the project that could not be opened: they stay in it.
    window : QMainWindow
        When it is closed, all is saved once more.
    """

    saved = Signal(object)  # datetime
    failed = Signal(object)  # Exception

    def __init__(
        self,
        viewer: Viewer,
        project: Project,
        window: QMainWindow,
        missing: tuple[LayerRecord, ...] = (),
    ) -> None:
        super().__init__(window)
        self.project = project
        self._viewer, self._missing = viewer, missing
        self._own: dict[Layer, _OwnFile] = {}
        self._watches: dict[Layer, EditWatch] = {}
        self._state: ProjectState | None = None
        self._looks: Any = None
        self._is_saving = self._is_stale = False
        self._lock = Lock()
        self._events = Connections(self)
        self._events.add(viewer.layers.events.inserted, self._on_layers_changed)
        self._events.add(viewer.layers.events.removed, self._on_layers_changed)
        self._timer = QTimer(self)
        self._timer.setInterval(VIEW_INTERVAL)
        self._timer.timeout.connect(self._on_look)
        self._timer.start()
        window.installEventFilter(self)
        self._on_layers_changed()

    def adopt(self, layer: Layer, name: str) -> None:
        """Save a layer into the file of the project that it was opened from."""
        stack = SavedStack(self.project.folder / name, layer.data.shape, layer.data.dtype)
        self._own[layer] = _OwnFile(name, stack, None)

    def end(self) -> None:
        """Save what is not saved yet, and save no more."""
        self._timer.stop()
        self._events.clear()
        self._save_now()
        for watch in self._watches.values():
            watch.watch(None)
        self.setParent(None)
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        is_closing = event is not None and event.type() == QEvent.Type.Close
        if is_closing and len(self._viewer.layers):  # a program's viewer.close() removes them first
            self._save_now()
        return False

    def _save_now(self) -> None:
        """Save at once, also what waits for its second; no thread may outlive the window."""
        is_saving, self._is_saving = self._is_saving, True
        for watch in self._watches.values():
            watch.flush()
        try:
            self._state = self._prepared()()
        except UserError as error:
            report(error)
        self._is_saving = is_saving

    def save(self) -> None:
        """Save in a thread what has changed."""
        if self._is_saving:
            self._is_stale = True
            return
        self._is_saving, self._is_stale = True, False
        run_in_thread(self._prepared(), self._on_saved, self._on_failed)

    def _prepared(self) -> Any:
        """A function that saves, and touches no layer's events."""
        layers = [layer for layer in self._viewer.layers if is_kept(layer)]
        jobs = [self._job(layer) for layer in layers]
        view = view_of(self._viewer)
        save = partial(_save, self.project, jobs, self._missing, view, self._state)

        def save_alone() -> ProjectState:
            with self._lock:
                return save()

        return save_alone

    def _job(self, layer: Layer) -> _Job:
        kind = "labels" if isinstance(layer, Labels) else "image"
        path, own, slices = stack_path(layer), None, None
        if path is None:
            own = self._own_file(layer, kind)
            slices, own.slices = own.slices, set()
        name = own.name if own is not None else ""
        # Not checked yet: which stack it shows is found out in the thread that saves.
        record = LayerRecord.model_construct(
            kind=kind, file=name, attributes=attributes_of(layer), metadata=metadata_of(layer)
        )
        place = {"scale": layer.scale, "units": layer.units}
        return _Job(record, path, layer.data, own, slices, note_of(layer), pixel_size_of(place))

    def _own_file(self, layer: Layer, kind: str) -> _OwnFile:
        shape, dtype = tuple(layer.data.shape), layer.data.dtype
        own = self._own.get(layer)
        if own is None:
            taken = {own.name for own in self._own.values()}
            name = self.project.new_file(kind, layer.name, taken)
            own = _OwnFile(name, SavedStack(self.project.folder / name, shape, dtype), None)
            self._own[layer] = own
        elif own.stack.shape != shape:
            own.stack, own.slices = SavedStack(own.stack.path, shape, dtype), None
        return own

    def _on_layers_changed(self, event: Any = None) -> None:
        present = list(self._viewer.layers)
        for layer in [known for known in self._watches if known not in present]:
            self._watches.pop(layer).watch(None)
            self._own.pop(layer, None)
        for layer in present:
            if isinstance(layer, Labels) and is_kept(layer) and layer not in self._watches:
                watch = EditWatch(self._viewer, EDIT_DELAY, self)
                watch.edited.connect(partial(self._on_edited, layer))
                watch.watch(layer)
                self._watches[layer] = watch

    def _on_edited(self, layer: Layer, slices: set[int] | None) -> None:
        for one, own in self._own.items():
            if one == layer:
                own.slices = None if slices is None or own.slices is None else own.slices | slices
            elif slices is None and not isinstance(one, Labels):
                own.slices = None  # a prediction that ended fills its probability in place
        self.save()

    def _on_look(self) -> None:
        """Save changed looks and views, which emit no event; comparing them takes microseconds."""
        kept = [layer for layer in self._viewer.layers if is_kept(layer)]
        looks = (
            [(attributes_of(layer), metadata_of(layer)) for layer in kept],
            view_of(self._viewer),
        )
        if looks != self._looks:
            self._looks = looks
            self.save()

    def _on_saved(self, state: ProjectState) -> None:
        self._is_saving = False
        self._state = state
        self.saved.emit(datetime.now())
        if self._is_stale:
            self.save()

    def _on_failed(self, error: Exception) -> None:
        self._is_saving = False
        for own in self._own.values():
            own.slices = None
        self._looks = None  # it is tried again at the next look
        self.failed.emit(error)


def _save(
    project: Project,
    jobs: list[_Job],
    missing: tuple[LayerRecord, ...],
    view: dict[str, Any],
    former: ProjectState | None,
) -> ProjectState:
    """Pixels first, then the document that names their files."""
    records = [*missing]
    for job in jobs:
        stack = None
        if job.path is not None:
            stack = StackReference.of(job.path)
        elif job.own is not None:
            job.own.stack.save(job.data, job.slices, job.note, job.pixel_size)
        records.append(job.record.model_copy(update={"stack": stack}))
    state = ProjectState(layers=tuple(records), view=view, settings=project_settings(project))
    if state != former:
        project.write(state)
    return state
