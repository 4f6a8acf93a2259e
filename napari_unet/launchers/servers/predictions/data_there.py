"""What data on a server are, found out there before anything is sent or started."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from napari_unet.launchers.document import Document
from napari_unet.launchers.launcher import ignore_progress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_files import CommandError
from napari_unet.launchers.servers.store import Store
from napari_unet.text import as_argument
from training.data_pairs import DataPair, read_pairs
from training.errors import UserError
from training.files.untrusted_files import parse_json
from training.label_convention import LabelConvention, leading_convention

DESCRIBE_SECONDS = 3600  # labels of a large volume are counted


class StackThere(Document):
    """A stack as its server describes it.

    Parameters
    ----------
    shape : (int, int, int)
        (Z, Y, X).
    dtype : str
        Of its pixels.
    offset : (float, float, float)
        Where it begins along Z, Y and X, in nm.
    state : str
        Changes with whatever is written to its files, and not where these are moved.
    """

    shape: tuple[int, int, int] = Field(strict=False)
    dtype: str
    offset: tuple[float, float, float] = Field(strict=False)
    state: str


class VolumesThere(Document):
    """Volumes to train on, as their server describes them.

    Parameters
    ----------
    volumes : tuple of DataPair
        Their paths there, and what their labels mean.
    sentences : tuple of str
        How that was found, for a person.
    """

    volumes: tuple[Any, ...] = Field(strict=False)
    sentences: tuple[str, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.pairs or not all(pair.convention for pair in self.pairs):
            raise UserError("It names no volumes, or not what their labels mean.")
        return self

    @property
    def pairs(self) -> tuple[DataPair, ...]:
        return read_pairs(self.volumes)

    @property
    def convention(self) -> LabelConvention:
        """That of the labels; of several volumes the one that decides the options."""
        return leading_convention(pair.convention for pair in self.pairs if pair.convention)


async def describe_stack(
    store: Store, stack: str, results: Mapping[str, str], overwrite: bool
) -> StackThere | None:
    """Describe a stack on a server, and check the results that are to be written there.

    Parameters
    ----------
    store : Store
        The server's.
    stack : str
        Path there; empty: it comes from here.
    results : mapping of str to str
        Paths there, by kind of result.
    overwrite : bool
        Whether results that are there may be replaced.

    Returns
    -------
    StackThere or None
        None where there is no stack to describe.

    Raises
    ------
    UserError
        If the stack is missing or can't be read there, or a result can't be written.
    """
    request: dict[str, Any] = {"results": dict(results), "overwrite": overwrite}
    answer = await _ask(store, {**request, "stack": stack})
    return StackThere.model_validate(answer) if stack else None


def describe_volumes(profile: Profile, request: Mapping[str, Any]) -> VolumesThere:
    """Describe volumes on a server, the first of several, to train on.

    Parameters
    ----------
    profile : Profile
        The server's.
    request : mapping
        Options of :class:`TrainingConfig` that name the data, with paths there, or say how labels
        are read; and ``hold_out``.

    Raises
    ------
    UserError
        If the data are missing or can't be used.
    """
    return wait_for(_describe_volumes(profile.node_profiles()[0], request))


async def _describe_volumes(node: Profile, request: Mapping[str, Any]) -> VolumesThere:
    server = Server(node)
    try:
        store = await Store.open(server, ignore_progress)
        return VolumesThere.model_validate(await _ask(store, request))
    finally:
        await server.close()


async def _ask(store: Store, request: Mapping[str, Any]) -> Any:
    """Ask the server's Python; a UserError in its words if something is wrong with the data."""
    server = store.server
    source = await store.put_source()
    command = shlex.join(["-P", "-m", "training.describe_data", json.dumps(request)])
    script = f"""{scripts.activation(server.profile, source)}
{scripts.python_of(server.profile)} {command}"""
    try:
        printed = (await server.run(script, DESCRIBE_SECONDS)).rstrip().rpartition("\n")[2]
    except CommandError as error:
        name = server.profile.name
        remedy = f"Test that server: napari-unet servers test {as_argument(name)}."
        raise CommandError(error.problem, error.remedy or remedy) from error
    try:
        answer = parse_json(printed)
        if not isinstance(answer, dict):
            raise ValueError("it is not an object")
    except ValueError as error:
        raise CommandError(
            f"{server.profile.name} gave an answer that makes no sense: {printed!r:.99}.",
            "Look at what its login scripts do.",
        ) from error
    if "problem" in answer:
        problem, remedy = str(answer["problem"]), str(answer.get("remedy", ""))
        raise UserError(f"On {server.profile.name}: {problem:.999}", f"{remedy:.999}")
    return answer


def settled_there(server: str, there: VolumesThere) -> dict[str, Any]:
    """Give the options of a configuration that name volumes on a server by its name."""
    pairs = [
        pair._replace(image=f"{server}:{pair.image}", labels=f"{server}:{pair.labels}")
        for pair in there.pairs
    ]
    if len(pairs) == 1:
        return {"image": pairs[0].image, "labels": pairs[0].labels}
    return {"pairs": pairs}
