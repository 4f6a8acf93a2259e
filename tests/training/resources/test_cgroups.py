"""Limits read from folders as Linux shows them, of both versions, and as nothing should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.resources.cgroups import MemoryLimit, core_limits, memory_limits

pytestmark = pytest.mark.portable

MIB = 2**20
UNLIMITED = 9223372036854771712  # of version 1: the most whole pages
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
HYBRID = V1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(own, mounts, {"a/memory.max": 5})``: a process' groups, mounts, and their files."""

    def written(own: str, mounts: str, files: dict[str, object]) -> Path:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_bytes(own.encode())
        (tmp_path / "proc/self/mountinfo").write_bytes(mounts.encode())
        for name, content in files.items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
        return tmp_path

    return written


def test_nothing_is_limited_where_there_are_no_groups(tmp_path: Path) -> None:
    assert memory_limits(tmp_path) == core_limits(tmp_path) == []


def test_version_2_is_limited_by_each_group_above(write: Write) -> None:
    """As under systemd and Slurm; what was read from files and lies idle is given back."""
    system = write(
        "0::/user.slice/job_7/step_0\n",
        V2,
        {
            "user.slice/memory.max": "max",
            "user.slice/memory.high": "max",
            "user.slice/memory.current": 900 * MIB,
            "user.slice/cpu.max": "max 100000",
            "user.slice/job_7/memory.max": 800 * MIB,
            "user.slice/job_7/memory.high": 600 * MIB,
            "user.slice/job_7/memory.current": 500 * MIB,
            "user.slice/job_7/memory.stat": f"anon 1\nfile 2\ninactive_file {300 * MIB}\nshmem 0",
            "user.slice/job_7/cpu.max": "150000 100000",
            "user.slice/job_7/step_0/memory.max": 700 * MIB,
            "user.slice/job_7/step_0/memory.high": "max",
            "user.slice/job_7/step_0/memory.current": 100 * MIB,
            "user.slice/job_7/step_0/cpu.max": "400000 100000",
            "user.slice/job_8/memory.max": MIB,
            "user.slice/job_8/cpu.max": "1000 100000",
        },
    )
    assert memory_limits(system) == [
        MemoryLimit(600 * MIB, 400 * MIB),
        MemoryLimit(700 * MIB, 600 * MIB),
    ]
    assert core_limits(system) == [1.5, 4]


def test_version_1_is_limited_by_each_group_above(write: Write) -> None:
    system = write(
        "9:name=systemd:/\n4:memory:/slurm/job_7\n2:cpu,cpuacct:/slurm/job_7\n0::/\n",
        HYBRID,
        {
            "memory/memory.limit_in_bytes": UNLIMITED,
            "memory/memory.usage_in_bytes": 900 * MIB,
            "memory/slurm/memory.limit_in_bytes": UNLIMITED,
            "memory/slurm/job_7/memory.limit_in_bytes": 800 * MIB,
            "memory/slurm/job_7/memory.usage_in_bytes": 500 * MIB,
            "memory/slurm/job_7/memory.stat": (
                f"inactive_file 0\ntotal_cache 5\ntotal_inactive_file {100 * MIB}"
            ),
            "cpu,cpuacct/cpu.cfs_quota_us": -1,
            "cpu,cpuacct/cpu.cfs_period_us": 100000,
            "cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us": 50000,
            "cpu,cpuacct/slurm/job_7/cpu.cfs_period_us": 100000,
            "unified/cgroup.controllers": "hugetlb",
        },
    )
    assert min(memory_limits(system)) == MemoryLimit(800 * MIB, 400 * MIB)
    assert len(memory_limits(system)) == 3
    assert core_limits(system) == [0.5]


@pytest.mark.parametrize(
    ("own", "mounts"),
    [
        # Docker and Kubernetes, with a namespace of groups.
        ("0::/\n", V2),
        # Without one: the mount shows the container's own group.
        ("0::/docker/a7\n", V2.replace(" / /sys", " /docker/a7 /sys")),
        # The path leads nowhere: none of the outside is mounted.
        ("0::/docker/a7\n", V2),
        ("0::/docker/a7\n", V2.replace(" / /sys", " /garden/b9 /sys")),
        # A process that was put in from outside, and a mount made outside.
        ("0::/../../a7\n", V2),
        ("0::/\n", V2.replace(" / /sys", " /../.. /sys")),
        # Beside another container's groups, as programs that watch all of them are given.
        ("0::/\n", V2 + V2.replace(" / /sys/fs/cgroup", " /../b9 /sys/fs/cgroup/other")),
        # Ended groups and odd lines.
        ("0::/a7 (deleted)\n", V2),
        ("nothing\n1:\n\n0::/\n", "odd\n - cgroup2\n1 2 3 / - cgroup2 cgroup2 rw\n" + V2),
    ],
)
def test_the_groups_of_a_container_are_found(write: Write, own: str, mounts: str) -> None:
    files = {"memory.max": 64 * MIB, "memory.current": MIB, "cpu.max": "200000 100000"}
    others = {"other/memory.max": MIB, "other/cpu.max": "100 100000", "../memory.max": 1}
    system = write(own, mounts, files | others)
    assert memory_limits(system) == [MemoryLimit(64 * MIB, 63 * MIB)]
    assert core_limits(system) == [2]


def test_names_may_hold_spaces_and_colons(write: Write) -> None:
    """Mount points stand with octal digits, groups as they are."""
    mounts = V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/my\040groups")
    system = write("0::/a b/é\n", mounts, {"my groups/a b/é/memory.max": 5})
    assert memory_limits(system) == [MemoryLimit(5, 5)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "max",
        "-1",
        "-4096",
        "1e9",
        "1_000",
        "٣",
        "12 MB",
        "9" * 5000,
        b"\xff\xfe\x00",
        b"1\x002",
    ],
)
def test_what_is_no_number_limits_nothing(write: Write, content: str | bytes) -> None:
    system = write(
        "0::/\n4:memory:/\n2:cpu:/\n",
        HYBRID.replace("unified", "."),
        {
            "memory.max": content,
            "memory.high": content,
            "cpu.max": content,
            "memory/memory.limit_in_bytes": content,
            "cpu,cpuacct/cpu.cfs_quota_us": content,
            "cpu,cpuacct/cpu.cfs_period_us": 100000,
        },
    )
    assert memory_limits(system) == core_limits(system) == []


@pytest.mark.parametrize(
    ("used", "stat", "free"),
    [
        (40, "inactive_file 10", 70),
        (40, "inactive_file 50", 100),  # read a moment later
        (140, "inactive_file 10", 0),  # the limit was lowered
        (40, "", 60),
        (40, "inactive_file many\ninactive_file", 60),
        (40, b"\xff inactive_file 10", 60),
        ("odd", "inactive_file 10", 100),
    ],
)
def test_what_is_free_lies_between_nothing_and_the_limit(
    write: Write, used: object, stat: object, free: int
) -> None:
    files = {"memory.max": 100, "memory.current": used, "memory.stat": stat}
    assert memory_limits(write("0::/\n", V2, files)) == [MemoryLimit(100, free)]


@pytest.mark.parametrize("share", ["100000", "100000 0", "0 100000", "1 2 3", "max max"])
def test_no_time_at_all_is_no_limit_of_cores(write: Write, share: str) -> None:
    assert core_limits(write("0::/\n", V2, {"cpu.max": share})) == []


def test_folders_in_the_place_of_files_limit_nothing(write: Write) -> None:
    system = write("0::/\n", V2, {"memory.max/file": 1, "cpu.max/file": 1})
    assert memory_limits(system) == core_limits(system) == []
