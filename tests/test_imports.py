"""Which package may import what: each checked in a fresh interpreter."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import napari_unet
import training

HEAVY = {"mindspore", "openvino", "torch"}
WINDOW = {"napari", "napari_unet", "qtpy", "PyQt5", "PyQt6", "magicgui"}
# The rooms that MindSpore computes in; every other module of training serves the window as well.
COMPUTING = {"networks", "learning"}


def modules_of(package: ModuleType) -> list[str]:
    folder = Path(str(package.__file__)).parent
    files = [path.relative_to(folder.parent) for path in folder.rglob("*.py")]
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    return sorted(names - {package.__name__})


def imported_by(modules: list[str]) -> set[str]:
    """Top-level packages that a fresh interpreter has after importing some modules."""
    code = f"import sys, importlib\nfor m in {modules}: importlib.import_module(m)\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_window_s_package_imports_no_engine() -> None:
    assert not imported_by(modules_of(napari_unet)) & HEAVY


@pytest.mark.parametrize("is_computing", [False, True])
def test_the_training_package_imports_no_window(is_computing: bool) -> None:
    if is_computing and find_spec("mindspore") is None:
        pytest.skip("without MindSpore")
    modules = [
        name for name in modules_of(training) if (name.split(".")[1] in COMPUTING) == is_computing
    ]
    imported = imported_by(modules)
    assert not imported & WINDOW
    assert is_computing or not imported & HEAVY


def test_the_command_line_s_help_needs_no_napari() -> None:
    assert not imported_by(["napari_unet.cli.main"]) & (HEAVY | {"napari", "qtpy", "numpy"})
