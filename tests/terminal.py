"""A real terminal, and a text that would control it."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pexpect
import ptyprocess

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\u202e\x9b\rb"
SHOWN = r"a\x1b[2J\x1b]0;owned\x07\x202e\x9b\x0db"


class Terminal(pexpect.spawn):
    """A command on a terminal of its own.

    It is spawned, and not forked: a fork of a process that has predicted may crash, for it has
    OpenVINO's threads.
    """

    def _spawnpty(
        self, args: list[Any], env: Any = None, cwd: Any = None, **options: Any
    ) -> ptyprocess.PtyProcess:
        screen, ends = os.openpty()
        termios.tcsetwinsize(ends, options.get("dimensions", (24, 80)))
        command = ["env", f"--chdir={cwd or '.'}", "setsid", "--ctty", *args]
        streams = [(os.POSIX_SPAWN_DUP2, ends, number) for number in range(3)]
        pid = os.posix_spawnp("env", command, env or os.environ, file_actions=streams)
        os.close(ends)
        return ptyprocess.PtyProcess(pid, screen)


def start_on_terminal(arguments: Iterable[object], until: str) -> Terminal:
    """Start a command on a terminal, and wait for what it writes, a regular expression."""
    program, *others = map(str, arguments)
    terminal = Terminal(program, others, timeout=120, encoding="utf-8", dimensions=(24, 400))
    terminal.expect(until)
    return terminal


def interrupt(terminal: Terminal) -> tuple[int | None, str]:
    """Press Ctrl-C; give the exit code, and what the command wrote after that."""
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus, terminal.before


def on_terminal(folder: Path, *arguments: str) -> str:
    """Give what a command writes to a terminal; nothing in it may control the terminal."""
    program, *others = arguments
    terminal = Terminal(
        program, others, cwd=str(folder), timeout=120, encoding="utf-8", dimensions=(24, 400)
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    text = terminal.before
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text), text
    return text
