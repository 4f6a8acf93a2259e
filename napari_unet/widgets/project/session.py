"""Keeps an open project saved: a second after a stroke it is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Literal

from napari import Viewer
from napari.layers import Labels, Layer
from qtpy.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QProgressDialog

from napari_unet.layers.followed_operations import LINES_KEY, note_saving
from napari_unet.layers.physical_place import pixel_size_of
from napari_unet.projects.layer_records import (
    attributes_of,
    is_kept,
    metadata_of,
    note_of,
    stack_path,
    view_of,
)
from napari_unet.projects.opening import OpenProject
from napari_unet.projects.operation_list import OperationList
from napari_unet.projects.project_lock import NotHeldError
from napari_unet.projects.project_writer import LayerSnapshot, ProjectWriter, Snapshot
from napari_unet.settings import let_go
from napari_unet.text import line
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import Connections, when_deleted
from napari_unet.widgets.common.edit_watch import EditWatch
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.messages import TITLE, confirm, report
from napari_unet.widgets.files.long_task import PATIENCE
from training.files.known_file import ChangedFileError

EDIT_DELAY = 1000  # milliseconds from a stroke to its saving
VIEW_INTERVAL = 2000  # milliseconds between looks at what else has changed
DONT_CLOSE = "Don't close napari"


@dataclass(frozen=True)
class Outcome:
    """What became of the last try to save; without the exception, which refers to the viewer.

    Parameters
    ----------
    kind : str
        ``looking`` where the window never held the project, ``lost`` where another took it over,
        ``changed`` where another program has written to a file.
    text : str
        When it was saved, or why it was not.
    """

    kind: Literal["untried", "saved", "failed", "changed", "looking", "lost"]
    text: str = ""

    @property
    def is_unsaved(self) -> bool:
        """Whether something would be lost; who only looks knows that nothing is saved."""
        return self.kind in ("failed", "changed", "lost")

    @classmethod
    def of(cls, error: Exception) -> Outcome:
        if isinstance(error, NotHeldError):
            return cls("lost" if error.is_lost else "looking", str(error))
        return cls("changed" if isinstance(error, ChangedFileError) else "failed", str(error))


class ProjectSession(QObject):
    """Saves a viewer's layers into a project, as long as the window lives and holds the project.

    Parameters
    ----------
    viewer : Viewer
        What is saved.
    opened : OpenProject
        Where to; its unreadable layers stay in it.
    window : QMainWindow
        When it is closed, all is saved once more.
    own : sequence of (Layer, str)
        Layers that were opened from files of the project, and the names of these.

    Attributes
    ----------
    outcome : Outcome
        How the last try to save ended.
    """

    outcome_changed = Signal()
    ended = Signal(object)  # the session, once it has saved for the last time

    def __init__(
        self,
        viewer: Viewer,
        opened: OpenProject,
        window: QMainWindow,
        own: Sequence[tuple[Layer, str]] = (),
    ) -> None:
        super().__init__(window)
        self.project = opened.project
        self.outcome = Outcome("untried")
        self._viewer, self._lock = viewer, opened.lock
        self._writer = ProjectWriter(
            self.project, self._lock, opened.document, opened.unreadable, opened.choices
        )
        for layer, name in own:  # before the first save, which would make new files
            self._writer.adopt(layer.unique_id, name, opened.files[name])
        when_deleted(self, self._lock.release)
        self._choices = opened.choices
        when_deleted(self, partial(let_go, self._choices))
        self._saving = LatestWork(
            self, self._writer.save, self._on_saved, self._on_failed, shows_outdated=True
        )
        self._numbers = count()
        self._last: Snapshot | None = None  # what is saved for the last time
        self._watches: dict[Labels, EditWatch] = {}
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

    @property
    def is_held(self) -> bool:
        """Whether this window has the project, as far as it knows; else nothing is saved."""
        return self._lock.is_held

    @property
    def is_ending(self) -> bool:
        """Whether it saves for the last time."""
        return self._last is not None

    def take_over(self) -> None:
        """Hold the project again; what another window saved meanwhile is kept."""
        self._run_and_save(self._writer.take_over)

    def keep_both(self) -> None:
        """Save beside files that others have changed."""
        self._run_and_save(self._writer.keep_both)

    def end(self) -> None:
        """Save what is not saved yet, in a thread, and no more; then ``ended`` is emitted."""
        self._timer.stop()
        self._events.clear()
        for watch in self._watches.values():
            watch.flush()
            watch.watch(None)
        self._mark_operations()
        self._saving.drop()
        try:
            self._last = self._snapshot()
        except Exception as error:
            self._on_last_failed(error)
            return
        self.outcome_changed.emit()
        run_in_thread(partial(self._save_last, self._last), self._on_ended, self._on_last_failed)

    def _save_last(self, snapshot: Snapshot) -> bool:
        """Save if the project is held, and let others have it; returns whether it was held."""
        is_held = self.is_held
        try:
            if is_held:
                self._writer.save(snapshot)
        finally:
            self._lock.release()
        return is_held

    def _on_ended(self, is_saved: bool) -> None:
        if is_saved:
            self._on_saved()
        self._lock.release()
        let_go(self._choices)
        self.setParent(None)
        self.deleteLater()
        self.ended.emit(self)

    def _on_last_failed(self, error: Exception) -> None:
        self._on_failed(error)
        self._on_ended(False)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        is_closing = event is not None and event.type() == QEvent.Type.Close
        if event is None or not is_closing or not len(self._viewer.layers):
            return False  # a program's viewer.close() removes the layers first
        window: Any = watched
        if not self._wait_for_saving(window):
            event.ignore()
            return True
        self._save_now()
        is_refused = self.outcome.is_unsaved and not confirm(
            window,
            f"Close napari, although '{self.project.folder.name}' is not saved?",
            f"{self.outcome.text} What is not saved is lost.",
            "Close and lose it",
            DONT_CLOSE,
        )
        if is_refused:
            event.ignore()
        return is_refused

    def save(self) -> None:
        """Save in a thread what has changed."""
        try:
            self._saving.request(self._snapshot())
        except Exception as error:  # shown like one of the thread
            self._on_failed(error)

    def _wait_for_saving(self, window: QMainWindow) -> bool:
        """Save in a thread what waits for its second; the window is drawn meanwhile, and no more.

        What else there is to save, :meth:`_save_now` finds afterwards.

        Returns
        -------
        bool
            Whether it was saved, or can't be; not where a person would rather go on.
        """
        self._flush()
        if any(lines.under_way.locked() for lines in self._lists()):
            self.save()  # which waits for these operations
        if not self._saving.is_busy:
            return True
        text = f"Saving {line(self.project.folder.name)}…"
        progress = QProgressDialog(text, DONT_CLOSE, 0, 0, window)
        progress.setWindowTitle(TITLE)
        progress.setMinimumDuration(PATIENCE)
        progress.setWindowModality(Qt.WindowModality.ApplicationModal)
        loop = QEventLoop()
        self._saving.rested.connect(loop.quit)
        progress.canceled.connect(loop.quit)
        while self._saving.is_busy and not progress.wasCanceled():
            loop.exec_()
            self._flush()
        progress.deleteLater()
        return not progress.wasCanceled()

    def _lists(self) -> list[OperationList]:
        """The lists of operations that are in the window."""
        found = (layer.metadata.get(LINES_KEY) for layer in self._viewer.layers)
        return [lines for lines in found if lines is not None]

    def _flush(self) -> None:
        """Ask at once for the saving of what waits for its second."""
        for watch in self._watches.values():
            watch.flush()
        if self._mark_operations():
            self.save()

    def _mark_operations(self) -> bool:
        """Mark layers that operations have changed; returns whether there are any."""
        changed = [layer for layer in self._watches if note_saving(layer)]
        for layer in changed:
            self._writer.mark(layer.unique_id, None)
        return bool(changed)

    def _save_now(self) -> None:
        """Save at once what is not saved yet; no thread may outlive the window."""
        try:
            self._flush()
            self._saving.drop()
            self._writer.save(self._snapshot())
            self._on_saved()
        except Exception as error:
            self._on_failed(error)

    def _run_and_save(self, function: Callable[[], None]) -> None:
        run_in_thread(function, self._on_cleared, self._on_failed)

    def _on_cleared(self, _: None) -> None:
        self.save()

    def _snapshot(self) -> Snapshot:
        if self._last is not None:  # the viewer may show another project already
            return replace(self._last, number=next(self._numbers))
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

    def _on_edited(self, layer: Labels, slices: set[int] | None) -> None:
        if note_saving(layer):
            slices = None
        self._writer.mark(layer.unique_id, slices)
        if slices is None:  # a prediction that ended fills its probability in place
            for other in self._viewer.layers:
                if not isinstance(other, Labels):
                    self._writer.mark(other.unique_id, None)
        self.save()

    def _on_look(self) -> None:
        """Save changed looks and views, which emit no event; comparing them takes microseconds."""
        try:
            looks = self._read_looks()
        except Exception as error:  # shown like one of the thread
            self._on_failed(error)
            return
        if looks != self._looks:
            self._looks = looks
            self.save()

    def _read_looks(self) -> Any:
        kept = [layer for layer in self._viewer.layers if is_kept(layer)]
        return (
            [(attributes_of(layer), metadata_of(layer)) for layer in kept],
            view_of(self._viewer),
        )

    def _on_saved(self, _: None = None) -> None:
        self._show(Outcome("saved", f"{datetime.now():%H:%M:%S}"))

    def _on_failed(self, error: Exception) -> None:
        """Show it wherever the dock is; a failure that goes on is reported once."""
        outcome = Outcome.of(error)
        if outcome.kind == "failed":
            self._looks = None  # it is tried again at the next look
        if outcome.is_unsaved and outcome.kind != self.outcome.kind:
            report(error)
        self._show(outcome)

    def _show(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.outcome_changed.emit()


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
        operations=layer.metadata.get(LINES_KEY),
    )
