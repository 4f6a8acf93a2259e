"""Reading weights from safetensors files, without MindSpore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from training.errors import UserError
from training.files.untrusted_files import open_regular

Weights = dict[str, NDArray[Any]]

# The last three are for types of numbers that NumPy lacks.
_CONTENT_ERRORS = (SafetensorError, ValueError, TypeError, AttributeError, KeyError)


def read_safetensors(path: Path) -> tuple[Weights, dict[str, str]]:
    """Read all arrays of a file by name, of any shape and dtype, and its metadata.

    Raises
    ------
    UserError
        If the file is missing, can't be read, or is not a safetensors file.
    """
    with _open(path) as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return weights, file.metadata() or {}


def read_metadata(path: Path) -> dict[str, str]:
    """Read a file's metadata alone; errors as :func:`read_safetensors`."""
    with _open(path) as file:
        return file.metadata() or {}


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except _CONTENT_ERRORS as error:
        raise not_a_checkpoint(path) from error


def check_readable(path: Path) -> None:
    """Raise a UserError that says why a file can't be opened, if it can't."""
    try:
        open_regular(path).close()
    except FileNotFoundError:
        raise UserError(f"There is no checkpoint {path}.", "Check the path.") from None
    except OSError as error:
        raise UserError(
            f"The checkpoint {path} can't be read: {error.strerror}.",
            "Check who may read it, and the disk that it is on.",
        ) from error


def not_a_checkpoint(path: Path) -> UserError:
    """Make the error for a file that can be read but holds something else."""
    return UserError(
        f"{path} is not a checkpoint that can be read.", "Give a .ckpt or .safetensors file."
    )
