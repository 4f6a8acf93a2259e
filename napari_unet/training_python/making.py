"""Makes the Python that trains, in steps that can be ended and are gone on with later."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil

from napari_unet.training_python import places
from napari_unet.training_python.choice import TrainingPython, read_choice, write_choice
from napari_unet.training_python.downloads import (
    RefusedError,
    RemoteFile,
    download,
    find_size,
    missing_bytes,
)
from napari_unet.training_python.probe import MINDSPORE, run_probe
from napari_unet.training_python.requirements import (
    VERSIONS,
    FoundPython,
    for_formats,
    look_at,
    needed,
    str_of,
)
from napari_unet.training_python.uv_process import SetupProgress, run_uv
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError, write_atomically
from training.files.file_locks import take_lock
from training.files.open_elsewhere import remove_folder

# What is loaded, in GB: on Windows and Macs with Apple's processors 0.2.
_GIGABYTES = {("linux", "x86_64"): 0.9, ("linux", "aarch64"): 0.5, ("darwin", "x86_64"): 0.3}
_LEAST_GIGABYTES = 0.2
_PYTHON, _OTHER_PYTHON = (f"{major}.{minor}" for major, minor in VERSIONS)
_UNPACKED = 3.3  # bytes on the disk for each one that is loaded
_GB = 1e9
_NO_PYTHON = (
    f"Install Python {_PYTHON} or {_OTHER_PYTHON}, or name one that has MindSpore: "
    "napari-unet setup --python PATH."
)
_NO_INTERNET = (
    "See that there is internet; or give wheels from a folder: "
    "napari-unet setup --find-links FOLDER."
)
_ONLY_WHEELS = ("--only-binary", ":all:")


def download_gigabytes() -> float:
    """How much a setup loads on this machine, in GB."""
    return _GIGABYTES.get((sys.platform, platform.machine()), _LEAST_GIGABYTES)


def set_up(find_links: Path | None = None) -> Generator[SetupProgress]:
    """Make the Python that trains; where it is there as it should be, nothing is done.

    Ends where nobody asks for more. What was loaded until then is not loaded again.

    Parameters
    ----------
    find_links : Path, optional
        Folder of wheels to take in the place of the internet.

    Raises
    ------
    UserError
        If another setup is going on, a training runs in it, there is no connection, no Python
        that fits, no room, or MindSpore does not work on this machine.
    """
    if find_links is not None and not any(find_links.glob("*.whl")):
        raise UserError(f"{find_links} has no wheels.", "Name a folder of files that end in .whl.")
    with _alone() as lock:
        if _is_made():
            return
        _refuse_while_training()
        yield from _make_environment(find_links is not None, lock)
        wanted = _write_requirements()
        if find_links is not None:
            folder = str(find_links.absolute())
            yield from _install(["--no-index", "--find-links", folder, "-r", str(wanted)], lock)
        elif not (yield from _install_from_cache(wanted, lock)):
            packages = yield from _load(wanted, lock)
            yield from _install(["--no-deps", *packages], lock)
        yield SetupProgress("Trying MindSpore")
        write_choice(_check(places.environment_python()))
        for rest in (places.wheels(), places.cache()):
            shutil.rmtree(rest, ignore_errors=True)


def use_python(python: Path) -> FoundPython:
    """Have trainings run in a Python that is there.

    Raises
    ------
    UserError
        If it is another version than it may be, lacks something, or its MindSpore does not work.
    """
    with _alone():
        found = _check(Path(shutil.which(python) or python).absolute())
        write_choice(found)
        return found


def remove() -> bool:
    """Remove the Python that trains, and what was loaded for it; False if there is nothing.

    A Python that was named, and not made, stays.

    Raises
    ------
    UserError
        If a training runs in it, or it can't be removed.
    """
    if not places.home().exists():
        return False
    with _alone():
        _refuse_while_training()
        try:
            remove_folder(places.home())
        except OSError as error:
            raise UserError(
                f"{error.filename or places.home()} can't be removed: {error.strerror}.",
                "Close what uses it, then try again.",
            ) from error
    return True


@contextmanager
def _alone() -> Iterator[int]:
    """Be the only one who makes or removes something there; yields the lock's descriptor."""
    try:
        places.home().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(places.home(), error) from error
    with open_to_append(places.lock_file()) as lock:
        if not take_lock(lock):
            raise UserError(
                "Another setup of training is going on.", "Wait for its end, or cancel it."
            )
        yield lock.fileno()


def _is_made() -> bool:
    """Whether the environment is there, with all that this version of the package needs."""
    if read_choice() != places.environment_python() or not places.environment_python().exists():
        return False
    return not look_at(places.environment_python()).lacks(needed() + for_formats())


def _refuse_while_training() -> None:
    """Raise a UserError if a training runs in the Python that was chosen."""
    chosen = str(read_choice())
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if command[:1] == [chosen] and "training.train" in command:
            raise UserError(
                f"A training runs in the Python that trains (process {process.info['pid']}).",
                "Wait for its end, or stop it.",
            )


def _make_environment(is_offline: bool, lock: int) -> Iterator[SetupProgress]:
    """Make it again, for what is there may be half made. A Python is loaded where none is here."""
    step, problem = "Making a Python", f"No Python {_PYTHON} can be had"
    make = ["venv", "--clear", "--no-project", str(places.environment()), "--python"]
    offline = ["--offline"] if is_offline else []
    try:
        yield from run_uv([*make, _PYTHON, *offline], step, problem, _NO_PYTHON, lock)
    except UserError as error:
        other = [*make, _OTHER_PYTHON, "--no-python-downloads", *offline]
        try:
            yield from run_uv(other, step, problem, _NO_PYTHON, lock)
        except UserError:
            raise error from None


def _write_requirements() -> Path:
    """Write down what is to be installed, and give the file."""
    path = places.home() / "requirements.txt"
    lines = [f"{str_of(wanted)}\n" for wanted in needed() + for_formats()]
    write_atomically(path, "".join(lines).encode())
    return path


def _install(what: Sequence[str], lock: int, step: str = "Installing") -> Iterator[SetupProgress]:
    """Install what these options of uv say."""
    command = ["pip", "install", "--python", str(places.environment_python()), *_ONLY_WHEELS]
    problem = "What training needs can't be installed"
    yield from run_uv([*command, *what], step, problem, _NO_INTERNET, lock)


def _install_from_cache(wanted: Path, lock: int) -> Generator[SetupProgress, None, bool]:
    """Install what ``UV_CACHE_DIR`` may hold, where a person keeps one; False if it does not."""
    try:
        yield from _install(["--offline", "-r", str(wanted)], lock, "Looking into uv's cache")
    except UserError:
        return False
    return True


def _load(wanted: Path, lock: int) -> Generator[SetupProgress, None, list[str]]:
    """Load the wheels that are wanted, and those which they need; gives what to install."""
    command = ["pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml"]
    command += [*_ONLY_WHEELS, "--python", str(places.environment_python()), str(wanted)]
    problem = "What training needs can't be found"
    step = "Finding out what to load"
    locked = yield from run_uv(command, step, problem, _NO_INTERNET, lock)
    packages = tomllib.loads(locked)["packages"]
    files = {package["name"]: _wheel_of(package) for package in packages}
    wheels = [wheel for wheel in files.values() if wheel is not None]
    try:
        yield from _download(wheels)
    except RefusedError:  # uv knows of logins that we don't
        files = dict.fromkeys(files)
    return [
        f"{package['name']}=={package['version']}"
        if (wheel := files[package["name"]]) is None
        else str(places.wheels() / wheel.name)
        for package in packages
    ]


def _wheel_of(package: dict[str, Any]) -> RemoteFile | None:
    """The wheel of a package for this machine; None where the index says too little: uv loads it.

    MindSpore has a wheel for Arm processors that is called one for any.
    """
    wheels = [wheel for wheel in package.get("wheels", ()) if "url" in wheel]
    if any("@" in urlsplit(wheel["url"]).netloc for wheel in wheels):
        return None  # there is a password in it, which uv alone is to have
    wheels.sort(key=lambda wheel: wheel["url"].endswith("-any.whl"))
    for wheel in wheels[:1]:
        size = wheel.get("size") or find_size(wheel["url"])
        name = PurePosixPath(unquote(urlsplit(wheel["url"]).path)).name
        if size and "sha256" in wheel.get("hashes", {}):
            return RemoteFile(wheel["url"], name, size, wheel["hashes"]["sha256"])
    return None


def _download(wheels: Sequence[RemoteFile]) -> Iterator[SetupProgress]:
    folder = places.wheels()
    folder.mkdir(exist_ok=True)
    total = sum(wheel.size for wheel in wheels)
    needs = missing_bytes(wheels, folder) + _UNPACKED * total
    free = shutil.disk_usage(folder).free
    if free < needs:
        raise UserError(
            f"The disk of {folder} has {free / _GB:.1f} GB free, and this takes "
            f"{needs / _GB:.1f} GB.",
            "Make room on it, then try again.",
        )
    for done in download(wheels, folder):
        yield SetupProgress("Loading", done, total)


def _check(python: Path) -> FoundPython:
    """Look at a Python, and try its MindSpore; a UserError if it won't do."""
    found = look_at(python)
    if found.version not in VERSIONS:
        version = ".".join(map(str, found.version))
        raise UserError(
            f"{python} is Python {version}; training needs {_PYTHON} or {_OTHER_PYTHON}.",
            "Name another, or let one be made: napari-unet setup.",
        )
    if lacking := found.lacks(needed()):
        install = " ".join(f'"{name}"' for name in lacking)
        raise UserError(
            f"{python} lacks {', '.join(lacking)}.",
            f"Install it: {python} -m pip install {install}",
        )
    environment = TrainingPython(python).environment(os.environ)
    if problem := run_probe(MINDSPORE, python, environment):
        raise UserError(f"The MindSpore of {python} does not work: {problem}.")
    return found
