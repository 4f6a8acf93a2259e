"""What the Python that trains must have, and what a Python has of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from training.errors import UserError

DISTRIBUTION = "napari-unet-mindspore"
VERSIONS = ((3, 11), (3, 12))  # of Python: those that have MindSpore's wheels, and suit us
# What every training imports, by what pip calls it, and what stacks of some formats need.
_NEEDED = {"mindspore", "numpy", "pillow", "psutil", "safetensors", "scipy", "tifffile"}
_OF_FORMATS = {"h5py", "imagecodecs", "mrcfile", "zarr"}
_EXTRAS_OF_FORMATS = {"dm": "rosettasciio", "tensorstore": "tensorstore"}
_LOOK_SECONDS = 60
# Without -I and -P, which an older Python does not know.
_LOOK = """
import sys
del sys.path[0]
import json
from importlib.metadata import PackageNotFoundError, version
packages = {}
for name in sys.argv[1:]:
    try:
        packages[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps({"version": sys.version_info[:2], "packages": packages}))
"""


@dataclass(frozen=True)
class FoundPython:
    """A Python, and what it has of what a training needs.

    Parameters
    ----------
    path : Path
        The interpreter.
    version : tuple of int
        Its version: (3, 11).
    packages : dict of str to str
        Versions of those packages that it has, by what pip calls them.
    """

    path: Path
    version: tuple[int, ...]
    packages: dict[str, str]

    def __str__(self) -> str:
        mindspore, numpy = (self.packages.get(name, "none") for name in ("mindspore", "numpy"))
        version = ".".join(map(str, self.version))
        return f"{self.path}: Python {version}, MindSpore {mindspore}, NumPy {numpy}"

    def lacks(self, requirements: Collection[Requirement]) -> list[str]:
        """Say what it lacks of some requirements, as pip takes it."""
        return sorted(str_of(wanted) for wanted in requirements if not self._has(wanted))

    def _has(self, wanted: Requirement) -> bool:
        found = self.packages.get(canonicalize_name(wanted.name))
        return found is not None and wanted.specifier.contains(found, prereleases=True)


def needed() -> list[Requirement]:
    """What every training needs, in the versions that this package asks for."""
    return _declared(_NEEDED, "mindspore")


def for_formats() -> list[Requirement]:
    """What the formats need that are read here, with the extras that are installed here."""
    extras = [
        wanted
        for extra, package in _EXTRAS_OF_FORMATS.items()
        if _is_here(package)
        for wanted in _declared({package}, extra)
    ]
    return _declared(_OF_FORMATS) + extras


def str_of(requirement: Requirement) -> str:
    """A requirement as pip takes it, without the extra of ours that it belongs to."""
    return f"{requirement.name}{requirement.specifier}"


def look_at(python: Path) -> FoundPython:
    """Ask a Python what it has; MindSpore is not imported.

    Raises
    ------
    UserError
        If it can't be run, or is no Python.
    """
    names = sorted({canonicalize_name(wanted.name) for wanted in needed() + for_formats()})
    try:
        done = subprocess.run(
            [str(python), "-c", _LOOK, *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOOK_SECONDS,
        )
        answer = json.loads(done.stdout)
        return FoundPython(python, tuple(answer["version"]), answer["packages"])
    except OSError as error:
        problem = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        problem = f"no answer within {_LOOK_SECONDS} s"
    except (ValueError, TypeError, KeyError):
        said = done.stderr.strip().splitlines()
        problem = said[-1] if said else "it does not answer as a Python does"
    raise UserError(f"{python} can't be used: {problem}.", "Name the program of a Python.")


def _declared(packages: set[str], extra: str = "") -> list[Requirement]:
    """What this package, with one of its extras, requires of some packages."""
    declared = map(Requirement, requires(DISTRIBUTION) or [])
    return [
        wanted
        for wanted in declared
        if canonicalize_name(wanted.name) in packages
        and (wanted.marker is None or wanted.marker.evaluate({"extra": extra}))
    ]


def _is_here(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
