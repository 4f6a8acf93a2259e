"""Networks of their own for the servers of one test: a bridge, and a namespace for each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SUBNET = f"10.213.{os.getpid() % 250}"  # several tests may run at once
OWN_ADDRESS = f"{SUBNET}.254"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def two_namespaces() -> Iterator[list[str]]:
    """Two namespaces on a bridge, with the addresses ``.1`` and ``.2``, or a skipped test."""
    mark = f"{os.getpid()}"
    bridge, names = f"nub{mark}"[:15], [f"nu{mark}a", f"nu{mark}b"]
    try:
        ip("link", "add", bridge, "type", "bridge")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces can't be made here: {error}")
    try:
        ip("address", "add", f"{OWN_ADDRESS}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names, start=1):
            ip("netns", "add", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", name, "master", bridge, "up")
            inside = ["-n", name]
            ip(*inside, "address", "add", f"{SUBNET}.{number}/24", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
            ip(*inside, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        ip("link", "del", bridge)
