"""Operations on a layer of neurons: found in a thread, done on the window's, undone in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.layers.plugin_layers import why_not_paintable
from napari_unet.layers.slices import edited_slices
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.history import History, Step
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation
from napari_unet.proofreading.suspicion import Suspicion, find_suspicions
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.proofread.operation_file import OperationFile
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
    problem: UserError | None


class Mending(QObject):
    """Holds one layer of neurons, with the history of what was done to it.

    Attributes
    ----------
    history : History or None
        None while the layer is being read, or where there is none.
    """

    loaded = Signal()
    changed = Signal(object)  # Step, or None for a stroke of the brush
    failed = Signal(Exception)
    ranked = Signal(object)  # list of Suspicion

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.history: History | None = None
        self._layer: Any = None
        self._membrane: Image | None = None
        self._dirty: set[int] = set()
        self._order: list[_Stroke | None] = []  # None: an operation of the history
        self._undone: list[_Stroke | None] = []
        self._events = Connections(self)
        self._file = OperationFile(parent, self.failed.emit)
        self._loading = LatestWork(self, _load, self._on_loaded, self._on_load_failed)
        self._starting = QTimer(self)
        self._starting.setSingleShot(True)
        self._starting.timeout.connect(self._load_layer)
        self._planning = LatestWork(self, self._plan, self._on_planned, self.failed.emit)
        self._ranking = LatestWork(self, self._rank, self._on_ranked, self.failed.emit)

    @property
    def is_loading(self) -> bool:
        return self._loading.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether an operation is being found."""
        return self._planning.is_busy

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
        for work in (self._loading, self._planning, self._ranking):
            work.drop()
        self.history, self._layer, self._membrane = None, layer, membrane
        self._order, self._undone, self._dirty = [], [], set()
        if layer is None or why_not_mendable(layer):
            return
        self._events.add(layer.events.paint, self._on_painted)
        # A project adds its layers before it is open: its file is found once it is.
        self._starting.start()

    def _load_layer(self) -> None:
        layer, membrane = self._layer, self._membrane
        pixels = None if membrane is None else as_stack(membrane.data)
        read = partial(self._file.read, layer, self._file.path_of(layer))
        self._loading.request((layer, as_stack(layer.data), pixels, read))

    def forget(self, layer: Labels) -> None:
        """Begin a new list of operations on a layer that was given other pixels."""
        self._file.forget(layer)

    def request(self, operation: Operation) -> None:
        """Do an operation as soon as it is found what it changes."""
        if self.history is not None and not self.is_busy:
            self._planning.request((self.history, operation, self._take_dirty()))

    def rank(self) -> None:
        """Look for suspicious neurons; :attr:`ranked` is emitted then."""
        if self.history is not None and not self._ranking.is_busy:
            self._ranking.request((self.history, self._take_dirty()))

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
        item, step = former[-1], None
        if item is None:
            try:
                step = history.undo() if is_undo else history.redo()
            except UserError as error:
                self.failed.emit(error)
                return
            self._file.save(self._layer, history.lines)
            self._layer.refresh()
        else:
            self._dirty |= item.slices
            if is_undo:
                self._layer.undo()
            else:
                self._layer.redo()
        latter.append(former.pop())
        self._follow_strokes()
        self.changed.emit(step)

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
        self.changed.emit(None)

    def _on_loaded(self, loaded: _Loaded) -> None:
        self.history = loaded.history
        if loaded.problem is not None:
            self._file.forget(loaded.layer)
            self.failed.emit(loaded.problem)
        self._order = [None] * len(loaded.history.operations)
        self._undone = [None] * loaded.history.undone_count
        self._layer.refresh()
        self.loaded.emit()

    def _on_load_failed(self, error: Exception) -> None:
        self.failed.emit(error)
        self.loaded.emit()

    def _plan(self, request: tuple[History, Operation, set[int]]) -> tuple[History, Step]:
        history, operation, dirty = request
        for index in dirty:
            history.neurons.index.look_at_slice(index)
        return history, history.plan(operation)

    def _on_planned(self, planned: tuple[History, Step]) -> None:
        history, step = planned
        if history is not self.history:
            return
        history.take(step)
        self._order.append(None)
        self._undone.clear()
        self._file.save(self._layer, history.lines)
        self._layer.refresh()
        self.changed.emit(step)

    def _rank(self, request: tuple[History, set[int]]) -> tuple[History, list[Suspicion]]:
        history, dirty = request
        for index in dirty:
            history.neurons.index.look_at_slice(index)
        return history, find_suspicions(history.neurons)

    def _on_ranked(self, found: tuple[History, list[Suspicion]]) -> None:
        if found[0] is self.history:
            self.ranked.emit(found[1])


def why_not_mendable(layer: Labels) -> str:
    """Say why neurons of a layer can't be mended; empty where they can."""
    problem = why_not_paintable(layer)
    if not problem and not isinstance(layer.data, np.ndarray):
        problem = (
            f"'{layer.name}' is read from its file bit by bit, and is not mended there: "
            "open the region to mend as labels in memory."
        )
    elif not problem and not layer.data.flags.writeable:
        problem = f"'{layer.name}' can't be written to: duplicate the layer, and mend the copy."
    elif not problem and not layer.data.flags.c_contiguous:
        problem = f"'{layer.name}' is a view of other pixels: duplicate it, and mend the copy."
    elif not problem and layer.data.dtype.kind not in "iu":
        problem = f"'{layer.name}' has no whole numbers for ids: convert it to integers."
    return problem


def _load(request: tuple[Labels, Any, Any, Any]) -> _Loaded:
    layer, labels, membrane, read = request
    index = BodyIndex(labels)
    try:
        return _Loaded(layer, History(Neurons(labels, index, membrane), read()), None)
    except UserError as error:
        return _Loaded(layer, History(Neurons(labels, index, membrane)), error)
