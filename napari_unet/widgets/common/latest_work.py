"""The latest of many requests, worked on in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.messages import report

Request = TypeVar("Request")
Result = TypeVar("Result")


class LatestWork(QObject, Generic[Request, Result]):
    """Works on one request at a time in a thread; only the latest of those made meanwhile waits.

    An error ends one request, never those after it.

    Parameters
    ----------
    parent : QObject
        No result comes back once it is deleted.
    work : callable
        Makes the result of a request, in the thread; must touch no widget and no layer's events.
    on_result, on_error : callable
        Called on the window's thread with the result or the exception.
    merge : callable, optional
        Makes one request of the one that waits and the new one, which replaces it by default.
    shows_outdated : bool
        Whether a result is shown although a newer request waits.
    """

    rested = Signal()  # nothing is worked on and nothing waits

    def __init__(
        self,
        parent: QObject,
        work: Callable[[Request], Result],
        on_result: Callable[[Result], None],
        on_error: Callable[[Exception], None] = report,
        *,
        merge: Callable[[Request, Request], Request] | None = None,
        shows_outdated: bool = False,
    ) -> None:
        super().__init__(parent)
        self._work, self._show, self._fail = work, on_result, on_error
        self._merge, self._shows_outdated = merge, shows_outdated
        self._waiting: deque[Request] = deque(maxlen=1)
        self._is_working = self._is_dropped = False

    @property
    def is_busy(self) -> bool:
        """Whether the result of a request is still to come."""
        return bool(self._waiting) or (self._is_working and not self._is_dropped)

    def request(self, request: Request) -> None:
        """Work on this as soon as the work under way has ended."""
        if self._waiting and self._merge is not None:
            request = self._merge(self._waiting.pop(), request)
        self._waiting.append(request)
        if not self._is_working:
            self._start()

    def drop(self) -> None:
        """Forget the request that waits, and the result of the one under way."""
        self._waiting.clear()
        self._is_dropped = self._is_working

    def _start(self) -> None:
        self._is_working = bool(self._waiting)
        self._is_dropped = False
        if self._is_working:
            work = partial(self._work, self._waiting.pop())
            run_in_thread(work, self._on_returned, self._on_failed)
        else:
            self.rested.emit()

    def _on_returned(self, result: Any) -> None:
        is_wanted = self._shows_outdated or not self._waiting
        try:
            if is_wanted and not self._is_dropped:
                self._show(result)
        finally:
            self._start()

    def _on_failed(self, error: Exception) -> None:
        try:
            self._fail(error)
        finally:
            self._start()
