"""A project: a folder of plain files that opens as it was left. No Qt, no napari.

project.json     layers, view and choices; stacks by reference, with their hashes
lock             who has it open
labels/*.tif     every layer of labels
images/*.tif     images that have no file of their own: probabilities, samples
runs/            trainings that were started while the project was open
"""

from __future__ import annotations

import unicodedata
from itertools import count
from pathlib import Path

from napari_unet.projects.records import (
    IMAGES,
    LABELS,
    RUNS,
    LayerRecord,
    ProjectChoices,
    ProjectState,
)
from napari_unet.settings import Choices, Settings, hold, load_settings, remember
from training.errors import UserError
from training.files.atomic_files import UnwritableError, remove_leftovers, write_atomically
from training.files.names import is_name
from training.files.open_elsewhere import once_closed
from training.files.untrusted_files import is_inside, read_document

DOCUMENT = "project.json"
MOST_PROJECTS = 8  # that are remembered
LONGEST_STEM = 80  # bytes of a file's name: its temporary name is longer, and disks allow 255


class Project:
    """A project's folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def document(self) -> Path:
        return self.folder / DOCUMENT

    @property
    def runs(self) -> Path:
        return self.folder / RUNS

    @classmethod
    def create(cls, folder: Path) -> Project:
        """Make a project in a folder that is new or empty.

        Raises
        ------
        UserError
            If there is something in the folder, or it can't be written.
        """
        project = cls(folder)
        if project.document.exists():
            raise UserError(f"{folder} holds a project already.", "Open it, or choose another.")
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty.", "Choose a new or an empty folder.")
        try:
            for name in (LABELS, IMAGES, RUNS):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{folder} can't be made: {error.strerror}.",
                "Choose a folder that you may write to.",
            ) from error
        project.write(ProjectState())
        return project

    @classmethod
    def open(cls, folder: Path) -> Project:
        """Open a project that is there already.

        Raises
        ------
        UserError
            If there is none.
        """
        project = cls(folder)
        if not project.document.is_file():
            raise UserError(f"{folder} holds no {DOCUMENT}.", "Choose the folder of a project.")
        return project

    def prepare(self) -> None:
        """Make folders that are missing, and delete what was left half-written.

        Raises
        ------
        UserError
            If the folder can't be written, or a folder in it is a link to outside.
        """
        try:
            for name in (LABELS, IMAGES, RUNS):
                self._check_inside(self.folder / name)
                (self.folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise UnwritableError(self.folder, error) from error
        for part in (self.folder, self.folder / LABELS, self.folder / IMAGES):
            remove_leftovers(part)

    def read(self) -> ProjectState:
        """Read the project as it was left.

        Raises
        ------
        UserError
            If its document is damaged.
        """
        try:
            text = read_document(self.document)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.document} can't be read: {error}.") from error
        return ProjectState.from_json(text, str(self.document))

    def own_file(self, record: LayerRecord) -> Path:
        """The file of a layer that the project itself holds.

        Raises
        ------
        UserError
            If it is not within the project's folder.
        """
        path = self.folder / record.file
        self._check_inside(path)
        return path

    def _check_inside(self, path: Path) -> None:
        if not is_inside(path, self.folder):
            raise UserError(
                f"{path} is a link to outside of the project.",
                "Replace the link with what it points to.",
            )

    def write(self, state: ProjectState) -> None:
        """Replace ``project.json`` as a whole."""
        write_atomically(self.document, state.to_json().encode())

    def set_document_aside(self) -> None:
        """Give a document that can't be read another name, so that a new one can be written.

        Raises
        ------
        UnwritableError
            If it can't be renamed.
        """
        names = (self.folder / f"project-{number}.json" for number in count(2))
        try:
            free = next(name for name in names if not name.exists())
            once_closed(lambda: self.document.rename(free))
        except OSError as error:
            raise UnwritableError(self.document, error) from error

    def new_file(self, kind: str, name: str, taken: set[str]) -> str:
        """A file of the project for a layer of this name that is neither there nor taken.

        Another machine's disk may not distinguish upper and lower case: here no two files differ
        in it alone.

        Raises
        ------
        UserError
            If the folder of such files can't be read.
        """
        folder = LABELS if kind == "labels" else IMAGES
        stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
        stem = stem.encode()[:LONGEST_STEM].decode(errors="ignore") or "layer"
        stem = stem if is_name(stem) else f"{stem}-"  # Windows has devices of such names
        try:
            present = [f"{folder}/{file.name}" for file in (self.folder / folder).iterdir()]
        except OSError as error:
            raise UnwritableError(self.folder / folder, error) from error
        used = {_caseless(file) for file in (*present, *taken)}
        candidate, counter = f"{folder}/{stem}.tif", 2
        while _caseless(candidate) in used:
            candidate, counter = f"{folder}/{stem}-{counter}.tif", counter + 1
        return candidate


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def kept_choices(project: Project, choices: Choices) -> ProjectChoices:
    """Find what is kept with a project of the choices that hold while it is open."""
    chosen = choices.get("model", "")
    model: str | None = None
    if chosen and Path(chosen).is_relative_to(project.folder):
        model = str(Path(chosen).relative_to(project.folder))  # the folder may be moved
    return ProjectChoices(
        training=choices.get("training"), threshold=choices.get("threshold"), model=model
    )


def enter_project(project: Project, kept: ProjectChoices) -> Choices:
    """Take a project's choices, and make new runs in it.

    Returns
    -------
    Choices
        What holds until :func:`napari_unet.settings.let_go` is given it.
    """
    settings, folder = load_settings(), str(project.folder)
    model = ""
    if kept.model and is_inside(project.folder / kept.model, project.folder):
        model = str(project.folder / kept.model)
    choices: Choices = {
        "project": folder,
        "runs_folder": str(project.runs),
        "model": model,
        "training": settings.training if kept.training is None else kept.training,
        "threshold": settings.threshold if kept.threshold is None else kept.threshold,
    }
    hold(choices)
    others = [other for other in settings.projects if other != folder]
    remember(Settings(projects=[folder, *others][:MOST_PROJECTS]))
    return choices
