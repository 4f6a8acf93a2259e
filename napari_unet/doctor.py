"""What is installed, which devices there are, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from training.npus import Npu, find_cann, find_npus

State = Literal["ok", "absent", "missing"]

# What each is for; those of the second group are needed for a part of the work only.
NEEDED = ("numpy", "scipy", "tifffile", "scikit-image", "onnx", "openvino")
WINDOW = ("napari", "magicgui", "superqt", "pyqtgraph")
QT_BINDINGS = ("PyQt5", "PyQt6", "PySide6")
IMPORT_SECONDS = 120


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    topic : str
        What it is about.
    state : str
        ``ok``; ``absent``: not there, and not needed for training, prediction and evaluation
        on this machine; ``missing``: they do not work without.
    detail : str
        What was found.
    remedy : str
        What to do about it; empty where there is nothing to do.
    """

    topic: str
    state: State
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after the other; MindSpore's import takes seconds."""
    yield _examine_python()
    for name in NEEDED:
        yield _examine_package(name, "missing")
    yield _examine_mindspore()
    npus = find_npus()
    yield _examine_npus(npus)
    yield _examine_cann(bool(npus))
    for name in WINDOW:
        yield _examine_package(name, "absent")
    yield _examine_qt()
    yield _examine_display()


def can_train(findings: list[Finding]) -> bool:
    """Whether training, prediction and evaluation work on this machine."""
    return all(finding.state != "missing" for finding in findings)


def _examine_python() -> Finding:
    version = f"{platform.python_version()} in {sys.prefix}, {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding("Python", "ok", version)
    return Finding("Python", "missing", version, "Make an environment with Python 3.11 or 3.12.")


def _examine_package(name: str, otherwise: State) -> Finding:
    version = _version(name)
    if version is not None:
        return Finding(name, "ok", version)
    return Finding(name, otherwise, "not installed", f"pip install {name}")


def _examine_mindspore() -> Finding:
    """MindSpore is imported in a process of its own: it may crash, and it sets global state."""
    version = _version("mindspore")
    if version is None:
        remedy = "pip install 'napari-unet-mindspore[mindspore]'; prediction works without."
        return Finding("MindSpore", "missing", "not installed", remedy)
    numpy = _version("numpy") or ""
    if not numpy.startswith("1."):
        detail = f"{version}, but NumPy {numpy}: it needs NumPy 1"
        return Finding("MindSpore", "missing", detail, "pip install 'numpy<2'")
    try:
        imported = subprocess.run(
            [sys.executable, "-c", "import mindspore"],
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            env={**os.environ, "GLOG_v": "3"},
        )
    except subprocess.TimeoutExpired:
        detail = f"{version}, but its import does not end"
        return Finding("MindSpore", "missing", detail, "Install it anew.")
    if imported.returncode == 0:
        return Finding("MindSpore", "ok", version)
    reason = (imported.stderr.strip().splitlines() or [f"exit code {imported.returncode}"])[-1]
    detail = f"{version}, but it can't be imported: {reason}"
    return Finding("MindSpore", "missing", detail, "pip install --force-reinstall mindspore")


def _examine_npus(npus: list[Npu]) -> Finding:
    if not npus:
        remedy = "On a machine with NPUs, install the Ascend driver; see npu-smi info."
        return Finding("Ascend NPUs", "absent", "none; training uses the CPU", remedy)
    names = [f"{npu.id} {npu.name}".strip() + (" (busy)" if npu.is_busy else "") for npu in npus]
    return Finding("Ascend NPUs", "ok", ", ".join(names))


def _examine_cann(has_npus: bool) -> Finding:
    script = find_cann()
    active = os.environ.get("ASCEND_HOME_PATH") or os.environ.get("ASCEND_TOOLKIT_HOME")
    if script is None and not active:
        state: State = "missing" if has_npus else "absent"
        remedy = (
            "Install the CANN toolkit that fits MindSpore's version, or train with --device cpu."
        )
        return Finding("CANN", state, "no set_env.sh below /usr/local/Ascend or ~/Ascend", remedy)
    if active:
        return Finding("CANN", "ok", f"set up for this shell: {active}")
    state = "missing" if has_npus else "absent"
    return Finding("CANN", state, f"{script}, but not set up for this shell", f"source {script}")


def _examine_qt() -> Finding:
    found = [f"{name} {version}" for name in QT_BINDINGS if (version := _version(name))]
    if found:
        return Finding("Qt", "ok", ", ".join(found))
    remedy = "pip install 'napari-unet-mindspore[pyqt5]'; only the window needs it."
    return Finding("Qt", "absent", "no binding is installed", remedy)


def _examine_display() -> Finding:
    if sys.platform != "linux":
        return Finding("Display", "ok", f"{platform.system()}'s own")
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if display:
        return Finding("Display", "ok", display)
    remedy = "The command line needs none. For the window: ssh -X, or xvfb-run napari."
    return Finding("Display", "absent", "none", remedy)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
