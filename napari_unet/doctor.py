"""What is installed, which devices there are, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from napari_unet.prediction import onnx_runtime, openvino_runtime
from napari_unet.training_python.choice import (
    SET_UP,
    TrainingPython,
    find_training_python,
    has_mindspore,
    read_choice,
)
from napari_unet.training_python.probe import MINDSPORE, run_probe
from napari_unet.training_python.requirements import DISTRIBUTION, look_at, needed
from training.devices.cann import find_cann, has_cann
from training.devices.npus import find_npus
from training.errors import UserError
from training.resources.limits import free_memory, memory_limit, usable_cores

PACKAGES = ("openvino", "onnx", "numpy", "scipy", "tifffile", "safetensors", "asyncssh")
QT_BINDINGS = ("PyQt5", "PyQt6", "PySide6")
WINDOW_LIBRARIES = (
    "apt-get install libgl1 libegl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 "
    "libxcb-xfixes0 libxcb-xinerama0"
)
_GIB = 2**30
# In a process of its own: Qt ends the process that it finds no screen in.
_WINDOW_PROBE = "from qtpy.QtWidgets import QApplication; app = QApplication([])"

State = Literal["ok", "missing", "note"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    topic : str
        The section that it belongs to.
    name : str
        What was looked at.
    text : str
        What was found.
    state : str
        ``ok``, ``missing``, or ``note``: absent, and only some need it.
    remedy : str
        How to get what is missing.
    is_needed : bool
        Whether the main job, training and prediction on this machine, can't do without.
    """

    topic: str
    name: str
    text: str
    state: State = "ok"
    remedy: str = ""
    is_needed: bool = False


def examine() -> Iterator[Finding]:
    """Look at everything, in the order of the report. Takes some seconds."""
    yield from _examine_system()
    yield from _examine_packages()
    yield from _examine_mindspore()
    yield from _examine_devices()
    yield from _examine_window()


def can_run(findings: Sequence[Finding]) -> bool:
    """Whether the main job can run on this machine: training and prediction."""
    return not any(finding.is_needed and finding.state == "missing" for finding in findings)


def format_report(findings: Sequence[Finding]) -> str:
    """Aligned lines under the topics; below what is missing, how to get it."""
    width = max(len(finding.name) for finding in findings)
    marks = {"ok": "ok", "missing": "MISSING", "note": "-"}
    lines: list[str] = []
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", topic] if lines else [topic]
        lines.append(f"  {marks[finding.state]:<7}  {finding.name:<{width}}  {finding.text}")
        if finding.remedy:
            lines.append(f"{'':<{13 + width}}{finding.remedy}")
    return "\n".join(lines)


def _examine_system() -> Iterator[Finding]:
    topic = "System"
    yield _package(topic, DISTRIBUTION)
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 14)
    yield Finding(
        topic,
        "Python",
        platform.python_version(),
        "ok" if is_supported else "note",
        "" if is_supported else "Python 3.11 to 3.14 are supported.",
    )
    yield Finding(topic, "Platform", platform.platform())
    yield Finding(topic, "Memory", _memory())


def _examine_packages() -> Iterator[Finding]:
    for name in PACKAGES:
        yield _package("Prediction and files", name)


def _examine_mindspore() -> Iterator[Finding]:
    """Look at the Python that trains, and at one that was set up although this one does."""
    topic = "Training"
    try:
        python = find_training_python()
        yield _examine_training_python(topic, python)
        where = "the present one" if python.is_present else str(python.path)
        yield Finding(topic, "Its Python", where)
    except UserError as error:
        yield Finding(topic, "MindSpore", error.problem, "missing", error.remedy, True)
    chosen = read_choice()
    if has_mindspore() and chosen is not None:
        yield Finding(topic, "Set up beside it", str(chosen), "note")


def _examine_training_python(topic: str, python: TrainingPython) -> Finding:
    found = look_at(python.path)
    version = found.packages.get("mindspore", "unknown version")
    if lacking := found.lacks(needed()):
        text = f"{version}, but its Python lacks {', '.join(lacking)}"
        install = " ".join(f'"{name}"' for name in lacking)
        return Finding(topic, "MindSpore", text, "missing", f"pip install {install}", True)
    if problem := run_probe(MINDSPORE, python.path, python.environment(os.environ)):
        text = f"{version} does not work: {problem}"
        return Finding(topic, "MindSpore", text, "missing", SET_UP, True)
    text = f"{version}, with NumPy {found.packages['numpy']}"
    return Finding(topic, "MindSpore", text, is_needed=True)


def _examine_devices() -> Iterator[Finding]:
    topic = "Devices"
    yield Finding(topic, "CPU", f"{_cores()}, {_processor()}")
    npus = find_npus()
    for npu in npus:
        memory = f", {npu.memory_used} of {npu.memory_total} MiB used" if npu.memory_total else ""
        use = "" if npu.can_train else ", for prediction only: MindSpore can't train on it"
        text = f"{npu.name or 'Ascend NPU'}, {'busy' if npu.is_busy else 'idle'}{memory}{use}"
        yield Finding(topic, f"ascend:{npu.id}", text, "ok" if npu.can_train else "note")
    if not npus:
        text = "none (npu-smi and /dev/davinci* show none)"
        yield Finding(topic, "Ascend NPUs", text, "note")
    yield _examine_cann(any(npu.can_train for npu in npus))
    yield Finding(topic, "OpenVINO", _openvino_devices())
    yield Finding(topic, "ONNX Runtime", ", ".join(onnx_runtime.list_devices()) or "not installed")


def _examine_cann(is_needed: bool) -> Finding:
    set_env = find_cann()
    if set_env is not None:
        hint = "" if has_cann(os.environ) else f"For the zoo's commands: source {set_env}"
        return Finding("Devices", "CANN", str(set_env.parent), "ok", hint)
    if not is_needed:
        return Finding("Devices", "CANN", "none (only NPUs need it)", "note")
    remedy = "Install the CANN toolkit and kernels that your MindSpore asks for: hiascend.com."
    return Finding("Devices", "CANN", "not found, so the NPUs can't be used", "missing", remedy)


def _examine_window() -> Iterator[Finding]:
    topic = "Window"
    yield _package(topic, "napari")
    bindings = [f"{name} {found}" for name in QT_BINDINGS if (found := _version(name))]
    if not bindings:
        install = f'pip install "{DISTRIBUTION}[pyqt5]"'
        yield Finding(topic, "Qt binding", "none", "note", install)
    else:
        yield Finding(topic, "Qt binding", ", ".join(bindings))
    if not has_display():
        remedy = "On a server: apt-get install xvfb, then xvfb-run napari."
        yield Finding(topic, "Screen", "none; the command line needs none", "note", remedy)
    elif bindings:
        problem = run_probe(_WINDOW_PROBE)
        state: State = "note" if problem else "ok"
        text = f"no window can be opened: {problem}" if problem else "a window can be opened"
        yield Finding(topic, "Screen", text, state, WINDOW_LIBRARIES if problem else "")


def has_display() -> bool:
    """Whether there is a screen for a window; elsewhere than on Linux there always is."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _package(topic: str, name: str) -> Finding:
    found = _version(name)
    if found is None:
        install = f"pip install {DISTRIBUTION}"
        return Finding(topic, name, "not installed", "missing", install, is_needed=True)
    return Finding(topic, name, found, is_needed=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _openvino_devices() -> str:
    if _version("openvino") is None:
        return "not installed"
    return ", ".join(openvino_runtime.list_devices())


def _memory() -> str:
    """What is there, and what of it this process may use where that is less."""
    limit = memory_limit()
    limited = "" if limit is None else f"of which {limit / _GIB:.1f} GiB may be used, "
    total = psutil.virtual_memory().total
    return f"{total / _GIB:.1f} GiB, {limited}{free_memory() / _GIB:.1f} GiB available"


def _cores() -> str:
    """What this process may use, and of how many where there are more."""
    usable, there = usable_cores(), os.cpu_count()
    return f"{usable} cores" if usable == there else f"{usable} of {there} cores"


def _processor() -> str:
    """The processor's name, as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
