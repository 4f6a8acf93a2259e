"""The servers that a person has told of, kept in a readable JSON file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document

# Both reach the shell of a ProxyCommand in ~/.ssh/config. Hosts may have letters of any alphabet.
_HOST = re.compile(r"(?!-)[\w.:%-]+")
_USER = re.compile(r"(?!-)[\w.:%-]*", re.ASCII)


@dataclass(frozen=True)
class Profile:
    """How to reach a server and how to train there. No password is ever stored.

    Parameters
    ----------
    name : str
        What the person calls it.
    host : str
        Its address, or a ``Host`` of ``~/.ssh/config``.
    port : int
        0: the one of ``~/.ssh/config``, else 22.
    user : str
        Empty: the one of ``~/.ssh/config``, else this account's name.
    key : str
        Private key file; empty: the agent's keys and the usual files.
    folder : str
        Working folder there; relative to the home folder unless it begins with ``/``.
    activate : str
        Shell command line that activates Python with MindSpore.
    cann : str
        CANN's ``set_env.sh``; empty: it is looked for in the usual places.
    device : str
        ``ascend``, ``cpu``, or ``auto``: ascend if there are NPUs.
    devices : int
        How many devices a run takes, over all nodes.
    nodes : tuple of str
        Addresses of the other servers of one job; the profile's other options hold there too.
    master_addr : str
        Address of ``host`` as the nodes see it; needed with ``nodes`` only.
    """

    name: str
    host: str
    port: int = 0
    user: str = ""
    key: str = ""
    folder: str = "napari-unet"
    activate: str = ""
    cann: str = ""
    device: str = "auto"
    devices: int = 8
    nodes: tuple[str, ...] = ()
    master_addr: str = ""

    def __post_init__(self) -> None:
        for option in fields(self):
            _check_type(option.name, getattr(self, option.name))
        if not self.name.strip() or not self.name.isprintable():
            name = f"{self.name!r:.99}"
            raise UserError(f"A server can't be called {name}.", "Choose a readable name.")
        for host in (self.host, *self.nodes):
            if not _HOST.fullmatch(host):
                raise UserError(
                    f"{host!r:.99} is not the address of a server.",
                    "Give a host name, an IP address or a Host of ~/.ssh/config.",
                )
        if not _USER.fullmatch(self.user):
            raise UserError(
                f"{self.user!r:.99} is not the name of an account.",
                "Give the name of your account on the server, or none.",
            )
        if not 0 <= self.port <= 65535:
            raise UserError(f"The port {self.port} is out of range.", "Use 1 to 65535.")
        if self.device not in ("auto", "cpu", "ascend"):
            device = f"{self.device:.99}"
            raise UserError(f"The device '{device}' is unknown.", "Use auto, cpu or ascend.")
        self.divisible(self.devices)
        if not self.folder or "\0" in self.folder:
            raise UserError("The working folder has no name.", "Give a folder on the server.")
        if self.nodes and not self.master_addr:
            raise UserError(
                "A job on several servers needs the first one's address, as the others see it.",
                "Give it as master_addr.",
            )

    def node_profiles(self) -> list[Profile]:
        """A profile for each server of the job, the first one's first."""
        return [replace(self, host=host, nodes=(), master_addr="") for host in self._hosts()]

    def divisible(self, devices: int) -> int:
        """A number of devices; a UserError if the servers can't take as many each."""
        count = len(self._hosts())
        if devices < 1 or devices % count:
            raise UserError(
                f"{devices} devices can't be divided among {count} servers.",
                "Give a multiple of the number of servers.",
            )
        return devices

    @property
    def address(self) -> tuple[str, int, str]:
        """What must agree for the first server, and the account there, to be the same."""
        return self.host, self.port, self.user

    @property
    def place(self) -> str:
        """The address as ssh would write it."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}" + (f":{self.port}" if self.port else "")

    def _hosts(self) -> tuple[str, ...]:
        return (self.host, *self.nodes)


def profiles_path() -> Path:
    """Where the file is, for this person on this system."""
    return Path(platformdirs.user_config_dir("napari-unet")) / "servers.json"


def load_profiles() -> dict[str, Profile]:
    """The profiles by name; none if there is no file yet.

    Raises
    ------
    UserError
        If the file is damaged, has an unknown option or a bad value.
    """
    path = profiles_path()
    try:
        documents = parse_json(read_document(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}.", "Mend or remove it.") from error
    try:
        profiles = [profile_from_json(document) for document in documents]
    except (UserError, TypeError) as error:
        raise UserError(f"{path}: {error}", "Mend or remove it.") from error
    return {profile.name: profile for profile in profiles}


def find_profile(name: str) -> Profile:
    """The profile of that name; a UserError if there is none."""
    profiles = load_profiles()
    if name not in profiles:
        known = ", ".join(profiles) or "none yet"
        raise UserError(
            f"There is no server '{name}'; known: {known}.", "Add it: napari-unet servers add."
        )
    return profiles[name]


def find_same(profile: Profile) -> Profile | None:
    """This person's profile of the same servers and accounts: the one of its name, or another."""
    profiles = load_profiles()
    first = [profiles[profile.name]] if profile.name in profiles else []
    wanted = [node.address for node in profile.node_profiles()]
    for own in (*first, *profiles.values()):
        if [node.address for node in own.node_profiles()] == wanted:
            return own
    return None


def own_profile(profile: Profile) -> Profile:
    """This person's profile of the same servers; nothing is started with another's.

    A stranger's has command lines to run, in the folder of a run that he gave away.

    Raises
    ------
    UserError
        If none of this person's profiles is of these servers and accounts.
    """
    own = find_same(profile)
    if own is None:
        raise UserError(
            f"{' and '.join(node.place for node in profile.node_profiles())} is not one of your "
            "servers, so nothing can be started there.",
            "Add it, if you trust it: napari-unet servers add.",
        )
    return own


def known_nodes(name: str) -> dict[tuple[str, int, str], Profile]:
    """Every server that a profile names, by its address; as in the named one if that has it."""
    profiles = load_profiles()
    first = [profiles[name]] if name in profiles else []
    nodes = [node for profile in (*profiles.values(), *first) for node in profile.node_profiles()]
    return {node.address: node for node in nodes}


def save_profile(profile: Profile) -> None:
    """Add a profile, or replace the one of its name."""
    _write({**load_profiles(), profile.name: profile})


def put_profile(profile: Profile, former: str = "") -> None:
    """Save a profile that a person has edited, perhaps under another name than before.

    Parameters
    ----------
    profile : Profile
        The profile.
    former : str
        Name of the one that it replaces; empty for a new one.

    Raises
    ------
    UserError
        If another profile has its name.
    """
    profiles = load_profiles()
    if profile.name in profiles and profile.name != former:
        raise UserError(f"There is a server '{profile.name}' already.", "Choose another name.")
    replaced = {profile.name if name == former else name: one for name, one in profiles.items()}
    _write({**replaced, profile.name: profile})


def remove_profile(name: str) -> None:
    """Forget a profile; its runs stay where they are."""
    find_profile(name)
    _write({key: one for key, one in load_profiles().items() if key != name})


def profile_from_json(document: Any) -> Profile:
    """A profile from a JSON object; a UserError for anything else."""
    if not isinstance(document, dict) or not {"name", "host"} <= document.keys():
        raise UserError("A server needs a name and a host.")
    unknown = document.keys() - {option.name for option in fields(Profile)}
    if unknown:
        raise UserError(f"Unknown option of a server: {', '.join(sorted(unknown)):.99}.")
    nodes = document.get("nodes", [])
    return Profile(**{**document, "nodes": tuple(nodes) if isinstance(nodes, list) else nodes})


def _write(profiles: dict[str, Profile]) -> None:
    path = profiles_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    documents = [asdict(profile) for profile in profiles.values()]
    text = json.dumps(documents, indent=2) + "\n"
    write_atomically(path, text.encode(), follow_links=True, is_private=True)


def _check_type(name: str, value: object) -> None:
    kind: type = {"port": int, "devices": int, "nodes": tuple}.get(name, str)
    if type(value) is not kind or (
        isinstance(value, tuple) and not all(isinstance(host, str) for host in value)
    ):
        raise UserError(f"{name} is {value!r:.99}, but must be of type {kind.__name__}.")
