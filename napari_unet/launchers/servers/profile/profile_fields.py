"""What the fields of a profile are called, say and take, for a command line or a form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_unet.launchers.servers.profile.profile import Hint, Profile


@dataclass(frozen=True)
class ProfileField:
    """A field of a profile.

    Parameters
    ----------
    name, title, help : str
        Its name in the profile, its name for a person, and what it is in a sentence.
    kind : type
        ``str``, ``int``, ``bool`` or ``tuple`` (of texts).
    default : str, int, bool, tuple or None
        None: it must be given.
    hint : str
        What is used where nothing is given, or an example of what must be.
    is_path : bool
        Whether it names a file of this machine.
    choices : tuple of str
        What it may be; empty: anything.
    minimum, maximum : int
        Limits of a number.
    page : str
        Of a form, which groups what belongs together.
    """

    name: str
    title: str
    help: str
    kind: type
    default: Any
    hint: str
    is_path: bool
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    page: str = ""


def profile_fields() -> Iterator[ProfileField]:
    """Read the fields of a profile from its model, in their order."""
    for name, declared in Profile.model_fields.items():
        yield _read(name, declared)


def _read(name: str, declared: FieldInfo) -> ProfileField:
    hint = next((entry for entry in declared.metadata if isinstance(entry, Hint)), Hint())
    origin = get_origin(declared.annotation)
    choices = get_args(declared.annotation) if origin is Literal else ()
    kind: Any = str if choices else origin or declared.annotation
    return ProfileField(
        name=name,
        title=declared.title or name,
        help=declared.description or "",
        kind=kind,
        default=None if declared.is_required() else declared.default,
        hint=hint.text,
        is_path=hint.is_path,
        choices=choices,
        minimum=_limit(declared, "ge"),
        maximum=_limit(declared, "le"),
        page=hint.page,
    )


def _limit(declared: FieldInfo, name: str) -> int:
    return next((getattr(entry, name) for entry in declared.metadata if hasattr(entry, name)), 0)
