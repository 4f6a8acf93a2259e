"""The process that trains a run: started so that it outlives the window, and found again."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from training.atomic_files import write_atomically
from training.documents import parse_json, read_document

_NICENESS = 10


def start_detached(command: Sequence[str], log: Path, record: Path) -> None:
    """Start a process in a session of its own, at lower priority, that outlives this one.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    log : Path
        File that the process's output is appended to.
    record : Path
        File to write the process's identity to, for :func:`find_process`.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["nice", "-n", str(_NICENESS), *command],  # noqa: S607 (found on PATH everywhere)
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    created = psutil.Process(process.pid).create_time()
    identity = {"pid": process.pid, "created": created}
    write_atomically(record, json.dumps(identity).encode() + b"\n")
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()


def find_process(record: Path) -> psutil.Process | None:
    """The recorded process if it is still alive; its number may be another's by now."""
    try:
        identity = parse_json(read_document(record))
        process = psutil.Process(identity["pid"])
        if abs(process.create_time() - identity["created"]) > 1:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (OSError, ValueError, TypeError, KeyError, OverflowError, psutil.Error):
        return None  # no record, a damaged one, or a process that is not this person's


def kill_tree(process: psutil.Process, patience: float = 5.0) -> None:
    """End a process and its descendants at once, in whatever sessions they are.

    Parameters
    ----------
    process : psutil.Process
        The root.
    patience : float
        Seconds to wait for them to be gone.
    """
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=patience)
