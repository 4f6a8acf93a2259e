"""The folders of a server, listed to choose data from. Names in them are a stranger's words."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_files import CommandError, FileThere
from training.formats.location import FILE_ENDINGS, FOLDER_ENDINGS

MOST_SHOWN = 5000  # names of a folder
_MOST_LETTERS = 255  # of a name, as file systems have it
_MOST_PATH = 4096


@dataclass(frozen=True)
class Entry:
    """A name in a folder.

    Parameters
    ----------
    name : str
    path : str
        Where it is, absolute.
    is_folder, is_stack : bool
        Whether it can be looked into, and whether it may be a stack, by its name.
    """

    name: str
    path: str
    is_folder: bool
    is_stack: bool


@dataclass(frozen=True)
class FolderThere:
    """A folder of a server.

    Parameters
    ----------
    path : str
        Absolute, with all links followed.
    entries : tuple of Entry
        Folders first, then files, by name; without hidden ones.
    note : str
        What is left out, in a sentence; empty where nothing is.
    """

    path: str
    entries: tuple[Entry, ...]
    note: str

    @property
    def parent(self) -> str:
        """The folder around it."""
        return posixpath.dirname(self.path)


class FolderBrowser:
    """Lists a server's folders over one connection. Its methods wait: call them in a thread.

    Parameters
    ----------
    profile : Profile
        The server's; of several the first one's folders are listed.
    """

    def __init__(self, profile: Profile) -> None:
        self._server = Server(profile.node_profiles()[0])

    def list(self, path: str) -> FolderThere:
        """List a folder; an empty path is that of the home folder.

        Raises
        ------
        UserError
            If it is missing or can't be read, or the server can't be reached.
        """
        return wait_for(self._list(path))

    def close(self) -> None:
        """Close the connection."""
        wait_for(self._server.close())

    async def _list(self, path: str) -> FolderThere:
        name = self._server.profile.name
        async with self._server.files() as files:
            real = await files.real_path(path or ".")
            if not (_is_shown(real, _MOST_PATH) and real.startswith("/")):
                raise CommandError(f"{name} names a folder that can't be shown: {real!r:.99}.")
            real = posixpath.normpath("/" + real.lstrip("/"))
            found = await files.list_folder(PurePosixPath(real), MOST_SHOWN)
        entries, strange = _entries(real, found.files)
        notes = [f"There are more than {MOST_SHOWN} names; the first are shown."] * found.is_cut
        notes += [f"{strange} names that can't be shown are left out."] * bool(strange)
        return FolderThere(real, entries, " ".join(notes))


def _entries(folder: str, files: Iterable[FileThere]) -> tuple[tuple[Entry, ...], int]:
    """Give what is shown of a folder, and how many names can't be."""
    shown, strange = [], 0
    for file in files:
        if not _is_shown(file.name, _MOST_LETTERS) or "/" in file.name:
            strange += 1
        elif not file.name.startswith("."):
            endings = FOLDER_ENDINGS if file.is_folder else FILE_ENDINGS
            is_stack = file.name.lower().endswith(endings)
            path = posixpath.join(folder, file.name)
            shown.append(Entry(file.name, path, file.is_folder, is_stack))
    shown.sort(key=lambda entry: (not entry.is_folder, entry.name.casefold()))
    return tuple(shown), strange


def _is_shown(text: str, most: int) -> bool:
    return text.isprintable() and 0 < len(text) <= most
