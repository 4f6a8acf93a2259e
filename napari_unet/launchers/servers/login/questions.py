"""What a server asks at a login, and how the question reaches a person: in a terminal, or a window.

A server's words are a stranger's: they are made printable, cut off, and shown as the server's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from training.console import printable

MOST_PROMPTS = 8
MOST_LETTERS = 500
SIGNAL_SECONDS = 0.5  # a signal that comes just before a thread falls asleep does not wake it


@dataclass(frozen=True)
class Prompt:
    """One answer that is asked for, and whether it may be seen as it is typed."""

    text: str
    is_shown: bool


@dataclass(frozen=True)
class LoginQuestion:
    """What a server asks.

    Parameters
    ----------
    server : str
        Whose question it is, as the person's own files call it.
    words : str
        What it says first; may be empty.
    prompts : tuple of Prompt
        What it wants to know.
    """

    server: str
    words: str
    prompts: tuple[Prompt, ...]

    @classmethod
    def of(cls, server: str, words: str, prompts: Sequence[tuple[str, bool]]) -> LoginQuestion:
        """Make one of what a server sent."""
        asked = tuple(Prompt(_readable(text), is_shown) for text, is_shown in prompts)
        return cls(server, _readable(words), asked)


Answers = list[str]
Ask = Callable[[LoginQuestion], Answers | None]
_ask: Ask | None = None


def answer_logins_by(ask: Ask | None) -> None:
    """Have questions answered by a function from now on; None: nobody is there.

    It gets a question, in any thread, and returns as many answers as that has prompts, or None
    where the person doesn't want to answer.
    """
    global _ask
    _ask = ask


def is_anybody_there() -> bool:
    """Whether there is somebody to be asked."""
    return _ask is not None


class UnheardError(Exception):
    """Nobody waits for what a question keeps from going on; it is asked when somebody does."""


class Desk:
    """Passes questions on to the thread that waits for what they keep from going on.

    There a terminal's prompt can be interrupted, as the rest of a command can.
    """

    def __init__(self) -> None:
        self._errands: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_open = True

    def serve(self, future: Future[Any]) -> None:
        """Answer questions in this thread until the future is done."""
        future.add_done_callback(lambda _: self._errands.put(None))
        try:
            while True:
                try:
                    errand = self._errands.get(timeout=SIGNAL_SECONDS)
                except Empty:
                    continue
                if errand is None:
                    return
                errand()
        finally:
            with self._lock:
                self._is_open = False

    def put(self, errand: Callable[[], None]) -> bool:
        """Have the waiting thread do something; False where it waits no longer."""
        with self._lock:
            if self._is_open:
                self._errands.put(errand)
            return self._is_open


DESK: ContextVar[Desk | None] = ContextVar("desk", default=None)
"""Of the thread that waits for the running coroutine, if one does."""


async def ask_person(question: LoginQuestion, desk: Desk | None) -> Answers | None:
    """Ask the person; None where nobody answers.

    Raises
    ------
    UnheardError
        If the thread waits no longer.

    Parameters
    ----------
    question : LoginQuestion
    desk : Desk or None
        Of the thread that waits; None: the question is asked in a thread of its own.
    """
    ask = _ask
    if ask is None:
        return None
    if desk is None:
        return await asyncio.to_thread(ask, question)
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Answers | None] = loop.create_future()

    def settle(answers: Answers | None) -> None:
        if not answered.done():  # it was cancelled: the server hung up meanwhile
            answered.set_result(answers)

    def errand() -> None:
        answers = None
        try:
            answers = ask(question)
        finally:
            loop.call_soon_threadsafe(settle, answers)

    if not desk.put(errand):
        raise UnheardError
    return await answered


def _readable(text: str) -> str:
    return printable(text)[:MOST_LETTERS].strip()
