"""One event loop in a thread of its own, that the launchers' ordinary methods wait for."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from napari_unet.launchers.servers.login.questions import DESK, Desk

TIDY_SECONDS = 10

Result = TypeVar("Result")


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_pass_over_lost_requests)
    threading.Thread(target=loop.run_forever, name="servers", daemon=True).start()
    return loop


def _pass_over_lost_requests(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what asyncssh's own tasks raise when a connection breaks: others report it."""
    import asyncssh

    if not isinstance(context.get("exception"), asyncssh.Error):
        loop.default_exception_handler(context)


def begin(coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
    """Start a coroutine in the background."""
    return asyncio.run_coroutine_threadsafe(coroutine, _event_loop())


def wait_for(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in the background and wait for its result, or raise its exception.

    An interruption of the waiting, such as Ctrl-C, cancels the coroutine, and waits some seconds
    until it has removed what it had begun. What a server asks at a login is answered here.
    """
    desk = Desk()
    is_waited_for: Future[None] = Future()
    is_over = threading.Event()

    async def run() -> Result:
        try:
            await asyncio.wrap_future(is_waited_for)
            return await coroutine
        finally:
            coroutine.close()  # where it never began
            is_over.set()

    future: Future[Result] | None = None
    token = DESK.set(desk)  # the coroutine has a copy
    try:
        future = begin(run())
        is_waited_for.set_result(None)  # from here on an interruption knows what to cancel
        desk.serve(future)
        return future.result()
    except BaseException:
        is_waited_for.cancel()
        if future is not None and future.cancel():
            is_over.wait(TIDY_SECONDS)
        raise
    finally:
        DESK.reset(token)
