"""A file on a server, as a person names it: ``lab:/data/stack.tif``."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from training.config import TrainingConfig
from training.errors import UserError

# One letter is a drive of Windows, and "//" follows a protocol: s3://bucket.
_FORM = re.compile(r"([^/\\:]{2,}):(/(?!/).*)", re.DOTALL)
_BEGIN = re.compile(r"([^/\\:]{2,}):(?!//)")


class ServerPath(NamedTuple):
    """Where a file on a server is.

    Parameters
    ----------
    server : str
        Name of its profile.
    path : str
        Absolute, there.
    """

    server: str
    path: str

    def __str__(self) -> str:
        return f"{self.server}:{self.path}"

    @classmethod
    def parse(cls, text: str | Path) -> Self | None:
        """Read a path of a server; None for one of this machine, a drive of Windows among them."""
        name = text if isinstance(text, str) else text.as_posix()
        found = _FORM.fullmatch(name)
        return cls(*found.groups()) if found else None

    def on(self, server: str) -> str:
        """Give the path there.

        Raises
        ------
        UserError
            If it is on another server.
        """
        if self.server != server:
            raise UserError(
                f"{self} is not on {server}, where it is to be used.",
                f"Give --remote {self.server}, or another path.",
            )
        return self.path


def check_absolute(named: Iterable[str | Path], servers: Callable[[], Container[str]]) -> None:
    """Refuse what begins like a path on a server, but is not absolute there, as scp takes it.

    It would be a file of this machine with an odd name.

    Parameters
    ----------
    named : iterable of str or Path
    servers : callable
        Gives the names of servers; called where a name might be one.

    Raises
    ------
    UserError
    """
    for name in named:
        begin = None if ServerPath.parse(name) else _BEGIN.match(str(name))
        if begin and begin[1] in servers():
            raise UserError(
                f"{name} is not an absolute path on {begin[1]}.",
                f"Give the whole path there: {begin[1]}:/home/...",
            )


def on_server(config: TrainingConfig, server: str) -> dict[str, Any]:
    """Give the changes to a configuration whose data are on a server: their paths there.

    Raises
    ------
    UserError
        If some are not on this server.
    """

    def there(text: str) -> str:
        path = ServerPath.parse(text)
        return text if path is None else path.on(server)

    pairs = [
        pair._replace(image=there(pair.image), labels=there(pair.labels)) for pair in config.pairs
    ]
    changes = {name: there(getattr(config, name)) for name in ("data_url", "image", "labels")}
    return {**changes, "pairs": pairs}


def data_of(config: TrainingConfig) -> list[str]:
    """List the files and folders that a configuration names as its data."""
    named = [config.data_url, config.image, config.labels]
    named += [text for pair in config.pairs for text in (pair.image, pair.labels)]
    return [text for text in named if text]


def find_server(named: Iterable[str | Path]) -> str:
    """Find the server that files are on; empty where all are on this machine.

    Raises
    ------
    UserError
        If they are in several places.
    """
    places = {path.server if (path := ServerPath.parse(text)) else "" for text in named}
    if len(places) > 1:
        listed = " and ".join(sorted(place or "this machine" for place in places))
        raise UserError(
            f"The images and labels are in several places: {listed}.",
            "Put them in one place.",
        )
    return places.pop() if places else ""
