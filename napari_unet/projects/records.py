"""What a project records of its stacks and layers."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from training import __version__
from training.errors import UserError, blame_version
from training.files.names import NAME
from training.files.untrusted_files import open_regular, parse_json
from training.formats.location import FILE_ENDINGS, FOLDER_ENDINGS, is_array_folder, locate
from training.formats.slice_files import list_slices

LABELS, IMAGES, RUNS = "labels", "images", "runs"
_BLOCK = 2**22
_OWN_FILE = re.compile(rf"({LABELS}|{IMAGES})/{NAME}\.tif")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class StackReference(_Record):
    """A stack that a project points to.

    Parameters
    ----------
    path : str
        Absolute; of any format that is read.
    size, modified : int
        Of its file, bytes, and nanoseconds since the epoch, when it was last seen.
    sha256 : str
        Hash of its file's content, in hexadecimal. Of a folder the file is the one that says what
        lies there, or that of the first slice.
    """

    path: str
    size: int = Field(gt=0)
    modified: int
    sha256: str

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        if "\0" in path or not path.startswith("/") or not _may_be_stack(Path(path)):
            raise ValueError(f"its stack is {path!r:.50}, not the path of a stack")
        return path

    @classmethod
    def of(cls, path: Path) -> StackReference:
        """Look at a file; its hash is computed once for as long as it does not change.

        Raises
        ------
        UserError
            If it can't be read.
        """
        try:
            file = _file_of(path)
            state = _look(file)
            digest = _sha256(str(file), state.st_size, state.st_mtime_ns)
        except OSError as error:
            raise UnreadableStackError(path, error) from error
        return cls(
            path=str(path.absolute()),
            size=state.st_size,
            modified=state.st_mtime_ns,
            sha256=digest,
        )

    def check(self) -> None:
        """See whether the file is what it was; one of another size is not read for that.

        Raises
        ------
        UnreadableStackError
            If it is gone, or can't be read.
        UserError
            If it has other content.
        """
        path = Path(self.path)
        try:
            file = _file_of(path)
            state = _look(file)
            if (state.st_size, state.st_mtime_ns) == (self.size, self.modified):
                return
            if state.st_size == self.size:
                digest = _sha256(str(file), state.st_size, state.st_mtime_ns)
                if digest == self.sha256:
                    return
        except OSError as error:
            raise UnreadableStackError(path, error) from error
        raise UserError(
            f"The stack {path} has changed since the project was saved.",
            "Check that the labels still lie over it.",
        )


class UnreadableStackError(UserError):
    """A stack that a project points to is gone, or is not a file that can be read.

    Parameters
    ----------
    path : Path
        The stack.
    error : OSError
        What the system said.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        is_gone = isinstance(error, FileNotFoundError)
        what = "is missing" if is_gone else f"can't be read: {error.strerror or error}"
        super().__init__(
            f"The stack {path} {what}.",
            "Put it back, or open it from where it is now; its labels are kept.",
        )


class LayerRecord(_Record):
    """A layer as it was left.

    Parameters
    ----------
    kind : str
        ``image`` or ``labels``.
    file : str
        Within the project; empty for a stack by reference.
    stack : StackReference or None
        What it shows, where that isn't a file of the project.
    attributes : dict
        napari's: name, visible, contrast_limits...
    metadata : dict
        This plugin's: convention, role, corrected slices.
    """

    kind: Literal["image", "labels"]
    file: str = ""
    attributes: dict[str, Any]
    metadata: dict[str, Any] = Field(default_factory=dict)
    stack: StackReference | None = None

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        """Refuse a file outside the project: a second after a stroke it would be replaced."""
        if self.stack is None and not _OWN_FILE.fullmatch(self.file):
            raise ValueError(f"its file is {self.file!r:.50}, outside the project")
        return self


class ProjectChoices(_Record):
    """What a person chose last in a project; None where nothing was chosen yet.

    Parameters
    ----------
    training : dict
        Options of the last training, by their names in ``TrainingConfig``.
    threshold : float
        Probability from which a pixel is membrane.
    model : str
        Run or model of the last prediction, within the project's folder.
    """

    model_config = ConfigDict(extra="ignore")

    training: dict[str, Any] | None = None
    threshold: float | None = None
    model: str | None = None

    @field_validator("model")
    @classmethod
    def _check_model(cls, model: str | None) -> str | None:
        path = PurePosixPath(model or "")
        if path.is_absolute() or ".." in path.parts or "\0" in str(path):
            raise ValueError(f"it is {model!r:.50}, outside the project")
        return model


class ProjectState(_Record):
    """All that ``project.json`` holds.

    Parameters
    ----------
    layers : tuple of LayerRecord
        From the lowest to the topmost.
    view : dict
        Slider, camera, active layer.
    settings : ProjectChoices
    """

    layers: tuple[LayerRecord, ...] = Field(default=(), strict=False)  # JSON has lists
    view: dict[str, Any] = Field(default_factory=dict)
    settings: ProjectChoices = ProjectChoices()

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        """Refuse two layers of one file: each save of one would replace the other."""
        files = [record.file for record in self.layers if record.stack is None]
        if len(set(files)) < len(files):
            raise ValueError("two layers have one file")
        return self

    def to_json(self) -> str:
        document = {"version": __version__, **self.model_dump()}
        document["settings"] = self.settings.model_dump(exclude_none=True)
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> ProjectState:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        UserError
            If it isn't that; names ``source``, the file, and the field.
        """
        version = None
        try:
            document = parse_json(text)
            if not isinstance(document, dict):
                raise ValueError("it holds no project")
            version = document.get("version")
            for name in cls.model_fields:
                if name not in document:
                    raise ValueError(f"{name} is missing")
            return cls(**{name: document[name] for name in cls.model_fields})
        except ValueError as error:
            problem = _first_problem(error) if isinstance(error, ValidationError) else str(error)
            damaged = UserError(
                f"{source} is damaged: {problem}.",
                "Its labels are whole: open them one by one, or take the file from a backup.",
            )
            raise blame_version(damaged, source, version) from error


def _first_problem(error: ValidationError) -> str:
    """Name the first wrong field, such as ``layers.0.kind``, and what is wrong with it."""
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"


def _may_be_stack(path: Path) -> bool:
    """Whether a path can be that of a stack: a project from elsewhere could name any file."""
    endings = {*FILE_ENDINGS, *FOLDER_ENDINGS}
    return path.is_dir() or any(part.suffix.lower() in endings for part in (path, *path.parents))


def _file_of(path: Path) -> Path:
    """Find the file by which a stack is known again: of a folder the first by name.

    That is what describes its arrays, as Zarr's and others' names go, or the first slice.
    """
    container = locate(path).container
    if not container.is_dir():
        return container
    if not is_array_folder(container):
        return list_slices(container)[0]
    return next((file for file in sorted(container.iterdir()) if file.is_file()), container)


def _look(path: Path) -> os.stat_result:
    """Size and time of a regular file with content; those of ``/proc`` have none."""
    with open_regular(path) as file:
        state = os.fstat(file.fileno())
    if state.st_size == 0:
        raise OSError(errno.EINVAL, "It is empty", str(path))
    return state


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, modified: int) -> str:
    """Hash a file; ``size`` and ``modified`` are there so that a changed file is read again."""
    digest = hashlib.sha256()
    with open_regular(Path(path)) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
