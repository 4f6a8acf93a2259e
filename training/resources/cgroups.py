"""What the control groups (cgroups) of Linux leave to this process, of version 1 and 2.

Containers, Slurm and systemd limit programs by them; what the machine has is no word of theirs. A
group is held by its own limit and by those of all groups above it. What can't be found or read,
as on other systems, limits nothing. After https://docs.kernel.org/admin-guide/cgroup-v2.html,
cgroup-v1/memory.html and scheduler/sched-bwc.html beside it, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_SYSTEM = Path("/")
_UNIFIED = ""  # the controller's name in version 2, which has one tree for all


class MemoryLimit(NamedTuple):
    """What a group may take of the memory, and what is free of that, in bytes."""

    limit: int
    free: int


class _MemoryFiles(NamedTuple):
    """Names of a version: a controller, files of limits and of use, and what can be given back."""

    controller: str
    limits: tuple[str, ...]
    used: str
    cache: str


class _Mount(NamedTuple):
    """Where a group, and those below it, are seen as folders."""

    controllers: frozenset[str]
    group: PurePosixPath
    folder: Path


_MEMORY = (
    _MemoryFiles(_UNIFIED, ("memory.max", "memory.high"), "memory.current", "inactive_file"),
    _MemoryFiles(
        "memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"
    ),
)
_CORES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")  # of version 1


def memory_limits(system: Path = _SYSTEM) -> list[MemoryLimit]:
    """Find the limits of memory of this process' group, and of the groups above it.

    Parameters
    ----------
    system : Path
        The folder that has ``proc`` and all that is mounted.
    """
    return [
        MemoryLimit(min(limits), max(0, min(limits) - _used(folder, files)))
        for files in _MEMORY
        for folder in _folders(files.controller, system)
        if (limits := [limit for name in files.limits if (limit := _number(folder / name)) >= 0])
    ]


def core_limits(system: Path = _SYSTEM) -> list[float]:
    """Find how many cores' time this process' group, and those above it, are given.

    Parameters
    ----------
    system : Path
        As of :func:`memory_limits`.
    """
    shares = [_read(folder / "cpu.max").split() for folder in _folders(_UNIFIED, system)]
    for folder in _folders("cpu", system):
        shares.append([_read(folder / name).strip() for name in _CORES])
    found = [tuple(map(_parse, share)) for share in shares if len(share) == 2]
    return [quota / period for quota, period in found if quota > 0 and period > 0]


def _used(folder: Path, files: _MemoryFiles) -> int:
    """Count the bytes that a group can't give back, as it can what it has read from files."""
    cached = re.search(rf"^{files.cache} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
    return max(0, _number(folder / files.used) - (_parse(cached[1]) if cached else 0))


def _folders(controller: str, system: Path) -> Iterator[Path]:
    """Find the folders of this process' group and of those above it, the uppermost first."""
    group = _own_groups(system).get(controller)
    if group is None:
        return
    mounts = [mount for mount in _mounts(system) if controller in mount.controllers]
    below = [
        (mount.folder, inside.parts)
        for mount in mounts
        if group.is_relative_to(mount.group)
        if ".." not in (inside := group.relative_to(mount.group)).parts
    ]
    # A container may know its group by a name of outside: what it sees is its own.
    for folder, parts in below or [(mount.folder, ()) for mount in mounts]:
        for depth in range(len(parts) + 1):
            yield folder.joinpath(*parts[:depth])


def _own_groups(system: Path) -> dict[str, PurePosixPath]:
    """Find the group of this process by controller: lines such as ``4:memory:/slurm/job_7``."""
    lines = [line.split(":", 2) for line in _read(system / "proc/self/cgroup").split("\n")]
    return {
        controller: PurePosixPath(line[2].removesuffix(" (deleted)"))
        for line in lines
        if len(line) == 3
        for controller in line[1].split(",")
    }


def _mounts(system: Path) -> Iterator[_Mount]:
    """Find where groups are mounted: ``31 23 0:28 GROUP FOLDER rw - cgroup NAME rw,memory``."""
    for line in _read(system / "proc/self/mountinfo").split("\n"):
        place, _, kind = line.partition(" - ")
        places, kinds = place.split(" "), kind.split(" ")
        if len(places) < 5 or len(kinds) < 3 or kinds[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = {_UNIFIED} if kinds[0] == "cgroup2" else kinds[2].split(",")
        group, folder = (PurePosixPath(_unescape(name)) for name in places[3:5])
        yield _Mount(frozenset(controllers), group, system / str(folder).lstrip("/"))


def _unescape(name: str) -> str:
    """Put in what stands as octal digits, such as a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)


def _number(path: Path) -> int:
    return _parse(_read(path).strip())


def _parse(text: str) -> int:
    """Read a number of digits alone; others, such as ``max`` for no limit, are -1."""
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else -1


def _read(path: Path) -> str:
    """Read a file of the kernel's; empty where there is none, or it can't be read."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except (OSError, ValueError):  # a name may hold what no name can
        return ""
