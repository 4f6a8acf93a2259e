"""What a person chose last, kept in a readable JSON file between sessions."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.file_locks import hold_lock
from training.files.untrusted_files import parse_json, read_document
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD


def default_runs_folder() -> Path:
    """The folder of the runs until a person chooses another."""
    return Path(platformdirs.user_data_dir("napari-unet")) / "runs"


class Settings(BaseModel):
    """Remembered choices; a ValidationError if one is unknown, or its value has another type.

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
    engine, device : str
        What the window predicts by, and on what: see
        :func:`napari_unet.prediction.engine.start_engine`.
    threshold : float
        Probability from which a pixel is membrane, as in the last prediction.
    project : str
        Folder of the project that is open in this program; or "".
    projects : list of str
        Folders of the projects that were opened, newest first.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    runs_folder: str = Field(default_factory=lambda: str(default_runs_folder()))
    training: dict[str, Any] = {}
    followed_run: str = ""
    is_advanced_open: bool = False
    is_loss_logarithmic: bool = True
    model: str = ""
    engine: Literal["openvino", "onnxruntime"] = "openvino"
    device: str = "cpu"
    threshold: float = DEFAULT_THRESHOLD
    project: str = ""
    projects: list[str] = []


Choices = dict[str, Any]  # some of the settings, by their names

_lock = Lock()
_unsaved: dict[Path, Choices] = {}  # by the file that they could not be written to
_held: Choices = {}  # of the project that is open: they hold in this program alone


def settings_path() -> Path:
    """The file of this person's settings on this system."""
    return Path(platformdirs.user_config_dir("napari-unet")) / "settings.json"


def load_settings() -> Settings:
    """Read the remembered choices.

    Settings are a convenience and must never keep the window from opening: what is missing,
    damaged or unknown in the file is passed over.
    """
    path = settings_path()
    try:
        saved = _read(path)
    except OSError:  # ``remember`` reports it
        saved = {}
    return _valid_part({**saved, **_unsaved.get(path, {}), **_held})


def hold(choices: Choices) -> None:
    """Let choices of a project go before the remembered ones, until :func:`let_go`.

    What is remembered of them meanwhile changes them, and nothing outside of the project.
    """
    global _held
    with _lock:
        _held = choices


def let_go(choices: Choices) -> None:
    """Go back to the remembered choices, if these are the ones that :func:`hold` was given last."""
    global _held
    with _lock:
        if _held is choices:
            _held = {}


def remember(changes: Settings) -> None:
    """Write those choices to the file that ``changes`` was made with, and keep the others there.

    May be called from several threads and processes at once. Where the file can't be read or
    written, a person is warned once, and the choices hold until the program ends.
    """
    path = settings_path()
    with _lock:
        chosen = changes.model_dump(exclude_unset=True)
        _held.update({name: chosen.pop(name) for name in [*chosen] if name in _held})
        if not chosen:
            return
        unsaved = {**_unsaved.get(path, {}), **chosen}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with hold_lock(path):
                settings = _valid_part({**_read(path), **unsaved})
                # Not model_dump_json: names of files may not be Unicode.
                document = json.dumps(settings.model_dump(), indent=2) + "\n"
                write_atomically(path, document.encode(), follow_links=True, is_private=True)
            _unsaved.pop(path, None)
            return
        except (OSError, UserError) as error:
            is_first = path not in _unsaved
            _unsaved[path] = unsaved
            problem = error
    if is_first:
        _warn(path, problem)


def _read(path: Path) -> dict[str, Any]:
    """The file's content; empty if it is missing or damaged, an OSError if it can't be read."""
    try:
        document = parse_json(read_document(path))
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _valid_part(document: dict[str, Any]) -> Settings:
    known = {name: value for name, value in document.items() if name in Settings.model_fields}
    try:
        return Settings(**known)
    except ValidationError as error:
        for problem in error.errors():
            known.pop(str(problem["loc"][0]), None)
        return Settings(**known)


def _warn(path: Path, error: Exception) -> None:
    from napari.utils.notifications import show_warning  # only windows remember

    problem = error.problem if isinstance(error, UserError) else f"{path} can't be used: {error}."
    show_warning(f"{problem} What you choose is forgotten when napari ends.")
