"""Keeps an open project saved: a second after a stroke it is on the disk."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from itertools import count
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
from napari_unet.projects.project import Project
from napari_unet.projects.project_writer import LayerSnapshot, ProjectWriter, Snapshot
from napari_unet.projects.records import LayerRecord
from napari_unet.stacks.napari_writer import pixel_size_of
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import report

EDIT_DELAY = 1000  # milliseconds from a stroke to its saving
VIEW_INTERVAL = 2000  # milliseconds between looks at what else has changed


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
        self._viewer = viewer
        self._writer = ProjectWriter(project, missing)
        self._saving = LatestWork(
            self, self._writer.save, self._on_saved, self._on_failed, shows_outdated=True
        )
        self._numbers = count()
        self._watches: dict[Layer, EditWatch] = {}
        self._looks: Any = None
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
        self._writer.adopt(layer.unique_id, name)

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

    def save(self) -> None:
        """Save in a thread what has changed."""
        try:
            self._saving.request(self._snapshot())
        except Exception as error:  # shown like one of the thread
            self._on_failed(error)

    def _save_now(self) -> None:
        """Save at once, also what waits for its second; no thread may outlive the window."""
        try:
            for watch in self._watches.values():
                watch.flush()
            self._saving.drop()
            self._writer.save(self._snapshot())
        except Exception as error:
            self._on_failed(error)
            report(error)

    def _snapshot(self) -> Snapshot:
        layers = [_layer_snapshot(layer) for layer in self._viewer.layers if is_kept(layer)]
        return Snapshot(next(self._numbers), tuple(layers), view_of(self._viewer))

    def _on_layers_changed(self, event: Any = None) -> None:
        present = list(self._viewer.layers)
        for layer in [known for known in self._watches if known not in present]:
            self._watches.pop(layer).watch(None)
        for layer in present:
            if isinstance(layer, Labels) and is_kept(layer) and layer not in self._watches:
                watch = EditWatch(self._viewer, EDIT_DELAY, self)
                watch.edited.connect(partial(self._on_edited, layer))
                watch.watch(layer)
                self._watches[layer] = watch

    def _on_edited(self, layer: Layer, slices: set[int] | None) -> None:
        self._writer.mark(layer.unique_id, slices)
        if slices is None:  # a prediction that ended fills its probability in place
            for other in self._viewer.layers:
                if not isinstance(other, Labels):
                    self._writer.mark(other.unique_id, None)
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

    def _on_saved(self, _: None) -> None:
        self.saved.emit(datetime.now())

    def _on_failed(self, error: Exception) -> None:
        self._looks = None  # it is tried again at the next look
        self.failed.emit(error)


def _layer_snapshot(layer: Layer) -> LayerSnapshot:
    place = {"scale": layer.scale, "units": layer.units}
    return LayerSnapshot(
        key=layer.unique_id,
        kind="labels" if isinstance(layer, Labels) else "image",
        attributes=attributes_of(layer),
        metadata=metadata_of(layer),
        stack=stack_path(layer),
        data=layer.data,
        note=note_of(layer),
        pixel_size=pixel_size_of(place),
    )
