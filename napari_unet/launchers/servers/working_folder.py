"""A server's working folder, and the directories of the runs in it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import PurePosixPath
from typing import Any

from napari_unet.launchers.servers.connection import Server
from training.errors import UserError
from training.files.untrusted_files import parse_json
from training.runs.run_paths import RunPaths

_STORE, _SOURCE, _RUNS = "store", "source", "runs"


class WorkingFolder:
    """Names what lies in a server's working folder, and touches no disk.

    Parameters
    ----------
    path : str or PurePosixPath
        The folder on the server.
    """

    def __init__(self, path: str | PurePosixPath) -> None:
        self.path = PurePosixPath(path)
        self.store = self.path / _STORE
        """Data files, each called by the SHA-256 of its content."""
        self.source = self.path / _SOURCE
        """Folders of the training source, each called by the SHA-256 of its archive."""
        self.runs = self.path / _RUNS
        """The runs' directories."""

    def all(self) -> list[PurePosixPath]:
        """Give every folder above."""
        return [self.store, self.source, self.runs]


class RunFolder(RunPaths[PurePosixPath]):
    """Names a run's files on a server, and says whose run it is.

    Parameters
    ----------
    server : Server
        The server.
    path : str or PurePosixPath
        The run's directory there.
    """

    def __init__(self, server: Server, path: str | PurePosixPath) -> None:
        super().__init__(PurePosixPath(path))
        self.server = server

    async def read(self, path: PurePosixPath) -> bytes:
        """Read a document; empty if there is no such file."""
        async with self.server.files() as files:
            return await files.read(path)

    async def chunks(self, path: PurePosixPath) -> AsyncGenerator[bytes, None]:
        """Read a file of any size, as large as it is now, piece by piece."""
        async with self.server.files() as files:
            size = (await files.stat(path)).size or 0
            async with aclosing(files.chunks(path, 0, size)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def write(self, path: PurePosixPath, content: bytes) -> None:
        """Write a whole file."""
        async with self.server.files() as files, files.create(path) as write:
            await write(content)

    async def write_launch(self, run_id: str, devices: int) -> None:
        """Note whose folder this is; the training adds to it when it begins."""
        await self.write(self.launch, json.dumps({"id": run_id, "devices": devices}).encode())

    async def read_launch(self) -> dict[str, Any]:
        """Read the run's id and number of devices; empty if no training was started there.

        Raises
        ------
        UserError
            If the file is damaged.
        """
        text = await self.read(self.launch)
        if not text:
            return {}
        try:
            launch: dict[str, Any] = parse_json(text)
            if not isinstance(launch["id"], str) or type(launch["devices"]) is not int:
                raise TypeError("id or devices is of another type")
        except (ValueError, TypeError, KeyError) as error:
            raise self.damage_error(error) from error
        return launch

    def damage_error(self, error: Exception) -> UserError:
        """What to say of a ``launch.json`` that no training wrote."""
        reason = f"{error!s:.99}".rstrip(".")
        return UserError(
            f"{self.launch} on {self.server.profile.name} is damaged: {reason}.",
            "Delete that run.",
        )

    async def exists(self) -> bool:
        """Whether there is such a folder."""
        async with self.server.files() as files:
            return await files.exists(self.path)

    async def claim(self, run_id: str, devices: int) -> bool:
        """Make the folder and note whose it is, unless somebody has it: whether it was made."""
        async with self.server.files() as files:
            if not await files.claim_folder(self.path):
                return False
        try:
            await self.write_launch(run_id, devices)
        except BaseException:
            with suppress(UserError):
                await self.remove()
            raise
        return True

    async def give_up(self, run_id: str) -> None:
        """Remove the folder of a run that could not be started, if there is one and it can be."""
        with suppress(UserError):
            if await self.belongs_to(run_id):
                await self.remove()

    async def belongs_to(self, run_id: str) -> bool:
        """Whether the folder is the run's of this id: a record may name any folder."""
        return (await self.read_launch()).get("id") == run_id

    async def find_owner(self) -> str:
        """Find the id of the run whose folder it is; empty where that is not known."""
        try:
            launch = parse_json(await self.read(self.launch) or b"{}")
        except ValueError:
            return ""
        owner = launch.get("id") if isinstance(launch, dict) else ""
        return owner if isinstance(owner, str) else ""

    async def check_owner(self, run_id: str) -> None:
        """Refuse a folder that is not the run's of this id.

        Raises
        ------
        UserError
            If it is another run's, or there is none.
        """
        if not await self.belongs_to(run_id):
            raise UserError(
                f"The folder {self.path} on {self.server.profile.name} is another run's, or none.",
                "Nothing was changed there. Fetch the run again from its server: "
                "napari-unet fetch --remote.",
            )

    async def remove(self) -> None:
        """Remove the folder with all that is in it."""
        async with self.server.files() as files:
            await files.remove_tree(self.path)


def can_be_run(path: str) -> bool:
    """Say whether a path can be a run's: a run is deleted there with all that is in it."""
    parts = PurePosixPath(path).parts
    return len(parts) > 2 and parts[-2] == _RUNS and ".." not in parts and "\0" not in path
