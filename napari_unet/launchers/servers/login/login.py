"""One login to a server: what it asks is put to the person, and a password is kept in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_unet.launchers.servers.login.questions import (
    DESK,
    MOST_PROMPTS,
    LoginQuestion,
    UnheardError,
    ask_person,
    is_anybody_there,
)

if TYPE_CHECKING:
    import asyncssh

Address = tuple[str, int, str]  # host, port, user
MOST_QUESTIONS = 8
_PASSWORD = re.compile(r"passwor[dt]\b|kennwort", re.IGNORECASE)
_ONCE = re.compile(r"one.?time|otp\b|token|code|factor|new ", re.IGNORECASE)

_passwords: dict[Address, str] = {}
_connections: dict[Address, asyncssh.SSHClientConnection] = {}


class Login:
    """The questions of one login, of one server on the way.

    Parameters
    ----------
    server : str
        As the person's own files call it.
    address : Address
    limit : asyncio.Timeout
        Of the whole; it stands still while a person thinks.
    seconds : float
        How long it may go on after an answer.

    Attributes
    ----------
    is_wanted : bool
        Whether the server asked for more than a key.
    is_answered, is_declined : bool
        Whether a person, or a password that is kept, has answered, or didn't want to.
    is_unheard : bool
        Whether nobody waits for the connection any more.
    """

    def __init__(
        self, server: str, address: Address, limit: asyncio.Timeout, seconds: float
    ) -> None:
        self._server = server
        self._address = address
        self._limit = limit
        self._seconds = seconds
        self._desk = DESK.get()
        self._questions = 0
        self._typed = ""
        self.is_wanted = self.is_answered = self.is_declined = self.is_unheard = False

    def may_ask(self) -> bool:
        """Note that the server asks for more than a key, and say whether anybody can answer."""
        self.is_wanted = True
        return not (self.is_declined or self.is_unheard) and (
            is_anybody_there() or self._address in _passwords
        )

    async def answer(self, words: str, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        """Answer what a server asks; None ends this way of logging in.

        A password that was right before is given once, and asked for after that; a code is
        asked for each time.
        """
        self._questions += 1
        if len(prompts) > MOST_PROMPTS or self._questions > MOST_QUESTIONS:
            return None
        if not prompts:  # a notice
            return []
        question = LoginQuestion.of(self._server, words, prompts)
        kept = [self._take_kept(prompt.text, prompt.is_shown) for prompt in question.prompts]
        asked = tuple(prompt for prompt, has in zip(question.prompts, kept, strict=True) if not has)
        typed: list[str] | None = []
        if asked:
            typed = await self._ask(LoginQuestion(self._server, question.words, asked))
        if typed is None or len(typed) != len(asked):
            self.is_declined = is_anybody_there() and not self.is_unheard
            return None
        self.is_answered = True
        for prompt, answer in zip(asked, typed, strict=True):
            if _is_password(prompt.text, prompt.is_shown):
                self._typed = answer
        rest = iter(typed)
        return [has or next(rest) for has in kept]

    def keep(self, connection: asyncssh.SSHClientConnection) -> None:
        """Keep a connection that took a person's answers, and the password, for what follows."""
        if not self.is_answered:
            return
        _connections[self._address] = connection
        if self._typed:
            _passwords[self._address] = self._typed

    def _take_kept(self, prompt: str, is_shown: bool) -> str:
        """The password that was right before, once: it is forgotten unless it is right again."""
        if not _is_password(prompt, is_shown):
            return ""
        self._typed = _passwords.pop(self._address, "")
        return self._typed

    async def _ask(self, question: LoginQuestion) -> list[str] | None:
        self._limit.reschedule(None)
        try:
            return await ask_person(question, self._desk)
        except UnheardError:
            self.is_unheard = True
            return None
        finally:
            with suppress(RuntimeError):  # the server hung up, and the login is over
                self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)


def kept_connection(address: Address) -> asyncssh.SSHClientConnection | None:
    """The open connection to an address whose questions a person has answered, if there is one."""
    connection = _connections.get(address)
    if connection is None or connection.is_closed():
        _connections.pop(address, None)
        return None
    return connection


def is_kept(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether a connection is kept for what follows."""
    return connection in _connections.values()


def _is_password(prompt: str, is_shown: bool) -> bool:
    return not is_shown and bool(_PASSWORD.search(prompt)) and not _ONCE.search(prompt)
