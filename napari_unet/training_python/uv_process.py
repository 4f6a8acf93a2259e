"""Runs uv, and says in a sentence why it failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet.training_python.places import cache, interpreters
from training.devices.run_processes import DETACHED, passed_on
from training.errors import UserError

_POLL_SECONDS = 0.1
_PIP_SECONDS = 60
_NO_ROOM = ("os error 28", "os error 112")  # of POSIX, and of Windows
_CAUSES = ("cause:", "Caused by:")  # as uv writes them now, and before
_SILENCE_SECONDS = "180"  # until uv takes a connection for lost


@dataclass(frozen=True)
class SetupProgress:
    """How far a setup is.

    Parameters
    ----------
    step : str
        What is being done.
    done, total : int
        Bytes that are loaded, and that are to be; 0 where nothing is loaded.
    """

    step: str
    done: int = 0
    total: int = 0


def run_uv(
    arguments: Sequence[str], step: str, problem: str, remedy: str, lock: int
) -> Generator[SetupProgress, None, str]:
    """Run uv; yields while it runs. Where nobody asks for more, it is ended.

    Parameters
    ----------
    arguments : sequence of str
        Of uv.
    step : str
        What it does.
    problem, remedy : str
        What it means that it fails, without a full stop, and what to do about it then.
    lock : int
        File descriptor of a lock that it keeps for as long as it runs.

    Returns
    -------
    str
        What it printed on the standard output.

    Raises
    ------
    UserError
        If it fails, or is missing.
    """
    # In a session of its own it gets no Ctrl-C, and ends when it is ended here.
    process = subprocess.Popen(
        [_find_uv(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=Path.home(),  # not in a project, whose settings it would take
        env=_environment(),
        start_new_session=True,
        creationflags=DETACHED,
        pass_fds=passed_on(lock),
    )
    with process:
        try:
            while True:
                try:
                    output, errors = process.communicate(timeout=_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    yield SetupProgress(step)
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return output
    if any(mark in errors for mark in _NO_ROOM):
        remedy = "Make room on the disk, then try again."
    raise UserError(f"{problem}: {_reason(errors)}.", remedy)


def _find_uv() -> str:
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        raise UserError(
            f"uv, which makes the Python that trains, is missing in {sys.executable}.",
            "Install it: pip install uv.",
        ) from error


def _environment() -> dict[str, str]:
    """This process' environment, in which uv uses pip's index, and keeps all in our folder."""
    ours = {
        "UV_CACHE_DIR": str(cache()),
        "UV_HTTP_TIMEOUT": _SILENCE_SECONDS,
        "UV_PYTHON_INSTALL_DIR": str(interpreters()),
    }
    if index := _index_of_pip():
        ours["UV_DEFAULT_INDEX"] = index
    return {**ours, **os.environ}


def _index_of_pip() -> str:
    """The index that pip is told to use; empty where it is told of none."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pip", "config", "get", "global.index-url"],
            capture_output=True,
            text=True,
            timeout=_PIP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


def _reason(errors: str) -> str:
    """What went wrong, and the last of the causes that uv tells of it."""
    lines = [line.strip() for line in errors.splitlines()]
    told = [line for line in lines if line.startswith("error:")][:1]
    causes = [line for line in lines if line.startswith(_CAUSES)][-1:]
    reasons = [line.partition(":")[2].strip() for line in told + causes] or lines[-1:]
    return ": ".join(reasons).rstrip(".")
