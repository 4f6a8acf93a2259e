"""Work in other threads, with its progress and its results on the window's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from inspect import isgeneratorfunction
from typing import Any

from napari.utils import progress
from qtpy.QtCore import QObject, Signal

from napari_unet.settings import Settings, remember
from napari_unet.text import progress_text
from napari_unet.widgets.common.messages import report

_working: set[Worker] = set()  # their signals must live until all of them have come


class StoppedError(Exception):
    """A person has stopped the work, or it is not wanted any more; what was there is kept."""

    def __init__(self, progress: Progress) -> None:
        super().__init__("The work was stopped.")
        self.progress = progress


class Progress:
    """Counts parts in the thread that works; the window's thread reads it, and may stop it.

    Parameters
    ----------
    what : str
        What a part is called.
    """

    def __init__(self, what: str = "Slice") -> None:
        self.done = self.total = 0
        self.is_stopped = False
        self._what, self._begin = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Note the parts done, and of all.

        Raises
        ------
        StoppedError
            If the work is to end.
        """
        self.done, self.total = done, total
        if self.is_stopped:
            raise StoppedError(self)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begin

    def stop(self) -> None:
        """End the work after the part under way."""
        self.is_stopped = True

    def text(self) -> str:
        """Say how many parts are done, and how long the rest takes; empty before the first."""
        if not self.done:
            return ""
        return progress_text(self.done, self.total, self.elapsed, self._what)


class Worker(QObject):
    """Calls a function in a thread of its own; connect its signals before :meth:`start`.

    superqt's workers, which napari's are, are not used, because they change how the whole process
    shows warnings while they work, which stays so where two of them overlap; because they end
    without a word where a generator raises RuntimeError; and because they take a thread of Qt's
    own pool, which has one a core: Qt scales pictures with that pool too, and the window's thread
    waits for them with Python's lock in hand.

    Parameters
    ----------
    work : callable
        Must touch no widget and no layer's events. What a generator yields is told as it comes.
    *arguments
        It is called with them.
    """

    yielded = Signal(object)
    returned = Signal(object)  # not after quit()
    errored = Signal(object)  # the exception
    finished = Signal()  # after all others

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        super().__init__()
        self._work, self._arguments = work, arguments
        self._is_quit = False
        # What can't be quit, such as the writing of a file, is finished before Python exits.
        can_be_quit = isgeneratorfunction(work)
        self._thread = threading.Thread(target=self._run, name="napari-unet", daemon=can_be_quit)

    def start(self) -> None:
        """Begin."""
        _working.add(self)
        self.finished.connect(self._end)
        self._thread.start()

    def quit(self) -> None:
        """End a generator where it yields next."""
        self._is_quit = True

    def show_activity(self, description: str, total: int) -> None:
        """Show in napari's activity bar how many times it has yielded; 0: of an unknown total."""
        bar = progress(total=total, desc=description)
        self.yielded.connect(lambda _: bar.update())
        self.finished.connect(bar.close)

    def _run(self) -> None:
        try:
            result = self._work(*self._arguments)
            if isinstance(result, Generator):
                result = self._exhaust(result)
            if not self._is_quit:
                self.returned.emit(result)
        except Exception as error:
            self.errored.emit(error)
        self.finished.emit()

    def _exhaust(self, steps: Generator[Any, None, Any]) -> Any:
        """Go on until it has ended, or is to quit."""
        try:
            while not self._is_quit:
                self.yielded.emit(next(steps))
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
        return None

    def _end(self) -> None:
        self._thread.join()  # it must not be the last to hold what is of the window's thread
        _working.discard(self)


def run_in_thread(
    function: Callable[[], Any],
    on_result: Callable[[Any], None],
    on_error: Callable[[Exception], None] = report,
) -> None:
    """Call a function in another thread.

    Parameters
    ----------
    function : callable
        Must touch no widget and no layer's events.
    on_result : callable
        Called with its result on the window's thread; give a widget's method, so that it is
        not called once the widget is gone.
    on_error : callable
        Called with its exception on the window's thread; shows it by default.
    """
    worker = Worker(function)
    worker.returned.connect(on_result)
    worker.errored.connect(on_error)
    worker.start()


def remember_in_thread(choices: Settings) -> None:
    """Remember choices in a thread, because the disk or another process may keep it waiting."""
    run_in_thread(partial(remember, choices), lambda _: None)
