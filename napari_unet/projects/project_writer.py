"""Saves a window's layers into a project: only what has changed. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects.operation_list import OperationList
from napari_unet.projects.project import Project, kept_choices
from napari_unet.projects.project_lock import ProjectLock
from napari_unet.projects.records import LayerRecord, ProjectState, StackReference
from napari_unet.projects.saved_lists import SavedLists, wait_for_operations
from napari_unet.settings import Choices
from napari_unet.stacks.incremental_tif import SavedStack
from training.errors import UserError
from training.files.known_file import ChangedFileError, KnownFile
from training.formats.pixel_size import PixelSize

Slices = set[int] | None  # None for all of a stack


@dataclass(frozen=True)
class LayerSnapshot:
    """A layer as it is to be saved.

    Parameters
    ----------
    key : hashable
        The same for as long as the layer lives.
    kind, attributes, metadata
        As of :class:`LayerRecord`; ``attributes`` has the name.
    stack : Path or None
        The file that it shows, for a layer that the project points to.
    data : array of (Z, Y, X) or (Y, X)
        May be painted on while it is saved.
    note, pixel_size
        As of :class:`TifWriter`.
    operations : OperationList, optional
        What was done to it, if its metadata name a list; the list may grow while it is saved.
    """

    key: Hashable
    kind: Literal["image", "labels"]
    attributes: dict[str, Any]
    metadata: dict[str, Any]
    stack: Path | None
    data: Any
    note: str
    pixel_size: PixelSize | None
    operations: OperationList | None = None


@dataclass(frozen=True)
class Snapshot:
    """A viewer as it is to be saved.

    Parameters
    ----------
    number : int
        Higher than those of earlier snapshots.
    layers : tuple of LayerSnapshot
        From the lowest to the topmost.
    view : dict
        As of :class:`ProjectState`.
    """

    number: int
    layers: tuple[LayerSnapshot, ...]
    view: dict[str, Any]


@dataclass
class _OwnFile:
    """A file with a layer's pixels, and the slices that may differ from the layer's."""

    name: str
    known: KnownFile
    stack: SavedStack | None = None  # until the layer is first saved
    data: Any = None  # the array last saved: another one is compared as a whole
    slices: Slices = None
    is_there: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether another has written to it."""
        return self.known.is_changed if self.stack is None else self.stack.is_changed


class ProjectWriter:
    """Writes one snapshot after the other; each method may be called from any thread.

    Parameters
    ----------
    project : Project
    lock : ProjectLock
        Nothing is written while another window holds the project.
    document : KnownFile
        The project's document, as it was read.
    kept : tuple of LayerRecord
        Layers of the project that the window does not show: they stay in it.
    choices : Choices, optional
        What is kept with the project of what a person chose last.
    """

    def __init__(
        self,
        project: Project,
        lock: ProjectLock,
        document: KnownFile,
        kept: tuple[LayerRecord, ...] = (),
        choices: Choices | None = None,
    ) -> None:
        self._project, self._lock = project, lock
        self._choices: Choices = {} if choices is None else choices
        self._document, self._kept = document, kept
        self._files: dict[Hashable, _OwnFile] = {}
        self._lists = SavedLists(project)
        self._references: dict[Path, StackReference] = {}
        self._state: ProjectState | None = None
        self._number = -1
        self._edits: dict[Hashable, Slices] = {}
        self._edit_lock, self._save_lock = Lock(), Lock()

    def adopt(self, key: Hashable, name: str, known: KnownFile) -> None:
        """Save a layer into the file of the project that it was opened from.

        Parameters
        ----------
        known : KnownFile
            The file as it was read.
        """
        self._files[key] = _OwnFile(name, known, is_there=True)

    def mark(self, key: Hashable, slices: Slices) -> None:
        """Write these slices of a layer with the next snapshot."""
        with self._edit_lock:
            self._edits[key] = _union(self._edits.get(key, set()), slices)

    def save(self, snapshot: Snapshot) -> None:
        """Write what has changed: pixels first, then the document that names their files.

        Lists of operations are written before pixels that have these operations.

        A snapshot that comes after a later one is passed over.

        Raises
        ------
        NotHeldError
            If another window holds the project; nothing is written.
        ChangedFileError
            If another has written to a file of the project; it is kept.
        UserError
            If something can't be written. Everything else is; the next snapshot tries it again.
        """
        with self._save_lock, self._lock.hold():
            if snapshot.number <= self._number:
                return
            self._number = snapshot.number
            self._follow(snapshot)
            errors: list[Exception] = []
            save_lists = partial(self._save_lists, snapshot, errors)
            save_lists()
            records: list[LayerRecord] = []
            for layer in snapshot.layers:
                try:
                    self._save_pixels(layer, save_lists)
                except Exception as error:  # one layer's must not keep the others from the disk
                    errors.append(error)
                if (record := self._record(layer)) is not None:
                    records.append(record)
            shown = {_identity(record) for record in records}
            kept = [record for record in self._kept if _identity(record) not in shown]
            self._write_document((*kept, *records), snapshot.view)
            if errors:
                raise min(errors, key=_is_ordinary)

    def take_over(self) -> None:
        """Hold the project from now on; what another window has saved meanwhile is kept.

        Raises
        ------
        UserError
            If it can't be written.
        """
        self._lock.acquire(takes_over=True)
        self.keep_both()

    def keep_both(self) -> None:
        """Save beside what others have written to the project's files, and keep their layers.

        Raises
        ------
        UserError
            If the project can't be written.
        """
        with self._save_lock, self._lock.hold():
            changed = [key for key, own in self._files.items() if own.is_changed]
            for key in changed:
                self._files[key] = self._beside(self._files[key])
            self._lists.keep_both()
            if changed or self._document.is_changed:
                self._keep_records()

    def _beside(self, own: _OwnFile) -> _OwnFile:
        path = Path(own.name)
        return self._new_file(path.parent.name, path.stem)

    def _keep_records(self) -> None:
        """Take over what others have recorded of layers that this window does not show."""
        self._document.see()
        self._state = None
        try:
            theirs = self._project.read().layers
        except UserError:
            self._project.set_document_aside()
            return
        kept = {_identity(record): record for record in (*self._kept, *theirs)}
        shown = {own.name for own in self._files.values()}
        shown |= {reference.path for reference in self._references.values()}
        self._kept = tuple(record for name, record in kept.items() if name not in shown)

    def _follow(self, snapshot: Snapshot) -> None:
        with self._edit_lock:
            edits, self._edits = self._edits, {}
        keys = {layer.key for layer in snapshot.layers}
        self._files = {key: own for key, own in self._files.items() if key in keys}
        stacks = {layer.stack for layer in snapshot.layers}
        self._references = {
            stack: reference for stack, reference in self._references.items() if stack in stacks
        }
        for key, own in self._files.items():
            own.slices = _union(own.slices, edits.get(key, set()))

    def _save_lists(self, snapshot: Snapshot, errors: list[Exception]) -> None:
        """Write lines that are new; labels are saved even if their list can't be."""
        wait_for_operations(layer.operations for layer in snapshot.layers)
        for layer in snapshot.layers:
            name = layer.metadata.get(OPERATIONS_KEY)
            if layer.operations is None or name is None:
                continue
            try:
                self._lists.save(name, layer.operations)
            except Exception as error:
                errors.append(error)

    def _save_pixels(self, layer: LayerSnapshot, save_lists: Callable[[], None]) -> None:
        if layer.stack is not None:
            self._refer_to(layer.stack)
            return
        own = self._own_file(layer)
        form = SavedStack(own.known.path, layer.data.shape, layer.data.dtype, own.known)
        if own.stack is None or (own.stack.shape, own.stack.dtype) != (form.shape, form.dtype):
            own.stack, own.slices = form, None
        if own.data is not layer.data:
            own.data, own.slices = layer.data, None
        own.stack.save(layer.data, own.slices, layer.note, layer.pixel_size, save_lists)
        own.slices, own.is_there = set(), True

    def _own_file(self, layer: LayerSnapshot) -> _OwnFile:
        if layer.key not in self._files:
            self._files[layer.key] = self._new_file(layer.kind, layer.attributes["name"])
        return self._files[layer.key]

    def _new_file(self, kind: str, name: str) -> _OwnFile:
        taken = {own.name for own in self._files.values()}
        file = self._project.new_file(kind, name, taken)
        return _OwnFile(file, KnownFile(self._project.folder / file))

    def _refer_to(self, stack: Path) -> None:
        """Look at a stack; one that has vanished meanwhile is kept as it was last seen."""
        try:
            self._references[stack] = StackReference.of(stack)
        except UserError:
            if stack not in self._references:
                raise

    def _record(self, layer: LayerSnapshot) -> LayerRecord | None:
        """Describe a layer; None as long as it has no file."""
        own, stack = self._files.get(layer.key), None
        if layer.stack is not None:
            stack = self._references.get(layer.stack)
        if stack is None and (own is None or not own.is_there):
            return None
        return LayerRecord(
            kind=layer.kind,
            file="" if own is None else own.name,
            attributes=layer.attributes,
            metadata=self._lists.renamed(layer.metadata),
            stack=stack,
        )

    def _write_document(self, records: tuple[LayerRecord, ...], view: dict[str, Any]) -> None:
        choices = kept_choices(self._project, self._choices)
        state = ProjectState(layers=records, view=view, settings=choices)
        if state == self._state:
            return
        if self._document.is_changed:
            raise ChangedFileError(self._document.path)
        self._project.write(state)
        self._document.see()
        self._state = state


def _union(first: Slices, second: Slices) -> Slices:
    return None if first is None or second is None else first | second


def _identity(record: LayerRecord) -> str:
    """The file whose pixels a layer shows."""
    return record.file if record.stack is None else record.stack.path


def _is_ordinary(error: Exception) -> bool:
    """Whether it is not one that a person has to decide on, which is shown before others."""
    return not isinstance(error, ChangedFileError)
