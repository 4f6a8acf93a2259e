"""What a person chose last, kept in a readable JSON file between sessions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD


@dataclass(frozen=True)
class Settings:
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

    runs_folder: str = ""
    training: dict[str, Any] = field(default_factory=dict)
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
    """The remembered choices.

    A missing, damaged or older file gives defaults for what it does not tell: settings are a
    convenience, and must never keep the window from opening.
    """
    try:
        document = parse_json(read_document(settings_path()))
    except (OSError, ValueError):
        document = {}
    defaults = Settings(runs_folder=str(default_runs_folder()))
    if not isinstance(document, dict):
        return defaults
    kept = {
        option.name: document[option.name]
        for option in fields(Settings)
        if type(document.get(option.name)) is type(getattr(defaults, option.name))
    }
    return replace(defaults, **kept)


def remember(**choices: Any) -> Settings:
    """Change some choices in the file, and keep the others."""
    settings = replace(load_settings(), **choices)
    path = settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(asdict(settings), indent=2) + "\n").encode())
    return settings
