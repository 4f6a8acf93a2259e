"""What a run's copy on this machine knows of the run on the server: ``remote.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from napari_unet.servers.profiles import Profile, load_profiles, profile_from_json
from training.atomic_files import write_atomically
from training.documents import parse_json, read_document
from training.errors import UserError
from training.run_directory import RunDirectory

FILE_NAME = "remote.json"


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

    def node_of(self, rank: int) -> int:
        """Index of the node that a rank's process runs on."""
        return rank // (self.devices // max(1, len(self.paths)))


def is_remote(run: RunDirectory) -> bool:
    """Whether a directory is the copy of a run on a server."""
    return (run.path / FILE_NAME).exists()


def read_record(run: RunDirectory) -> RemoteRecord:
    """A run's record; a UserError if it has none, or a damaged one."""
    path = run.path / FILE_NAME
    try:
        document: dict[str, Any] = parse_json(read_document(path))
        profile = profile_from_json(document.pop("profile"))
        paths = tuple(document.pop("paths"))
        return RemoteRecord(profile=profile, paths=paths, **document)
    except FileNotFoundError as error:
        raise UserError(f"{run.path} is no run on a server.", "Give another run.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error}.", "Fetch the run anew.") from error


def write_record(run: RunDirectory, record: RemoteRecord) -> None:
    """Write a run's record."""
    document = asdict(record)
    write_atomically(run.path / FILE_NAME, (json.dumps(document, indent=2) + "\n").encode())


def update_record(run: RunDirectory, **changes: Any) -> RemoteRecord:
    """Change a run's record, and keep the rest of it."""
    record = replace(read_record(run), **changes)
    write_record(run, record)
    return record


def current_profile(record: RemoteRecord) -> Profile:
    """The person's profile of that name, for it may have been mended; else the run's own."""
    return load_profiles().get(record.profile.name, record.profile)
