"""Control groups of Linux (cgroups), made for a test where this process may."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

_ENTER = (
    'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'
)


@contextmanager
def control_group(memory: int = 0, cores: float = 0) -> Iterator[list[str]]:
    """Give the first words of a command, which hold what they begin to limits.

    Parameters
    ----------
    memory : int
        In bytes; 0: no limit.
    cores : float
        0: no limit.
    """
    limits = {
        "memory": ({"memory.max": memory}, {"memory.limit_in_bytes": memory}),
        "cpu": (
            {"cpu.max": f"{round(cores * 100_000)} 100000"},
            {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": round(cores * 100_000)},
        ),
    }
    groups = []
    with ExitStack() as made:
        for controller in ["memory"] * bool(memory) + ["cpu"] * bool(cores):
            try:
                version, parent = _find_parent(controller)
                group = parent / f"napari-unet-{os.getpid()}-{controller}"
                group.mkdir()
                made.callback(group.rmdir)
                for name, limit in limits[controller][version == 1].items():
                    (group / name).write_text(str(limit))
            except OSError as error:
                pytest.skip(f"no control group for {controller} can be made here: {error}")
            groups.append(str(group))
        yield ["sh", "-c", _ENTER, "sh", *groups, "--"]


def _find_parent(controller: str) -> tuple[int, Path]:
    """Find the version of a controller, and the group that this process may make one in."""
    try:
        own = Path("/proc/self/cgroup").read_text()
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except FileNotFoundError:
        mounts = []
    for _, folder, kind, options, *_ in mounts:
        if kind == "cgroup" and controller in options.split(","):
            inside = re.search(rf"^\d+:(?:[^:]*,)?{controller}(?:,[^:]*)?:/(.*)$", own, re.M)
            assert inside is not None
            return 1, Path(folder, inside[1])
        if kind == "cgroup2":
            inside = re.search(r"^0::/(.*)$", own, re.M)
            assert inside is not None
            for group in Path(folder, inside[1]).parents:  # a group has processes or groups
                control = group / "cgroup.subtree_control"
                if control.exists() and controller in control.read_text().split():
                    return 2, group
    raise FileNotFoundError(f"nothing is mounted that has {controller}")
