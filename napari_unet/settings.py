"""What a person chose last, kept in a readable JSON file between sessions."""

from __future__ import annotations

import fcntl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.files.atomic_files import UnwritableError, write_atomically
from training.files.untrusted_files import parse_json, read_document
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD

_changing = threading.Lock()
_has_warned = False


class Settings(BaseModel):
    """Remembered choices.

    Parameters
    ----------
    runs_folder : str
        Folder of the runs.
    training : dict
        Options of the last training, by their names in ``TrainingConfig``.
    followed_run : str
        Directory of the run that was left running when the window was closed, or "".
    is_advanced_open, is_loss_logarithmic : bool
        State of the train dock.
    model : str
        Folder of a run or ONNX file of the last prediction, or "".
    threshold : float
        Of the last prediction.
    project : str
        Folder of the project that is open, or was when napari ended; or "".
    runs_folder_outside : str
        Folder of the runs while no project is open, kept until then; or "".
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    runs_folder: str = Field(default_factory=lambda: str(default_runs_folder()))
    training: dict[str, Any] = Field(default_factory=dict)
    followed_run: str = ""
    is_advanced_open: bool = False
    is_loss_logarithmic: bool = True
    model: str = ""
    threshold: float = DEFAULT_THRESHOLD
    project: str = ""
    runs_folder_outside: str = ""


def settings_path() -> Path:
    """Where the file is, for this person on this system."""
    return Path(platformdirs.user_config_dir("napari-unet")) / "settings.json"


def default_runs_folder() -> Path:
    """Where runs are made until a person chooses another folder."""
    return Path(platformdirs.user_data_dir("napari-unet")) / "runs"


def load_settings() -> Settings:
    """Read the remembered choices.

    A missing, damaged or older file gives defaults for what it does not say: settings are a
    convenience, and must never keep the window from opening.
    """
    try:
        document = parse_json(read_document(settings_path()))
    except (OSError, ValueError):
        return Settings()
    if not isinstance(document, dict):
        return Settings()
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        damaged = {problem["loc"][0] for problem in error.errors()}
        return Settings.model_validate(
            {name: value for name, value in document.items() if name not in damaged}
        )


def remember(**choices: Any) -> Settings:
    """Change some choices in the file, and keep the others, whoever else changes them now.

    Where the file can't be written, a warning says so once, and the choices are forgotten.

    Raises
    ------
    ValidationError
        If there is no such choice, or a value is of another type.
    """
    try:
        with _held():
            settings = _changed(choices)
            write_atomically(settings_path(), settings.model_dump_json(indent=2).encode() + b"\n")
    except (OSError, UnwritableError) as error:
        _warn(error)
        return _changed(choices)
    return settings


def _changed(choices: dict[str, Any]) -> Settings:
    return Settings.model_validate({**load_settings().model_dump(), **choices})


@contextmanager
def _held() -> Iterator[None]:
    """Keep other threads, and other windows, from changing the file in the meantime."""
    path = settings_path()
    with _changing:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _warn(error: Exception) -> None:
    global _has_warned
    if not _has_warned:
        _has_warned = True
        warnings.warn(
            f"Your choices can't be kept in {settings_path().parent}: {error}. "
            "All else works; the next start begins with the defaults.",
            stacklevel=3,
        )
