"""Changes of a layer of neurons, one after the other, and what is asked for meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet.proofreading.history import Step
from napari_unet.widgets.proofread.changing import Change

Action = Callable[[], None]


class ChangeQueue(QObject):
    """Has one change under way at a time; what is asked for meanwhile is done after it, in order.

    Parameters
    ----------
    is_held : callable
        Whether all that is asked for waits, though no change is under way; :meth:`go_on` is to be
        called once it does not.
    parent : QObject
    """

    seen = Signal()  # the displayed slice is changed and drawn
    ended = Signal()  # a change, whether or not anything was done

    def __init__(self, is_held: Callable[[], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._is_held = is_held
        self._change: Change | None = None
        self._on_done: Callable[[Step, str], None]
        self._on_failed: Callable[[Exception], None]
        self._notes: deque[Action] = deque()
        self._waiting: deque[Action] = deque()

    @property
    def is_changing(self) -> bool:
        return self._change is not None

    def ask(self, action: Action) -> None:
        """Do this at once, or after all that was asked for before."""
        self._waiting.append(action)
        self.go_on()

    def note(self, action: Action) -> None:
        """Do this at once, or right after the change under way: it begins no other."""
        self._notes.append(action)
        self._note_all()

    def go_on(self) -> None:
        """Do what waits, up to the next change."""
        while self._waiting and not self.is_changing and not self._is_held():
            self._waiting.popleft()()

    def _note_all(self) -> None:
        while self._notes and not self.is_changing:
            self._notes.popleft()()

    def start(
        self,
        change: Change,
        on_done: Callable[[Step, str], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        """Begin a change, where none is under way."""
        self._change, self._on_done, self._on_failed = change, on_done, on_failed
        change.seen.connect(self.seen)
        change.done.connect(self._take_step)
        change.failed.connect(self._take_error)
        change.ended.connect(self._end)
        change.start()

    def change_first(self, index: int | None) -> None:
        """Let this slice be changed next, if it is not yet."""
        if self._change is not None:
            self._change.displayed = index

    def let_go(self) -> None:
        """Want no more of the change under way; what is begun of it is done without this."""
        self._waiting.clear()
        self._notes.clear()
        change, self._change = self._change, None
        if change is not None:
            change.is_wanted = False
            for signal in (change.seen, change.done, change.failed, change.ended):
                signal.disconnect()

    def _take_step(self, step: Any, said: str) -> None:
        self._change = None
        self._on_done(step, said)

    def _take_error(self, error: Exception) -> None:
        self._change = None
        self._on_failed(error)

    def _end(self) -> None:
        self._change = None  # nothing was left to be done
        self._note_all()
        self.ended.emit()
        self.go_on()
