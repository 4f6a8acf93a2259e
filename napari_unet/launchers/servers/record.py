"""What a run's copy on this machine knows of the run on the server: ``remote.json``."""

from __future__ import annotations

import json
import re
from typing import Any, Self

from pydantic import Field, model_validator

from napari_unet.launchers.document import Document
from napari_unet.launchers.servers.profile.profile import MOST_DEVICES, Profile
from napari_unet.launchers.servers.working_folder import can_be_run
from training.config import parse_numbers
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.file_locks import hold_lock
from training.files.untrusted_files import parse_json, read_document
from training.runs.run_directory import RunDirectory

RUN_ID = re.compile(r"\w{1,64}", re.ASCII)


class RemoteRecord(Document):
    """Where a run is.

    Parameters
    ----------
    profile : Profile
        The server's, as it was when the run was started.
    run_id : str
        In the environment of all the run's processes.
    devices : int
        How many it trains on, over all nodes.
    device_ids : str
        Which NPUs of each node, such as "4,5"; empty: the first free ones.
    paths : tuple of str
        The run's directory on each node; empty until the run has been started there.
    is_running : bool
        As last seen.
    hashes : dict of str to str
        SHA-256 of the files that have been fetched and compared, by their path in the run.

    Raises
    ------
    UserError
        For what no start of a run writes.
    """

    profile: Profile
    run_id: str
    devices: int = Field(ge=1, le=MOST_DEVICES)
    device_ids: str = ""
    paths: tuple[str, ...] = Field(default=(), strict=False)  # JSON has lists
    is_running: bool = True
    hashes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not RUN_ID.fullmatch(self.run_id):
            raise UserError(f"run_id is {self.run_id!r:.99}.")
        self.profile.divisible(self.devices)
        parse_numbers(self.device_ids, "device_ids")
        servers = 1 + len(self.profile.nodes)
        if len(self.paths) not in (0, servers):
            raise UserError(f"It names {len(self.paths)} folders on {servers} servers.")
        if not all(map(can_be_run, self.paths)):
            raise UserError(f"The run's folders are {self.paths!r:.99}.")
        return self

    def node_of(self, rank: int) -> int:
        """Index of the node that a rank's process runs on."""
        return rank // (self.devices // (1 + len(self.profile.nodes)))


def is_remote(run: RunDirectory) -> bool:
    """Whether a directory is the copy of a run on a server."""
    return run.remote.exists()


def read_record(run: RunDirectory) -> RemoteRecord:
    """Read a run's record.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    path = run.remote
    try:
        return RemoteRecord.model_validate(parse_json(read_document(path)))
    except FileNotFoundError as error:
        raise UserError(
            f"{run.path} is not the copy of a run on a server.", "Give another run."
        ) from error
    except (OSError, ValueError, UserError) as error:
        raise UserError(
            f"{path} is damaged: {str(error).rstrip('.')}.", "Fetch the run again."
        ) from error


def write_record(run: RunDirectory, record: RemoteRecord) -> None:
    """Write a run's record."""
    write_atomically(run.remote, (json.dumps(record.model_dump(), indent=2) + "\n").encode())


def update_record(run: RunDirectory, **changes: Any) -> RemoteRecord:
    """Change a run's record, and keep the rest of it; other processes wait meanwhile."""
    with hold_lock(run.remote):
        record = read_record(run).replace(**changes)
        write_record(run, record)
    return record


def add_hash(run: RunDirectory, name: str, digest: str) -> None:
    """Add the SHA-256 of a fetched file to a run's record, as :func:`update_record` does."""
    with hold_lock(run.remote):
        record = read_record(run)
        write_record(run, record.replace(hashes={**record.hashes, name: digest}))
