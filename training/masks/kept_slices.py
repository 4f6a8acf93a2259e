"""Slices of a prediction that are done, kept until all are: who was killed goes on after them.

Files such as TIFs can't be gone on with, and one that grows under its name would pass for whole. So
what is written of each slice, or of each band of its rows, lies in a file of its own, and the
results are made of those again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import UserError, raise_interrupt
from training.files.append_files import open_to_append
from training.files.array_files import write_arrays
from training.files.atomic_files import UnwritableError, write_atomically
from training.files.file_locks import take_lock
from training.files.untrusted_files import open_regular, parse_json, read_document
from training.masks.result_files import SliceResult

_MEMBRANE = "membrane pixels"


class KeptSlices:
    """The first slices of a prediction, or bands of them. Use it in a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Of their own; made if it is missing, in a folder that is there.
    record : dict
        All that the results depend on, as JSON has it. Slices of another record are deleted.
    files : str or None
        See :func:`training.formats.file_times.file_times`, of the stack.

    Attributes
    ----------
    count : int
        How many there were at the beginning.
    is_anew : bool
        Whether slices were deleted, because they were those of another record.
    may_differ : bool
        Whether the stack's files have changed since the first was kept.
    """

    def __init__(self, folder: Path, record: dict[str, Any], files: str | None = None) -> None:
        self._folder, self._record, self._files = folder, record, files
        self._about = folder / "record.json"
        self.count, self.is_anew, self.may_differ = 0, False, False

    @contextmanager
    def hold(self) -> Iterator[KeptSlices]:
        """Keep other processes from writing them, and find how many there are.

        Raises
        ------
        UserError
            If another process writes them, or the folder can't be written to.
        """
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UnwritableError(self._folder, error) from error
        with open_to_append(self._folder / ".lock") as lock:
            if not take_lock(lock):
                raise UserError(
                    f"Another process keeps its slices in {self._folder}.",
                    "Wait for it, or end it.",
                )
            self._begin()
            yield self

    def read(self, index: int) -> SliceResult:
        """Read what is written of a slice.

        Raises
        ------
        UserError
            If the disk has damaged it.
        """
        path = self._path(index)
        try:
            with open_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
                pages = {name: arrays[name] for name in arrays.files}
            return SliceResult(pages, int(pages.pop(_MEMBRANE)))
        except Exception as error:  # zipfile and NumPy raise many kinds
            raise_interrupt(error)
            raise UserError(
                f"{path} can't be read: {error}.", f"Delete {self._folder} to begin again."
            ) from error

    def keep(self, index: int, result: SliceResult) -> None:
        """Keep what is written of a slice, the next one.

        Raises
        ------
        UserError
            If the disk is full.
        """
        membrane = np.array(result.membrane, np.int64)
        write_arrays(self._path(index), {**result.pages, _MEMBRANE: membrane})

    def remove(self) -> None:
        """Delete them, and the folder if nothing else is in it."""
        self._delete()
        with suppress(OSError):
            self._about.unlink(missing_ok=True)
            (self._folder / ".lock").unlink()
            self._folder.rmdir()

    def _begin(self) -> None:
        former: Any = {}
        if self._about.exists():
            with suppress(OSError, ValueError):
                former = parse_json(read_document(self._about))
        now = json.loads(json.dumps({"made by": self._record, "files": self._files}))
        if isinstance(former, dict) and former.get("made by") == now["made by"]:
            self.count = next(index for index in count() if not self._path(index).exists())
            files = former.get("files")
            self.may_differ = None not in (files, self._files) and files != self._files
        if self.count:
            return
        self.is_anew, self.may_differ = self._path(0).exists(), False
        self._delete()
        write_atomically(self._about, json.dumps(now).encode())

    def _delete(self) -> None:
        for index in count():
            try:
                self._path(index).unlink()
            except FileNotFoundError:
                return
            except OSError as error:
                raise UnwritableError(self._path(index), error) from error

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.npz"
