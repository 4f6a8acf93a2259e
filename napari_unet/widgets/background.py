"""Work in another thread, with its result back on the window's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from superqt.utils import FunctionWorker, create_worker

from napari_unet.widgets.messages import report


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
    worker: FunctionWorker[Any] = create_worker(function, _ignore_errors=True, _start_thread=False)
    worker.returned.connect(on_result)
    worker.errored.connect(on_error)
    worker.start()
    return worker
