"""The options that a prediction was started with, a file in its folder on the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from napari_unet.launchers.servers.predictions.record import options_path
from napari_unet.launchers.servers.working_folder import RunFolder, WorkingFolder
from training.config import STARTER
from training.errors import UserError
from training.formats.location import HDF5_ENDINGS

_READ = {"input": "stack", "ckpt": "model"}


async def write_options(folder: RunFolder, arguments: Sequence[str]) -> None:
    """Write the options of ``training.predict``, which reads them from there."""
    options = "".join(json.dumps(argument) + "\n" for argument in arguments)
    await folder.write(options_path(folder), options.encode())


async def check_options(folder: RunFolder) -> None:
    """Refuse to go on by options that are gone, or whose stack or model is.

    Raises
    ------
    UserError
        It names what the server no longer has.
    """
    name, server = folder.name, folder.server.profile.name
    path = options_path(folder)
    content = await folder.read(path)
    if not content:
        raise UserError(f"{server} no longer has {path}, the options of {name}.", "Predict again.")
    try:
        arguments = [str(json.loads(line)) for line in content.splitlines()]
    except ValueError as error:
        raise UserError(f"{path} on {server} is damaged: {error}.", "Predict again.") from error
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments)
    store = WorkingFolder(folder.path.parents[1]).store
    async with folder.server.files() as files:
        for option, what in _READ.items():
            read = given.get(option, "")
            if read == STARTER or await files.exists(_file_of(read)):
                continue
            was_sent = PurePosixPath(read).parent == store
            remedy = (
                f"Give the command that began {name} again, which sends it"
                if was_sent
                else f"Put it there again and resume {name}"
            )
            raise UserError(
                f"{server} no longer has {read}, the {what} of {name}, which stays as it was.",
                f"{remedy}: it goes on after the slices that are done.",
            )


def _file_of(path: str) -> PurePosixPath:
    """Give the file or folder that is opened: of an HDF5 dataset, the file it is in."""
    named = PurePosixPath(path)
    steps = (*reversed(named.parents), named)
    return next((step for step in steps if step.suffix.lower() in HDF5_ENDINGS), named)
