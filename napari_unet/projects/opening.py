"""Makes and opens projects: all that takes time, for a thread. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_unet.projects.layer_records import check_state, read_pixels
from napari_unet.projects.project import Project, enter_project
from napari_unet.projects.project_lock import ProjectLock
from napari_unet.projects.records import (
    LayerRecord,
    ProjectChoices,
    ProjectState,
    UnreadableStackError,
)
from napari_unet.settings import Choices
from training.errors import UserError
from training.files.known_file import KnownFile


class Access(Enum):
    """What a window wants of a project that another may have open."""

    HOLD = "hold"
    TAKE_OVER = "take over"
    LOOK_ONLY = "look only"


@dataclass(frozen=True)
class OpenProject:
    """A project as it was read.

    Parameters
    ----------
    project : Project
    lock : ProjectLock
        Not held where the window only looks.
    state : ProjectState
    document : KnownFile
        The file with the state.
    pixels : dict
        Arrays (Z, Y, X) or (Y, X), with their files' dtypes, of the layers that the project
        holds, by ``LayerRecord.file``.
    files : dict
        Their files, by the same names.
    unreadable : tuple of LayerRecord
        Layers whose files are missing or can't be read.
    problems : tuple of UserError
        Files that can't be read or have changed, and what else a person should know.
    choices : Choices
        What holds while it is open; empty where the window only looks.
    """

    project: Project
    lock: ProjectLock
    state: ProjectState
    document: KnownFile
    pixels: dict[str, NDArray[Any]]
    files: dict[str, KnownFile]
    unreadable: tuple[LayerRecord, ...]
    problems: tuple[UserError, ...]
    choices: Choices

    def without(self, record: LayerRecord, error: Exception) -> OpenProject:
        """The same project with one more layer that could not be opened."""
        if not isinstance(error, UserError):
            name = record.file or (record.stack and record.stack.path)
            error = UserError(f"{name} can't be shown: {error}.", "It is kept in the project.")
        return replace(
            self,
            unreadable=(*self.unreadable, record),
            problems=(*self.problems, error),
        )


def create_project(folder: Path) -> OpenProject:
    """Make an empty project in a new or empty folder.

    Raises
    ------
    UserError
        As :meth:`Project.create`.
    """
    project = Project.create(folder)
    lock = ProjectLock(project.document)
    lock.acquire()
    document = KnownFile(project.document)
    document.see()
    choices = enter_project(project, ProjectChoices())
    notes = _warnings(lock)
    return OpenProject(project, lock, ProjectState(), document, {}, {}, (), notes, choices)


def open_project(folder: Path, access: Access = Access.HOLD) -> OpenProject:
    """Read a project with the pixels of its own files, and look at its stacks.

    Raises
    ------
    ProjectInUseError
        If another window has it, and ``access`` is ``HOLD``.
    UserError
        If there is no project, or it is damaged or can't be written.
    """
    project = Project.open(folder)
    lock = ProjectLock(project.document)
    if access is not Access.LOOK_ONLY:
        lock.acquire(takes_over=access is Access.TAKE_OVER)
    try:
        return _read(project, lock)
    except BaseException:
        lock.release()
        raise


def _read(project: Project, lock: ProjectLock) -> OpenProject:
    if lock.is_held:
        project.prepare()
    document = KnownFile(project.document)
    document.see()
    state = project.read()
    check_state(state, project.document)
    pixels: dict[str, NDArray[Any]] = {}
    files: dict[str, KnownFile] = {}
    unreadable: list[LayerRecord] = []
    problems: dict[str, UserError] = {}
    for record in state.layers:
        if record.stack is None:
            ndim = len(record.attributes.get("scale", (1, 1, 1)))
            path = project.own_file(record)
            files[record.file] = KnownFile(path)
            files[record.file].see()
            try:
                pixels[record.file] = read_pixels(path, ndim)
            except UserError as problem:  # the other layers can be worked on
                problems[record.file] = problem
                unreadable.append(record)
            continue
        try:
            record.stack.check()
        except UserError as problem:
            problems[record.stack.path] = problem
            if isinstance(problem, UnreadableStackError):
                unreadable.append(record)
    choices: Choices = {}
    if lock.is_held:
        choices = enter_project(project, state.settings)
    notes = (*problems.values(), *_warnings(lock))
    return OpenProject(
        project, lock, state, document, pixels, files, tuple(unreadable), notes, choices
    )


def _warnings(lock: ProjectLock) -> tuple[UserError, ...]:
    if lock.has_locks:
        return ()
    problem = "The disk of this project knows no locks."
    return (UserError(problem, "See that no other machine has the project open."),)
