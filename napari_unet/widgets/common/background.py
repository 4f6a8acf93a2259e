"""Work in another thread, with its result back on the window's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from superqt.utils import FunctionWorker, GeneratorWorker, create_worker

from napari_unet.settings import Settings, remember
from napari_unet.widgets.common.messages import report

_working: set[Any] = set()  # their signals must live until all of them have come


def run_in_thread(
    function: Callable[[], Any],
    on_result: Callable[[Any], None],
    on_error: Callable[[Exception], None] = report,
) -> FunctionWorker[Any]:
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
    # superqt's and not napari's, whose workers outlive their work, with all that it refers to.
    worker: FunctionWorker[Any] = create_worker(function, _ignore_errors=True, _start_thread=False)
    worker.returned.connect(on_result)
    worker.errored.connect(on_error)
    start(worker)
    return worker


def remember_in_thread(choices: Settings) -> None:
    """Remember choices in a thread, because the disk or another process may keep it waiting."""
    run_in_thread(partial(remember, choices), lambda _: None)


def start(worker: Any) -> None:
    """Start a worker in a thread of its own; connect its signals before.

    ``worker.start()`` would take a thread of Qt's own pool, which has one a core. Qt scales
    pictures with that pool too, and the window's thread waits for them with Python's lock in
    hand: where workers fill the pool, all of them wait forever.
    """
    _working.add(worker)
    worker.finished.connect(partial(_working.discard, worker))
    # What can't be quit, such as the writing of a file, is finished before Python exits.
    can_be_quit = isinstance(worker, GeneratorWorker)
    threading.Thread(target=worker.run, name="napari-unet", daemon=can_be_quit).start()
