"""The process of a run, recorded in a file: found again, and told from others of its number."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document

_CLOCK_SECONDS = 1  # by which two readings of a process's beginning may differ


@dataclass(frozen=True)
class ProcessRecord:
    """What identifies a process.

    Parameters
    ----------
    pid : int
        Its number, which may be another's after its end.
    created : float
        When it began, in seconds since 1970.
    host : str
        Name of the machine that it runs on.
    """

    pid: int
    created: float
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a living process of this machine."""
        return cls(pid, psutil.Process(pid).create_time(), platform.node())

    @classmethod
    def read(cls, path: Path) -> ProcessRecord | None:
        """The record in a file; None if there is none, or it is damaged."""
        try:
            document = parse_json(read_document(path))
            return cls(int(document["pid"]), float(document["created"]), str(document["host"]))
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
        if not self.is_of_this_machine:
            return None
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _CLOCK_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (ValueError, OverflowError, psutil.Error):
            return None  # it has ended, or the record names no process


def find_process(path: Path) -> psutil.Process | None:
    """The process that a file records, if it is still alive and on this machine."""
    record = ProcessRecord.read(path)
    return record.find() if record is not None else None
