"""What the Python of a server must have to train: all that the training source imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.metadata import packages_distributions

_OF_FORMATS = {"h5py", "mrcfile", "numcodecs", "rsciio", "tensorstore", "zarr"}  # for stacks of one
# tifffile comes with the source where it is missing; models are made portable on this machine.
_NOT_NEEDED = {"training", "tifffile", "onnx", *_OF_FORMATS, *sys.stdlib_module_names}


@cache
def needed_packages() -> dict[str, str]:
    """Packages to import by what pip calls them; MindSpore, which is loaded slowly, last."""
    with resources.as_file(resources.files("training")) as folder:
        sources = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    found = {name.partition(".")[0] for source in sources for name in _imports_of(source)}
    installed = packages_distributions()
    names = sorted(found - _NOT_NEEDED, key=lambda name: (name == "mindspore", name.lower()))
    return {installed.get(name, [name])[0]: name for name in names}


def _imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
