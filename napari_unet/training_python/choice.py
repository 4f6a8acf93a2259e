"""Which Python trains on this machine, and how a program is started in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from napari_unet.training_python.places import choice_file
from napari_unet.training_python.requirements import FoundPython, look_at, needed
from napari_unet.training_python.source_copy import copy_source
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document

SET_UP = "Set it up: napari-unet setup, or the button in the window's Train."
_SET_UP_AGAIN = "Set it up again: napari-unet setup."
# Of the Python that this program runs in; they would mislead another one.
_OF_THIS_PYTHON = ("PYTHONHOME", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True)
class TrainingPython:
    """The Python that trains.

    Parameters
    ----------
    path : Path
        The interpreter.
    """

    path: Path

    @property
    def is_present(self) -> bool:
        """Whether it is the one that this program runs in."""
        return self.path == Path(sys.executable)

    def command(self, module: str, *arguments: str) -> list[str]:
        """The command that runs a module of ``training`` in it."""
        # -P: the folder where a person is must not hide the standard library's modules.
        return [str(self.path), "-P", "-m", module, *arguments]

    def environment(self, present: Mapping[str, str]) -> dict[str, str]:
        """Make an environment in which it finds the ``training`` package of this installation.

        Parameters
        ----------
        present : mapping of str to str
            The environment to change.

        Raises
        ------
        UnwritableError
            If the package can't be copied to where it finds it.
        """
        if self.is_present:
            return dict(present)
        kept = {name: value for name, value in present.items() if name not in _OF_THIS_PYTHON}
        paths = filter(None, [str(copy_source()), present.get("PYTHONPATH")])
        return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def find_training_python() -> TrainingPython:
    """Find the Python that trains: the present one where it has MindSpore, else the chosen one.

    Raises
    ------
    UserError
        If there is none, or the chosen one is gone or lacks something by now.
    """
    if has_mindspore():
        return TrainingPython(Path(sys.executable))
    chosen = read_choice()
    if chosen is None:
        raise UserError("MindSpore, which trains, is not installed.", SET_UP)
    if not chosen.exists():
        raise UserError(f"The Python that trains is gone: {chosen}.", _SET_UP_AGAIN)
    lacking = look_at(chosen).lacks(needed())
    if lacking:
        raise UserError(
            f"The Python that trains, {chosen}, lacks {', '.join(lacking)}.", _SET_UP_AGAIN
        )
    return TrainingPython(chosen)


def has_mindspore() -> bool:
    """Whether MindSpore can be imported in the Python that this program runs in."""
    return find_spec("mindspore") is not None


def read_choice() -> Path | None:
    """The Python that ``napari-unet setup`` made or was given; None before that."""
    try:
        return Path(parse_json(read_document(choice_file()))["python"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_choice(python: FoundPython) -> None:
    """Have trainings run in a Python from now on; an UnwritableError if that can't be kept."""
    document = json.dumps({"python": str(python.path)}, indent=2) + "\n"
    write_atomically(choice_file(), document.encode())
