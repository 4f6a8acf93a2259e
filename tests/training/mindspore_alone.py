"""A Python that has MindSpore, what it brings, and tifffile: all that a server promises."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCKER = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def write_blocker(folder: Path) -> Path:
    """A folder for PYTHONPATH: with it, imports fail as on a server that has MindSpore alone."""
    folder.mkdir(parents=True, exist_ok=True)
    blocked = {"napari_unet", *packages_distributions()} - server_packages()
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=sorted(blocked)))
    return folder


def run_there(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python as on such a server, with arguments; ``tmp_path`` gets the folder "blocker"."""
    return subprocess.run(
        [sys.executable, "-P", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": f"{write_blocker(tmp_path / 'blocker')}{os.pathsep}{ROOT}",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def write_python(folder: Path) -> Path:
    """A folder for PATH, whose ``python`` is that of such a server."""
    blocker = write_blocker(folder / "blocker")
    python = folder / "python"
    python.write_text(
        f"""#!/bin/sh
PYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{shlex.quote(str(blocker))}
export PYTHONPATH
exec {shlex.quote(sys.executable)} "$@"
"""
    )
    python.chmod(0o755)
    return folder


def server_packages() -> set[str]:
    """The packages that can be imported there, by their top-level names."""
    there = {"tifffile"} | requirements("mindspore")
    names = {
        name
        for name, distributions in packages_distributions().items()
        if there & set(map(normal, distributions))
    }
    return names | {"training"}


def requirements(distribution: str) -> set[str]:
    """A distribution and all that it requires, directly or not."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue  # of another system or Python
        found.add(name)
        waiting += [re.split(r"[^\w.-]", line)[0] for line in needed if "extra ==" not in line]
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
