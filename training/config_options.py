"""How an option of the configuration is declared, and how its value is checked.

What a field's metadata says makes the window's form, both command lines, and the check of a file.
"""

from __future__ import annotations

import re
from dataclasses import Field, field
from typing import Any

from training.errors import UserError

LARGEST_INTEGER, LARGEST_FLOAT = 2**31 - 1, 1e300
_KINDS = {
    bool: "True or False",
    int: f"a whole number of at most {LARGEST_INTEGER}",
    float: f"a number of at most {LARGEST_FLOAT:g}",
    str: "a text",
}
_TEXT = re.compile(r"[^\0\ud800-\udc7f\udd00-\udfff]*")  # what a file can be called


def option(
    default: Any,
    title: str,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    flag: str = "",
    is_path: bool = False,
    is_advanced: bool = False,
    automatic: float | None = None,
) -> Any:
    """Declare an option as a field of a dataclass.

    Parameters
    ----------
    default : bool, int, float or str
        Its type is the option's.
    title : str
        Label in the form.
    help : str
        One or two sentences, for the form and both command lines.
    minimum, maximum : float, optional
        Range of a number, both included.
    choices : tuple of str
        The only values; empty: any.
    flag : str
        Name on the command line of ``napari-unet train``; empty: not offered there.
    is_path : bool
        Whether it names a file or folder of this machine.
    is_advanced : bool
        Whether the form may fold it away.
    automatic : float, optional
        The number that lets the training choose; the form calls it "auto".
    """
    metadata = {
        "title": title,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "flag": flag,
        "is_path": is_path,
        "is_advanced": is_advanced,
        "automatic": automatic,
    }
    return field(default=default, metadata=metadata)


def advanced(default: Any, title: str, help: str, **metadata: Any) -> Any:
    """Declare an option that the form may fold away, as :func:`option` does."""
    return option(default, title, help, is_advanced=True, **metadata)


def check_value(declared: Field[Any], value: Any) -> None:
    """Check a value against its option.

    Raises
    ------
    UserError
        If it has the wrong type, is out of its range, is not one of its choices, or holds
        characters that no name of a file can have.
    """
    _check_type(declared, value)
    name, metadata = declared.name, declared.metadata
    if isinstance(value, str):
        check_text(name, value)
    minimum, maximum = metadata["minimum"], metadata["maximum"]
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        raise UserError(f"{name} is {value!r:.99}, but must be at least {minimum}{upper}.")
    choices = metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"{name} is '{value:.99}'.", f"Choose one of: {', '.join(choices)}.")


def check_text(name: str, text: str) -> None:
    """Check that a file can be called so.

    Raises
    ------
    UserError
        Which says ``name``.
    """
    if not _TEXT.fullmatch(text):
        raise UserError(
            f"{name} is {text!r:.99}.",
            "Remove the characters that can't be in the name of a file.",
        )


def _check_type(declared: Field[Any], value: Any) -> None:
    kind = str if isinstance(declared.default, str) else type(declared.default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number if kind is float else type(value) in (kind, type(declared.default))
    if is_number:
        fits = fits and abs(value) <= (LARGEST_FLOAT if kind is float else LARGEST_INTEGER)
    if not fits:
        raise UserError(f"{declared.name} is {value!r:.99}, but must be {_KINDS[kind]}.")
