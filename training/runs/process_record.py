"""The process of a run, recorded in a file to be found again, and no other of its number."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessRecord:
    """What identifies a process.

    Parameters
    ----------
    pid : int
        Its number, which may be another's after its end.
    began : float
        When it began: in clock ticks since the start of Linux, which no change of the time of day
        moves; elsewhere in seconds since 1970.
    boot : str
        Which start of Linux that was; elsewhere empty.
    host : str
        Name of the machine that it runs on.
    """

    pid: int
    began: float
    boot: str
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a living process of this machine."""
        return cls(pid, _beginning(pid), boot_id(), platform.node())

    @classmethod
    def read(cls, path: Path) -> ProcessRecord | None:
        """The record in a file; None if it is missing or damaged."""
        try:
            document = parse_json(read_document(path))
            pid, began = int(document["pid"]), float(document["began"])
            return cls(pid, began, str(document["boot"]), str(document["host"]))
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None

    def write(self, path: Path) -> None:
        """Replace the record in a file; an UnwritableError if it can't be."""
        write_atomically(path, json.dumps(asdict(self)).encode() + b"\n")

    @property
    def is_of_this_machine(self) -> bool:
        return self.host == platform.node()

    @property
    def is_this_process(self) -> bool:
        return self.is_of_this_machine and self.pid == os.getpid()

    def find(self) -> psutil.Process | None:
        """The process, if it is still alive and on this machine."""
        if not self.is_of_this_machine or self.boot != boot_id():
            return None
        try:
            process = psutil.Process(self.pid)
            is_same = _beginning(self.pid) == self.began
            return process if is_same and is_alive(process) else None
        except (OSError, ValueError, OverflowError, psutil.Error):
            return None  # it has ended, or the record names no process


def is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended, not even without being waited for."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def boot_id() -> str:
    """What identifies this start of Linux; empty on other systems."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def _beginning(pid: int) -> float:
    """When a process began, as :class:`ProcessRecord` has it."""
    if not _BOOT_ID.exists():
        return psutil.Process(pid).create_time()
    status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return float(status.rpartition(")")[2].split()[19])  # after the name, which may hold anything
