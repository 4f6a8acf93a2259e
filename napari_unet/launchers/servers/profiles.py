"""The servers that a person has added, kept in a readable JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.profile.profile import Profile
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.file_locks import hold_lock
from training.files.untrusted_files import parse_json, read_document


def profiles_path() -> Path:
    """Where the file is, for this person on this system."""
    return Path(platformdirs.user_config_dir("napari-unet")) / "servers.json"


def load_profiles() -> dict[str, Profile]:
    """The profiles by name; empty if there is no file yet.

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
        profiles = [Profile.model_validate(document) for document in documents]
    except (UserError, TypeError) as error:
        raise UserError(f"{path}: {error}", "Mend or remove it.") from error
    return {profile.name: profile for profile in profiles}


def find_profile(name: str) -> Profile:
    """Find a profile by its name.

    Raises
    ------
    UserError
        If there is none of that name, or as :func:`load_profiles`.
    """
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
    with _changing() as profiles:
        profiles[profile.name] = profile


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
        If another profile has its name, or no path can begin with it.
    """
    if ServerPath.parse(f"{profile.name}:/") is None:
        raise UserError(
            f"A server can't be called {profile.name!r:.99}.",
            "Choose two letters or more, without '/', '\\' and ':': its files are NAME:/PATH.",
        )
    with _changing() as profiles:
        if profile.name in profiles and profile.name != former:
            raise UserError(
                f"There is a server '{profile.name}' already.",
                "Choose another name, or replace that one: --overwrite.",
            )
        places = {profile.name if name == former else name: name for name in profiles}
        ordered = {place: profiles[name] for place, name in places.items()}
        profiles.clear()
        profiles.update(ordered | {profile.name: profile})


def prefer_npus(profile: Profile) -> bool:
    """Have a profile that leaves the choice train on NPUs alone, because its server has some.

    Returns
    -------
    bool
        Whether it is changed; not where it is not kept, or says what to train with.
    """
    with _changing() as profiles:
        kept = profiles.get(profile.name)
        is_open = kept == profile and profile.device == "auto"
        if is_open:
            profiles[profile.name] = profile.replace(device="ascend")
    return is_open


def remove_profile(name: str) -> None:
    """Forget a profile; its runs stay where they are."""
    with _changing() as profiles:
        find_profile(name)
        del profiles[name]


@contextmanager
def _changing() -> Iterator[dict[str, Profile]]:
    """The profiles to be changed in place; nobody else changes the file meanwhile."""
    path = profiles_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(path):
        profiles = load_profiles()
        yield profiles
        documents = [profile.model_dump() for profile in profiles.values()]
        text = json.dumps(documents, indent=2) + "\n"
        write_atomically(path, text.encode(), follow_links=True, is_private=True)
