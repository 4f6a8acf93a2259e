"""Operations on a layer of neurons: asked for, done and undone, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.layers.followed_operations import follow
from napari_unet.layers.slices import displayed_slice, edited_slices, full_resolution
from napari_unet.proofreading.edits import OnPart, Order
from napari_unet.proofreading.history import History, Step
from napari_unet.proofreading.operations import Kind, Operation
from napari_unet.proofreading.suspicion import Suspicion, find_suspicions
from napari_unet.widgets.common.background import Progress, StoppedError
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.project.dock import main_window
from napari_unet.widgets.proofread.change_queue import ChangeQueue
from napari_unet.widgets.proofread.changing import Change
from napari_unet.widgets.proofread.loading import Loaded, ToLoad, load
from napari_unet.widgets.proofread.mask_walls import MaskWalls
from napari_unet.widgets.proofread.mendable import why_not_mendable
from napari_unet.widgets.proofread.operation_file import (
    folder_of,
    forget,
    list_of,
    name_of,
    session_of,
    take_apart,
)
from napari_unet.widgets.proofread.replay import Replay, read_operations
from napari_unet.widgets.proofread.wording import TITLES
from training.errors import UserError
from training.stacks.stack_axes import as_stack


@dataclass(frozen=True)
class _Stroke:
    """A stroke of napari's brush among the operations, and the slices that it painted on."""

    slices: frozenset[int]


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

    looking = Signal(str, object)  # what is done, and its Progress, until ``rested``
    rested = Signal()
    stopped = Signal(bool)  # a look, by a person; whether it was the first one
    loaded = Signal()
    seen = Signal()  # an operation has changed the displayed slice
    # Step, or None for a stroke of the brush; what to add; whether it was taken back
    changed = Signal(object, str, bool)
    went_back = Signal(object)  # list of int: the slices that an undo or redo changed
    failed = Signal(Exception)
    ranked = Signal(object)  # list of Suspicion
    replayed = Signal(str)  # what became of a list of operations

    def __init__(self, viewer: Viewer, walls: MaskWalls, parent: Any) -> None:
        super().__init__(parent)
        self._viewer, self._walls, self._widget = viewer, walls, parent
        self.history: History | None = None
        self.are_slices_linked = True
        self._layer: Any = None
        self._membrane: Image | None = None
        self._dirty: set[int] = set()
        self._order: list[_Stroke | None] = []  # None: an operation of the history
        self._undone: list[_Stroke | None] = []
        self._queue = ChangeQueue(lambda: self._is_replaying, self)
        self._queue.seen.connect(self.seen)
        self._queue.ended.connect(self._on_ended)
        self._progress = Progress()
        self._events = Connections(self)
        self._loading = LatestWork(self, load, self._on_loaded, self._on_load_failed)
        self._starting = QTimer(self)
        self._starting.setSingleShot(True)
        self._starting.timeout.connect(self._load_layer)
        self._replay: Replay | None = None
        self._reading = LatestWork(self, read_operations, self._on_read, self.failed.emit)
        self._reading.rested.connect(self._queue.go_on)
        self._ranking = LatestWork(self, self._rank, self._on_ranked, self._on_rank_failed)
        events = Connections(self)
        events.add(viewer.dims.events.current_step, self._follow_slider)
        events.add(viewer.layers.events.inserted, self._on_inserted)

    @property
    def _is_replaying(self) -> bool:
        """Whether a list of operations is read or done."""
        return self._reading.is_busy or self._replay is not None

    @property
    def folder(self) -> Path | None:
        """Where the open project keeps its lists of operations; None without one."""
        return folder_of(session_of(main_window(self._widget)))

    @property
    def can_undo(self) -> bool:
        return self.history is not None and bool(self._order or self._queue.is_changing)

    @property
    def can_redo(self) -> bool:
        return self.history is not None and bool(self._undone)

    def hold(self, layer: Labels | None, membrane: Image | None) -> None:
        """Mend this layer from now on; :attr:`loaded` is emitted when that can begin."""
        self._events.clear()
        self._starting.stop()
        for work in (self._loading, self._ranking, self._reading):
            work.drop()
        self._queue.let_go()
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
        take_apart(layer, self._viewer.layers)
        look = self._look("Looking at the neurons")
        self._loading.request(
            ToLoad(layer, list_of(layer), as_stack(layer.data), pixels, self._walls.masks(), look)
        )

    def _look(self, title: str, what: str = "Slice") -> Progress:
        self._progress = Progress(what)
        self.looking.emit(title, self._progress)
        return self._progress

    def forget(self, layer: Labels) -> None:
        """Begin a new list of operations on a layer that was given other pixels."""
        self._replay = None
        forget(layer)

    def request(self, operation: Operation) -> None:
        """Do an operation, after those under way."""
        self._ask(lambda: self._begin(operation))

    def request_for(self, kind: Kind, bodies: Sequence[int]) -> None:
        """Do an operation on neurons as they are after those under way."""
        chosen = [*bodies]

        def begin() -> None:
            neurons = self.history.neurons if self.history is not None else None
            points = [neurons.point_in(body) for body in chosen] if neurons is not None else []
            if None in points:
                self._fail(UserError("The neuron is not there any more.", "Click another one."))
                return
            self._begin(Operation(kind=kind, strokes=(tuple(filter(None, points)),)))

        self._ask(begin)

    def when_done(self, action: Callable[[Lock], None]) -> None:
        """Call this once what was asked for is done, with a lock that keeps further from it."""
        history = self.history
        if history is not None:
            self._ask(lambda: action(history.lines.under_way))

    def _ask(self, action: Callable[[], None]) -> None:
        """Do this at once, or after what is under way."""
        if self.history is not None and not self._is_replaying:
            self._queue.ask(action)

    def _begin(self, operation: Operation) -> None:
        history: Any = self.history
        try:
            mask = self._walls.wanted()
        except UserError as error:
            self._fail(error)
            return

        def plan(on_part: OnPart) -> Callable[[Order], Step | None]:
            return partial(history.take, history.plan(operation, mask, on_part))

        self._start(plan, TITLES[operation.kind], is_undo=False, on_done=self._on_done)

    def _start(
        self,
        plan: Callable[[OnPart], Callable[[Order], Step | None]],
        title: str,
        *,
        is_undo: bool,
        on_done: Callable[[Step, str], None],
    ) -> None:
        history: Any = self.history
        change = Change(
            self._layer,
            history,
            plan,
            is_undo=is_undo,
            dirty=self._take_dirty(),
            masks=self._walls.masks(),
            window=main_window(self._widget),
        )
        if self._shows_changes:
            self.looking.emit(title, change.progress)
        change.displayed = self._displayed
        self._queue.start(change, on_done, self._on_change_failed)

    @property
    def _shows_changes(self) -> bool:
        """Whether a change shows how far it is: nothing else does."""
        return not self._ranking.is_busy and self._replay is None

    @property
    def _displayed(self) -> int | None:
        is_shown = self._layer in self._viewer.layers
        return displayed_slice(self._viewer, self._layer) if is_shown else None

    def _follow_slider(self, _: object = None) -> None:
        """Change the displayed slice first."""
        if self._queue.is_changing:
            self._queue.change_first(self._displayed)

    def _on_inserted(self, event: Any) -> None:
        """Let a layer that was duplicated have operations of its own from now on."""
        take_apart(event.value, self._viewer.layers)

    def rank(self) -> None:
        """Look for suspicious neurons; :attr:`ranked` is emitted then."""
        self._ask(self._begin_ranking)

    def _begin_ranking(self) -> None:
        if self.history is not None and not self._ranking.is_busy:
            look = self._look("Looking for suspicious neurons")
            self._ranking.request((self.history, self._take_dirty(), look))

    def replay(self, path: Path) -> None:
        """Do the operations of a file; :attr:`replayed` is emitted at the end."""
        self._ask(partial(self._begin_list, path))

    def _begin_list(self, path: Path) -> None:
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
            self._begin(operation)
            return
        self._end_replay()
        self.replayed.emit(replay.text())

    def _end_replay(self) -> None:
        self._replay = None
        self.rested.emit()

    def undo(self) -> None:
        """Take the last operation or stroke back, whichever was later."""
        self._ask(lambda: self._step_back(self._order, self._undone, is_undo=True))

    def redo(self) -> None:
        """Do the last operation or stroke again that was undone."""
        self._ask(lambda: self._step_back(self._undone, self._order, is_undo=False))

    def _step_back(self, former: list[Any], latter: list[Any], *, is_undo: bool) -> None:
        history: Any = self.history
        brush = self._layer.undo if is_undo else self._layer.redo
        if not former:
            brush()
        elif former[-1] is None:
            step_back = history.undo if is_undo else history.redo

            def on_done(step: Step, said: str) -> None:
                latter.append(former.pop())
                self._tell(step, said, is_undo=is_undo)
                if step.edit is not None:
                    self.went_back.emit(step.edit.slices(history.neurons.labels.shape))

            title = "Undoing" if is_undo else "Doing it again"
            self._start(lambda _: step_back, title, is_undo=is_undo, on_done=on_done)
        else:
            slices = former[-1].slices
            self._dirty |= slices
            brush()
            latter.append(former.pop())
            self._tell(None, "", is_undo=is_undo)
            self.went_back.emit(sorted(slices))

    def _tell(self, step: Step | None, said: str, *, is_undo: bool = False) -> None:
        """Say what was changed, once the slices are looked at that the brush painted on."""
        for index in self._take_dirty():
            if self.history is not None:
                self.history.neurons.index.look_at_slice(index)
        self.changed.emit(step, said, is_undo)

    def _take_dirty(self) -> set[int]:
        dirty, self._dirty = self._dirty, set()
        return dirty

    def _on_painted(self, event: Any) -> None:
        slices = frozenset(edited_slices(event))
        self._dirty |= slices
        self._queue.note(partial(self._note_stroke, slices))

    def _note_stroke(self, slices: frozenset[int]) -> None:
        self._order.append(_Stroke(slices))
        self._undone.clear()
        self.changed.emit(None, "", False)

    def _on_loaded(self, loaded: Loaded) -> None:
        self.history, self.are_slices_linked = loaded.history, loaded.are_slices_linked
        if loaded.problem is not None:
            self.failed.emit(loaded.problem)
        self._order = [None] * loaded.history.done_count
        self._undone = [None] * loaded.history.undone_count
        if len(loaded.history.lines):
            name = name_of(loaded.layer)
            for layer in (loaded.layer, *loaded.masks):
                follow(layer, name, loaded.history.lines)
                layer.refresh()
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

    def _on_done(self, step: Step, said: str) -> None:
        self._order.append(None)
        self._undone.clear()
        if self._replay is None:
            self._tell(step, said)

    def _on_change_failed(self, error: Exception) -> None:
        if isinstance(error, StoppedError):
            error = UserError("Stopped: nothing was changed.")
        if self._replay is not None and isinstance(error, UserError):
            self._replay.refuse(error)
        else:
            self._fail(error)

    def _on_ended(self) -> None:
        if self._shows_changes:
            self.rested.emit()
        self._replay_next()

    def _fail(self, error: Exception) -> None:
        """Say what went wrong; nothing of a list is done after it."""
        if self._replay is not None:
            self._end_replay()
        self.failed.emit(error)

    def _rank(self, request: tuple[History, set[int], Progress]) -> _Ranked:
        history, dirty, look = request
        with history.lines.under_way:
            for index in dirty:
                history.neurons.index.look_at_slice(index)
        return history, find_suspicions(history.neurons, look)

    def _on_ranked(self, found: _Ranked) -> None:
        if found[0] is self.history:
            self.rested.emit()
            self.ranked.emit(found[1])
