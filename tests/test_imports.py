"""Who may import what: read from the source, and seen in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("training", "napari_unet")
HEAVY = {"mindspore", "openvino", "torch"}
WINDOW = {"napari", "napari_unet", "qtpy", "PyQt5", "PyQt6", "magicgui"}
# The rooms that MindSpore computes in; every other module of training serves the window as well.
COMPUTING = {"training.networks", "training.learning"}
FOR_WORKERS = "napari_unet.cli.stacks.worker_imports"  # which is there for what it imports
MOST_MODULES = 20

# The rooms, the lowest first: a module imports from its own room and from those above it here.
FLOORS = (
    "training",
    "training.errors",
    "training.resources",
    "training.console",
    "training.label_convention",
    "training.label_classes",
    "training.class_thresholds",
    "training.metrics",
    "training.sampling",
    "training.files",
    "training.presets",
    "training.config_options",
    "training.data_pairs",
    "training.config",
    "training.runs",
    "training.stacks",
    "training.formats",
    "training.formats.zarr_folders",
    "training.opening",
    "training.dataset",
    "training.masks",
    "training.devices",
    "training.model",
    "training.networks",
    "training.learning",
    "training.train",
    "training.starter",
    "training.eval",
    "training.launch_8p",
    "training.predict_options",
    "training.predict",
    "training.describe_data",
    "training.export",
    "napari_unet.text",
    "napari_unet.settings",
    "napari_unet.cluster",
    "napari_unet.training_python",
    "napari_unet.labelling",
    "napari_unet.layers",
    "napari_unet.stacks",
    "napari_unet.prediction",
    "napari_unet.projects",
    "napari_unet.launchers",
    "napari_unet.launchers.servers.login",
    "napari_unet.launchers.servers.slurm",
    "napari_unet.launchers.servers.profile",
    "napari_unet.launchers.servers",
    "napari_unet.launchers.servers.predictions",
    "napari_unet.evaluation",
    "napari_unet.neurons",
    "napari_unet.proofreading",
    "napari_unet.measurement",
    "napari_unet.runs",
    "napari_unet.exchange",
    "napari_unet.doctor",
    "napari_unet.demo",
    "napari_unet.scripting",
    "napari_unet",
    "napari_unet.cli.progress",
    "napari_unet.cli.stacks",
    "napari_unet.cli",
    "napari_unet.widgets",
    "napari_unet.widgets.common",
    "napari_unet.widgets.painting",
    "napari_unet.widgets.files",
    "napari_unet.widgets.project",
    "napari_unet.widgets.annotate",
    "napari_unet.widgets.evaluate",
    "napari_unet.widgets.measure",
    "napari_unet.widgets.servers",
    "napari_unet.widgets.predict",
    "napari_unet.widgets.runs",
    "napari_unet.widgets.train",
    "napari_unet.widgets.correct",
    "napari_unet.widgets.proofread",
)


@cache
def modules() -> dict[str, Path]:
    """Every module of both packages by its dotted name."""
    paths = [
        path for package in ("training", "napari_unet") for path in ROOT.glob(f"{package}/**/*.py")
    ]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}


@cache
def imports_of(path: Path) -> frozenset[str]:
    """What a file imports, in functions too; ``a.b.c`` for ``from a.b import c``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def own_imports(path: Path) -> set[str]:
    """The modules of these two packages among a file's imports."""
    names = {name if name in modules() else name.rpartition(".")[0] for name in imports_of(path)}
    return names & modules().keys()


def room_of(module: str) -> str:
    """The folder that a module lies in; a module beside the rooms is one itself."""
    if modules()[module].name == "__init__.py" or module.count(".") == 1:
        return module
    return module.rpartition(".")[0]


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: own_imports(path) for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_a_module_imports_from_lower_rooms_alone() -> None:
    upwards = [
        f"{module} imports {imported}"
        for module, path in modules().items()
        for imported in own_imports(path)
        if FLOORS.index(room_of(imported)) > FLOORS.index(room_of(module))
    ]
    assert not upwards


def test_mindspore_is_imported_where_the_training_learns_alone() -> None:
    importing = {
        module
        for module, path in modules().items()
        if "mindspore" in {name.partition(".")[0] for name in imports_of(path)}
    }
    assert {room_of(module) for module in importing} == COMPUTING


@pytest.mark.parametrize("room", sorted({path.parent for path in modules().values()}), ids=str)
def test_a_room_can_be_looked_over(room: Path) -> None:
    """Few modules, tests in a folder of its name, and a docstring that says what lives there."""
    assert len(list(room.glob("*.py"))) <= MOST_MODULES
    assert list((ROOT / "tests" / room.relative_to(ROOT)).glob("test_*.py")) or not has_code(room)
    body = ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(body[0], ast.Expr)
    assert len(body) == 1 or room.parent == ROOT


def test_folders_of_tests_can_be_looked_over() -> None:
    folders = {path.parent for path in (ROOT / "tests").glob("**/*.py")}
    assert not [path for path in folders if len(list(path.glob("*.py"))) > MOST_MODULES]


def has_code(room: Path) -> bool:
    """Whether a folder has modules of its own, beside folders."""
    return len(list(room.glob("*.py"))) > 1


def imported_by(modules: list[str]) -> set[str]:
    """Top-level packages that a fresh interpreter has after importing some modules."""
    code = f"import sys, importlib\nfor m in {modules}: importlib.import_module(m)\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_window_s_package_imports_no_engine() -> None:
    names = [name for name in modules() if name.startswith("napari_unet")]
    names.remove(FOR_WORKERS)
    assert not imported_by(names) & HEAVY


@pytest.mark.parametrize("is_computing", [False, True])
def test_the_training_package_imports_no_window(is_computing: bool) -> None:
    if is_computing and find_spec("mindspore") is None:
        pytest.skip("without MindSpore")
    names = [name for name in modules() if name.startswith("training")]
    imported = imported_by([name for name in names if (room_of(name) in COMPUTING) == is_computing])
    assert not imported & WINDOW
    assert is_computing or not imported & HEAVY


def test_the_command_line_s_help_needs_no_napari() -> None:
    assert not imported_by(["napari_unet.cli.main"]) & (HEAVY | {"napari", "qtpy", "numpy"})


def test_no_command_waits_for_napari() -> None:
    """It takes seconds to import; a command needs it only where it asks for it."""
    commands = [name for name in modules() if name.startswith("napari_unet.cli.")]
    commands.remove(FOR_WORKERS)
    assert not imported_by(commands) & (HEAVY | {"napari", "qtpy"})


def test_predicting_here_waits_for_nothing_of_servers() -> None:
    commands = ["napari_unet.cli.predict", "napari_unet.cli.segment"]
    assert not imported_by(commands) & {"pydantic", "asyncssh"}
