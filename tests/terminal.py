"""A real terminal, and a text that would control it."""

from __future__ import annotations

from pathlib import Path

import pexpect

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\u202e\x9b\rb"
SHOWN = r"a\x1b[2J\x1b]0;owned\x07\x202e\x9b\x0db"


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
