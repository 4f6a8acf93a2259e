"""CANN, the software between MindSpore and an NPU: found, and put into an environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from training.devices.npus import find_npus
from training.errors import UserError

# CANN 8.5 and newer, then older ones; below each of the folders of find_cann.
CANN_PLACES = ("cann/set_env.sh", "ascend-toolkit/set_env.sh")
# What CANN's compiler of kernels imports, by what pip calls it. The first three are CANN's own:
# its set_env.sh puts them on PYTHONPATH.
CANN_PACKAGES = ("hccl", "te", "tbe")
KERNEL_PACKAGES = {
    **{name: name for name in CANN_PACKAGES},
    "attrs": "attr",
    "decorator": "decorator",
    "sympy": "sympy",
    "cloudpickle": "cloudpickle",
    "tornado": "tornado",
    "absl-py": "absl",
}
# CANN's set_env.sh sets all of them; an image may have set but one.
_MARKS = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "ASCEND_OPP_PATH")
_PLOG_PATH = "ASCEND_PROCESS_LOG_PATH"
_SOURCE_SECONDS = 60


def find_cann(root: Path = Path("/usr/local/Ascend")) -> Path | None:
    """CANN's ``set_env.sh``, to be sourced before MindSpore uses an NPU; None without CANN."""
    folders = [root, Path.home() / "Ascend"]
    if conda := os.environ.get("CONDA_PREFIX"):
        folders.append(Path(conda) / "Ascend")
    places = [folder / place for folder in folders for place in CANN_PLACES]
    return next((place for place in places if place.is_file()), None)


def has_cann(environment: Mapping[str, str]) -> bool:
    """Whether CANN's ``set_env.sh`` was sourced in an environment."""
    return any(environment.get(mark) for mark in _MARKS)


def with_cann(environment: Mapping[str, str], requested: str) -> dict[str, str]:
    """Give the environment of a process that may train on an NPU, with CANN in it.

    Parameters
    ----------
    environment : mapping of str to str
        This process' own, or a changed one.
    requested : str
        A configuration's ``device``.

    Raises
    ------
    UserError
        If ``set_env.sh`` can't be sourced.
    """
    if requested == "cpu" or has_cann(environment):
        return dict(environment)
    set_env = find_cann()
    if set_env is None or not any(npu.can_train for npu in find_npus()):
        return dict(environment)
    script = '. "$1" >/dev/null 2>&1; env -0'
    try:
        done = subprocess.run(
            ["bash", "-c", script, "bash", str(set_env)],  # noqa: S607 (wherever the system has it)
            env=dict(environment),
            capture_output=True,
            timeout=_SOURCE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"CANN's {set_env} can't be sourced: {error}.", f"Try it: source {set_env}"
        ) from error
    lines = done.stdout.decode(errors="surrogateescape").split("\0")
    sourced = dict(line.split("=", 1) for line in lines if "=" in line)
    if not has_cann(sourced):
        raise UserError(
            f"CANN's {set_env} can't be sourced: it does not set {_MARKS[0]}.",
            f"Try it: source {set_env}",
        )
    return sourced


def require_cann() -> None:
    """Refuse to go on without CANN in this process' environment.

    Raises
    ------
    UserError
        If its ``set_env.sh`` was not sourced; it names that file.
    """
    if has_cann(os.environ):
        return
    set_env = find_cann()
    raise UserError(
        "CANN, by which MindSpore uses an NPU, is not in the environment.",
        "Install CANN's toolkit and kernels (see docs/ascend.md), or train with --device cpu."
        if set_env is None
        else f"Before the training: source {set_env}",
    )


def keep_plog(folder: Path) -> None:
    """Have CANN write its own logs to a folder, unless the person has chosen another."""
    os.environ.setdefault(_PLOG_PATH, str(folder))
