"""A real terminal, and a text that would control it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pexpect

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\u202e\x9b\rb"
SHOWN = r"a\x1b[2J\x1b]0;owned\x07\x202e\x9b\x0db"


def start_on_terminal(arguments: Iterable[object], until: str) -> pexpect.spawn:
    """Start a command on a terminal, and wait for what it writes, a regular expression."""
    program, *others = map(str, arguments)
    terminal = pexpect.spawn(program, others, timeout=120, encoding="utf-8", dimensions=(24, 400))
    terminal.expect(until)
    return terminal


def interrupt(terminal: pexpect.spawn) -> tuple[int | None, str]:
    """Press Ctrl-C; give the exit code, and what the command wrote after that."""
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus, terminal.before


def on_terminal(folder: Path, *arguments: str) -> str:
    """Give what a command writes to a terminal; nothing in it may control the terminal."""
    program, *others = arguments
    terminal = pexpect.spawn(
        program, others, cwd=str(folder), timeout=120, encoding="utf-8", dimensions=(24, 400)
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    text = terminal.before
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text), text
    return text
