"""One change of neurons in a thread: the displayed slice first, then all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMainWindow

from napari_unet.layers.followed_operations import follow
from napari_unet.proofreading.edits import Order
from napari_unet.proofreading.history import History, Step
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.proofread.mask_walls import Masks, change_mask
from napari_unet.widgets.proofread.operation_file import name_of, session_of


class Change(QObject):
    """An operation, or its undo or redo, on one layer.

    It is drawn and saved even if the dock was closed or shows another layer by then.

    Parameters
    ----------
    layer : Labels
        The neurons.
    history : History
        Of these.
    plan : callable
        Finds in the thread what is to be done, and gives a function that does it in an order of
        slices.
    is_undo : bool
    dirty : set of int
        Slices that the brush painted on.
    masks : dict
        Those that can follow.
    window : QMainWindow, optional
        The project that it has open then saves what was changed.

    Attributes
    ----------
    displayed : int or None
        The slice that is changed next, if it is not yet.
    is_wanted : bool
        Whether it is to be done once it is planned.
    """

    _drawn = Signal()
    seen = Signal()  # the displayed slice is changed and drawn
    done = Signal(object, str)  # Step; what to say of the mask
    failed = Signal(Exception)
    ended = Signal()  # after the others, whether or not anything was done

    def __init__(
        self,
        layer: Labels,
        history: History,
        plan: Callable[[], Callable[[Order], Step | None]],
        *,
        is_undo: bool,
        dirty: set[int],
        masks: Masks,
        window: QMainWindow | None,
    ) -> None:
        super().__init__()
        self._layer, self._history, self._plan = layer, history, plan
        self._is_undo, self._dirty, self._masks = is_undo, dirty, masks
        self._window = window
        self.displayed: int | None = None
        self.is_wanted = True
        self._drawn.connect(self._draw)

    def start(self) -> None:
        """Begin; the neurons count as mended from now on."""
        name_of(self._layer)
        _running.add(self)
        run_in_thread(self._run, self._on_done, self._on_failed)

    def _run(self) -> tuple[Step, str] | None:
        history = self._history
        with history.lines.under_way:
            for index in self._dirty:
                history.neurons.index.look_at_slice(index)
        act = self._plan()
        with history.lines.under_way:  # nothing is saved until its line is in the list
            step = act(self._order) if self.is_wanted else None
            if step is None:
                return None
            if step.mask is None:
                return step, ""
            return step, f" {change_mask(self._masks, step.mask, is_undo=self._is_undo)}"

    def _order(self, slices: Sequence[int]) -> Iterator[int]:
        left = set(slices)
        while left:
            index = self.displayed if self.displayed in left else min(left)
            yield index
            left.discard(index)
            if index == self.displayed and left:
                self._drawn.emit()

    def _draw(self) -> None:
        self._layer.refresh()
        self.seen.emit()

    def _on_done(self, result: tuple[Step, str] | None) -> None:
        if result is not None:
            self._show(result[0])
            session = session_of(self._window)
            if session is not None:
                session.save()
            self.done.emit(*result)
        self._end()

    def _show(self, step: Step) -> None:
        """Draw what was changed, and note it for what is saved."""
        name, lines = name_of(self._layer), self._history.lines
        follow(self._layer, name, lines)
        self._layer.refresh()
        mask = None if step.mask is None else self._masks.get(step.mask.name)
        if mask is not None:
            follow(mask, name, lines, before=len(lines) - 1)
            mask.refresh()

    def _on_failed(self, error: Exception) -> None:
        self._layer.refresh()  # what was changed first is as before
        self.failed.emit(error)
        self._end()

    def _end(self) -> None:
        _running.discard(self)
        self.ended.emit()


_running: set[Any] = set()  # a dock that is closed holds its change no more
