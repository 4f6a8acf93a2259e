"""The lists of operations that a window saves into its project: each only grows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from napari_unet.layers.followed_operations import SAVED_KEY
from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects.operation_list import OperationList, append_packed
from napari_unet.projects.project import Project
from napari_unet.projects.records import LABELS
from training.files.known_file import ChangedFileError, KnownFile


def new_list_name() -> str:
    """Make a name for a file of operations that no other has."""
    return f"operations-{secrets.token_hex(8)}.jsonl"


@dataclass
class _Saved:
    """A list's file, and how many of the list's lines it has."""

    known: KnownFile
    count: int


class SavedLists:
    """Appends to each list's file what is not in it yet.

    Parameters
    ----------
    project : Project
        Whose folder of labels has the files.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._saved: dict[str, _Saved] = {}
        self._names: dict[str, str] = {}  # of lists that others have written to: those of ours

    def save(self, name: str, lines: OperationList) -> None:
        """Write the lines that its file lacks.

        Raises
        ------
        ChangedFileError
            If another has written to the file; it is kept.
        UserError
            If it can't be written, or the lines can't be read.
        """
        path = self._project.folder / LABELS / self._name(name)
        is_source = lines.source == path
        if is_source and not lines.is_read:
            return
        if name not in self._saved:  # a file that the list was not read from is another's
            saved = self._saved[name] = _Saved(KnownFile(path), 0)
            if is_source:
                saved.known.see()
                saved.count = lines.source_count
        saved, count = self._saved[name], len(lines)
        if count == saved.count:
            return
        if saved.known.is_changed:
            raise ChangedFileError(path)
        append_packed(path, lines.packed(saved.count, count), self._project.folder)
        saved.known.see()
        saved.count = count

    @property
    def is_changed(self) -> bool:
        """Whether others have written to one of the files."""
        return any(saved.known.is_changed for saved in self._saved.values())

    def keep_both(self) -> None:
        """Write lists whose files others have changed to files beside these, as a whole."""
        for name, saved in self._saved.items():
            if saved.known.is_changed:
                self._names[name] = new_list_name()
                path = self._project.folder / LABELS / self._names[name]
                self._saved[name] = _Saved(KnownFile(path), 0)

    def renamed(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Give a layer's metadata with the names that lists have in this project."""
        found = dict(metadata)
        if OPERATIONS_KEY in found:
            found[OPERATIONS_KEY] = self._name(found[OPERATIONS_KEY])
        if SAVED_KEY in found:
            found[SAVED_KEY] = {self._name(name): n for name, n in found[SAVED_KEY].items()}
        return found

    def _name(self, name: str) -> str:
        return self._names.get(name, name)


def wait_for_operations(lists: Iterable[OperationList | None]) -> None:
    """Wait for operations that change pixels now: their lines are in the lists then."""
    for lines in lists:
        if lines is not None:
            with lines.under_way:
                pass
