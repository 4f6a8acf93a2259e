"""Ends a process by SIGKILL at the n-th time that it touches the disk, or at a byte of a file.

As a program it does so to another module::

    python -m tests.faults.writing.killing FOLDER N MODULE ARGUMENTS...
"""

from __future__ import annotations

import os
import resource
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What Python reports to its audit hooks, besides opened files; each names a path or a descriptor.
CHANGES = {
    "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate",
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def run_until_killed(folder: Path, at: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``napari-unet`` in a process that is killed as :func:`kill_at` says, or ends."""
    code = (
        "from pathlib import Path; from napari_unet.cli.main import main\n"
        "from tests.faults.writing.killing import kill_at\n"
        f"kill_at(Path({str(folder)!r}), {at}); main()"
    )
    given = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True)


def kill_at(folder: Path, at: int, report: Callable[[int], None] = lambda _: None) -> None:
    """Have this process killed before its ``at``-th change below a folder; 0: never.

    Boundaries are: a file opened for writing, a file's content flushed to the disk (before and
    after), a mode set, a rename, a removal, a folder made.

    Parameters
    ----------
    report : callable
        Is called with the number of every boundary that is reached.
    """
    reached = 0
    sync = os.fsync

    def cross() -> None:
        nonlocal reached
        reached += 1
        report(reached)
        if reached == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if flags & WRITING and _is_below(path, folder):
                cross()
        elif event in CHANGES and _is_below(arguments[0], folder):
            cross()

    def sync_watched(descriptor: int) -> None:
        cross()
        sync(descriptor)
        cross()

    os.fsync = sync_watched
    sys.addaudithook(watch)


def die_at_byte(size: int) -> None:
    """Have the system kill this process as it writes beyond a size in any file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _is_below(path: object, folder: Path) -> bool:
    if isinstance(path, int):
        return True
    return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{folder}/")


if __name__ == "__main__":
    _, below, number, module, *rest = sys.argv
    kill_at(Path(below), int(number))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
