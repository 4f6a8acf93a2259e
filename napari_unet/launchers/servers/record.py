"""What a run's copy on this machine knows of the run on the server: ``remote.json``."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from napari_unet.launchers.servers.profiles import Profile, profile_from_json
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document
from training.runs.run_directory import RunDirectory

MOST_DEVICES = 10_000
RUN_ID = re.compile(r"\w{1,64}", re.ASCII)


@dataclass(frozen=True)
class RemoteRecord:
    """Where a run is.

    Parameters
    ----------
    profile : Profile
        The server's, as it was when the run was started.
    run_id : str
        In the environment of all the run's processes.
    devices : int
        How many it trains on, over all nodes.
    paths : tuple of str
        The run's directory on each node; empty until the run has been started there.
    is_running : bool
        As last seen.
    hashes : dict of str to str
        SHA-256 of the files that have been fetched and compared, by their path in the run.
    """

    profile: Profile
    run_id: str
    devices: int
    paths: tuple[str, ...] = ()
    is_running: bool = True
    hashes: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise a ValueError or TypeError for what no start of a run writes."""
        if not RUN_ID.fullmatch(self.run_id):
            raise ValueError("the run's id is none")
        if type(self.devices) is not int or not 1 <= self.devices <= MOST_DEVICES:
            raise ValueError(f"devices is {self.devices!r:.50}")
        self.profile.divisible(self.devices)
        if len(self.paths) not in (0, 1 + len(self.profile.nodes)):
            raise ValueError(f"{len(self.paths)} folders on {1 + len(self.profile.nodes)} servers")
        if not all(isinstance(path, str) and _is_run_folder(path) for path in self.paths):
            raise ValueError(f"the run's folders are {self.paths!r:.99}")
        if type(self.is_running) is not bool or not isinstance(self.hashes, dict):
            raise TypeError("is_running or hashes is of another type")
        if not all(isinstance(digest, str) for digest in self.hashes.values()):
            raise TypeError("a hash is no text")

    def node_of(self, rank: int) -> int:
        """Index of the node that a rank's process runs on."""
        return rank // (self.devices // (1 + len(self.profile.nodes)))


def _is_run_folder(path: str) -> bool:
    """Whether a path can be a run's on a server: a run is deleted there with all that is in it."""
    parts = PurePosixPath(path).parts
    return len(parts) > 2 and parts[-2] == "runs" and ".." not in parts and "\0" not in path


def is_remote(run: RunDirectory) -> bool:
    """Whether a directory is the copy of a run on a server."""
    return (run.remote).exists()


def read_record(run: RunDirectory) -> RemoteRecord:
    """A run's record; a UserError if it has none, or a damaged one."""
    path = run.remote
    try:
        document: dict[str, Any] = parse_json(read_document(path))
        profile = profile_from_json(document.pop("profile"))
        paths = tuple(document.pop("paths"))
        record = RemoteRecord(profile=profile, paths=paths, **document)
        record.check()
        return record
    except FileNotFoundError as error:
        raise UserError(f"{run.path} is no run on a server.", "Give another run.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError) as error:
        raise UserError(
            f"{path} is damaged: {str(error).rstrip('.')}.", "Fetch the run again."
        ) from error


def write_record(run: RunDirectory, record: RemoteRecord) -> None:
    """Write a run's record."""
    document = asdict(record)
    write_atomically(run.remote, (json.dumps(document, indent=2) + "\n").encode())


def update_record(run: RunDirectory, **changes: Any) -> RemoteRecord:
    """Change a run's record, and keep the rest of it."""
    record = replace(read_record(run), **changes)
    write_record(run, record)
    return record
