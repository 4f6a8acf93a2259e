"""Operations on a layer of neurons: found in a thread, done on the window's, undone in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.layers.followed_operations import note_shown
from napari_unet.layers.slices import edited_slices, full_resolution
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.edits import Volume
from napari_unet.proofreading.history import History, Step
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation
from napari_unet.proofreading.suspicion import Suspicion, find_suspicions
from napari_unet.widgets.common.background import Progress, StoppedError
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.proofread.mask_walls import MaskWalls
from napari_unet.widgets.proofread.mendable import why_not_mendable
from napari_unet.widgets.proofread.operation_file import OperationFile
from napari_unet.widgets.proofread.replay import Replay, read_operations
from training.errors import UserError
from training.stacks.stack_axes import as_stack


@dataclass(frozen=True)
class _Stroke:
    """A stroke of napari's brush among the operations, and the slices that it painted on."""

    slices: frozenset[int]


@dataclass(frozen=True)
class _Loaded:
    layer: Labels
    history: History
    are_slices_linked: bool
    is_of_file: bool = False
    problem: UserError | None = None


@dataclass(frozen=True)
class _Plan:
    """An operation to find, the mask that is to follow, and slices that the brush painted on."""

    history: History
    operation: Operation
    mask: tuple[str, Volume] | None
    dirty: set[int]


_Ranked = tuple[History, list[Suspicion]]


class Mending(QObject):
    """Holds one layer of neurons, with the history of what was done to it.

    Attributes
    ----------
    history : History or None
        None while the layer is being read, or where there is none.
    are_slices_linked : bool
        Whether an id means the same neuron from slice to slice, as the labels were when read.
    """

    looking = Signal(str, object)  # what is looked at, and its Progress, until ``rested``
    rested = Signal()
    stopped = Signal(bool)  # a look, by a person; whether it was the first one
    loaded = Signal()
    changed = Signal(object, str)  # Step, or None for a stroke of the brush; what to add
    failed = Signal(Exception)
    ranked = Signal(object)  # list of Suspicion
    replayed = Signal(str)  # what became of a list of operations

    def __init__(self, walls: MaskWalls, parent: Any) -> None:
        super().__init__(parent)
        self._walls = walls
        self.history: History | None = None
        self.are_slices_linked = True
        self._layer: Any = None
        self._membrane: Image | None = None
        self._dirty: set[int] = set()
        self._order: list[_Stroke | None] = []  # None: an operation of the history
        self._undone: list[_Stroke | None] = []
        self._progress = Progress()
        self._events = Connections(self)
        self._file = OperationFile(parent, self.failed.emit)
        self._loading = LatestWork(self, _load, self._on_loaded, self._on_load_failed)
        self._starting = QTimer(self)
        self._starting.setSingleShot(True)
        self._starting.timeout.connect(self._load_layer)
        self._planning = LatestWork(self, self._plan, self._on_planned, self._on_plan_failed)
        self._replay: Replay | None = None
        self._reading = LatestWork(self, read_operations, self._on_read, self.failed.emit)
        self._ranking = LatestWork(self, self._rank, self._on_ranked, self._on_rank_failed)

    @property
    def is_loading(self) -> bool:
        return self._loading.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether an operation is being found, or a list of them is read or done."""
        return self._planning.is_busy or self._reading.is_busy or self._replay is not None

    @property
    def folder(self) -> Path | None:
        """Where the open project keeps its lists of operations; None without one."""
        path = None if self._layer is None else self._file.path_of(self._layer)
        return None if path is None else path.parent

    @property
    def can_undo(self) -> bool:
        return self.history is not None and bool(self._order)

    @property
    def can_redo(self) -> bool:
        return self.history is not None and bool(self._undone)

    def hold(self, layer: Labels | None, membrane: Image | None) -> None:
        """Mend this layer from now on; :attr:`loaded` is emitted when that can begin."""
        self._events.clear()
        self._starting.stop()
        for work in (self._loading, self._planning, self._ranking, self._reading):
            work.drop()
        if self._replay is not None:
            self._end_replay()
        self._progress.stop()  # what is not wanted any more need not go on
        self._progress = Progress()
        self.rested.emit()
        self.history, self._layer, self._membrane = None, layer, membrane
        self._order, self._undone, self._dirty = [], [], set()
        if layer is None or why_not_mendable(layer):
            return
        self._events.add(layer.events.paint, self._on_painted)
        # A project adds its layers before it is open: its file is found once it is.
        self._starting.start()

    def _load_layer(self) -> None:
        layer, membrane = self._layer, self._membrane
        pixels = None if membrane is None else as_stack(full_resolution(membrane))
        read = partial(self._file.read, layer, self._file.path_of(layer))
        look = self._look("Looking at the neurons")
        self._loading.request((layer, as_stack(layer.data), pixels, read, look))

    def _look(self, title: str, what: str = "Slice") -> Progress:
        self._progress = Progress(what)
        self.looking.emit(title, self._progress)
        return self._progress

    def forget(self, layer: Labels) -> None:
        """Begin a new list of operations on a layer that was given other pixels."""
        self._replay = None
        self._file.forget(layer)

    def request(self, operation: Operation) -> None:
        """Do an operation as soon as it is found what it changes."""
        if self.history is not None and not self.is_busy:
            self._begin(self.history, operation)

    def _begin(self, history: History, operation: Operation) -> None:
        try:
            mask = self._walls.wanted()
        except UserError as error:
            self._fail(error)
            return
        self._planning.request(_Plan(history, operation, mask, self._take_dirty()))

    def rank(self) -> None:
        """Look for suspicious neurons; :attr:`ranked` is emitted then."""
        if self.history is not None and not self._ranking.is_busy and not self.is_busy:
            look = self._look("Looking for suspicious neurons")
            self._ranking.request((self.history, self._take_dirty(), look))

    def replay(self, path: Path) -> None:
        """Do the operations of a file; :attr:`replayed` is emitted at the end."""
        if self.history is not None and not self.is_busy:
            self._ranking.drop()  # of neurons that change now
            self._progress.stop()
            self._reading.request(path)

    def _on_read(self, operations: Sequence[Operation]) -> None:
        self._replay = Replay(operations, self._look("Doing the list again", "Operation"))
        self._replay_next()

    def _replay_next(self) -> None:
        replay, history = self._replay, self.history
        if replay is None or history is None:
            return
        operation = replay.take()
        if operation is not None:
            self._begin(history, operation)
            return
        self._end_replay()
        self.replayed.emit(replay.text())

    def _end_replay(self) -> None:
        self._replay = None
        if self.history is not None:
            self._show_labels(self.history)
        self.rested.emit()

    def undo(self) -> None:
        """Take the last operation or stroke back, whichever was later."""
        if self.history is None or self.is_busy:
            return
        if not self._order:
            self._layer.undo()
            return
        self._step_back(self._order, self._undone, is_undo=True)

    def redo(self) -> None:
        """Do the last operation or stroke again that was undone."""
        if self.history is None or self.is_busy:
            return
        if not self._undone:
            self._layer.redo()
            return
        self._step_back(self._undone, self._order, is_undo=False)

    def _step_back(self, former: list[Any], latter: list[Any], *, is_undo: bool) -> None:
        history: Any = self.history
        item, step, said = former[-1], None, ""
        if item is None:
            try:
                step = history.undo() if is_undo else history.redo()
            except UserError as error:
                self.failed.emit(error)
                return
            said = self._follow_in_mask(history, step, is_undo=is_undo)
            self._show_labels(history)
            self._file.save(self._layer, history.lines)
        else:
            self._dirty |= item.slices
            if is_undo:
                self._layer.undo()
            else:
                self._layer.redo()
        latter.append(former.pop())
        self._follow_strokes()
        self.changed.emit(step, said)

    def _show_labels(self, history: History) -> None:
        """Draw the labels as they are now."""
        note_shown(self._layer, self._file.name_of(self._layer), len(history.lines))
        self._layer.refresh()

    def _follow_in_mask(self, history: History, step: Step, *, is_undo: bool) -> str:
        """Change the mask as the neurons were changed; gives what to say of it."""
        count = self._file.name_of(self._layer), len(history.lines)
        try:
            said = self._walls.change(step.mask, count, is_undo=is_undo)
        except UserError as error:
            said = str(error)
        return f" {said}".rstrip()

    def _take_dirty(self) -> set[int]:
        dirty, self._dirty = self._dirty, set()
        return dirty

    def _follow_strokes(self) -> None:
        """Look anew at slices that the brush painted on, before their neurons are shown."""
        if self.history is not None:
            for index in self._take_dirty():
                self.history.neurons.index.look_at_slice(index)

    def _on_painted(self, event: Any) -> None:
        slices = frozenset(edited_slices(event))
        self._dirty |= slices
        self._order.append(_Stroke(slices))
        self._undone.clear()
        self.changed.emit(None, "")

    def _on_loaded(self, loaded: _Loaded) -> None:
        self.history, self.are_slices_linked = loaded.history, loaded.are_slices_linked
        if loaded.problem is not None:
            self._file.forget(loaded.layer)
            self.failed.emit(loaded.problem)
        self._order = [None] * len(loaded.history.operations)
        self._undone = [None] * loaded.history.undone_count
        if loaded.is_of_file:
            self._show_labels(loaded.history)
            self._walls.catch_up(loaded.history, self._file.name_of(loaded.layer))
        self.rested.emit()
        self.loaded.emit()

    def _on_load_failed(self, error: Exception) -> None:
        if isinstance(error, StoppedError):
            self._tell_stopped(error, is_first=True)
            return
        self.rested.emit()
        self.failed.emit(error)
        self.loaded.emit()

    def _on_rank_failed(self, error: Exception) -> None:
        if isinstance(error, StoppedError):
            self._tell_stopped(error, is_first=False)
            return
        self.rested.emit()
        self.failed.emit(error)

    def _tell_stopped(self, error: StoppedError, *, is_first: bool) -> None:
        """Say that a look was stopped; one at a former layer, or former neurons, is none."""
        if self._progress is error.progress:
            self.rested.emit()
            self.stopped.emit(is_first)

    def _plan(self, wanted: _Plan) -> tuple[History, Step]:
        for index in wanted.dirty:
            wanted.history.neurons.index.look_at_slice(index)
        return wanted.history, wanted.history.plan(wanted.operation, wanted.mask)

    def _on_planned(self, planned: tuple[History, Step]) -> None:
        history, step = planned
        if history is not self.history:
            return
        history.take(step)
        said = self._follow_in_mask(history, step, is_undo=False)
        self._order.append(None)
        self._undone.clear()
        if self._replay is not None:
            self._file.save(self._layer, history.lines)
            self._replay_next()
            return
        self._show_labels(history)
        self._file.save(self._layer, history.lines)
        self.changed.emit(step, said)

    def _on_plan_failed(self, error: Exception) -> None:
        if self._replay is not None and isinstance(error, UserError):
            self._replay.refuse(error)
            self._replay_next()
        else:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Say what went wrong; nothing of a list is done after it."""
        if self._replay is not None:
            self._end_replay()
        self.failed.emit(error)

    def _rank(self, request: tuple[History, set[int], Progress]) -> _Ranked:
        history, dirty, look = request
        for index in dirty:
            history.neurons.index.look_at_slice(index)
        return history, find_suspicions(history.neurons, look)

    def _on_ranked(self, found: _Ranked) -> None:
        if found[0] is self.history:
            self.rested.emit()
            self.ranked.emit(found[1])


def _load(request: tuple[Labels, Any, Any, Any, Progress]) -> _Loaded:
    layer, labels, membrane, read, look = request
    index = BodyIndex(labels, look)
    are_linked = index.are_slices_linked
    try:
        lines, saved = read()
        history = History(Neurons(labels, index, membrane), lines, saved)
    except UserError as error:
        history = History(Neurons(labels, index, membrane))
        return _Loaded(layer, history, are_linked, problem=error)
    return _Loaded(layer, history, are_linked, is_of_file=saved is not None)
