"""What is installed, which devices there are, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from napari_unet.prediction import onnx_runtime, openvino_runtime
from training.devices.cann import find_cann, has_cann
from training.devices.npus import find_npus

DISTRIBUTION = "napari-unet-mindspore"
PACKAGES = ("openvino", "onnx", "numpy", "scipy", "tifffile", "safetensors", "asyncssh")
QT_BINDINGS = ("PyQt5", "PyQt6", "PySide6")
WINDOW_LIBRARIES = (
    "apt-get install libgl1 libegl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 "
    "libxcb-xfixes0 libxcb-xinerama0"
)
_GIB = 2**30
_PROBE_SECONDS = 120
# In processes of their own: MindSpore must not come into this one, and Qt ends the process
# that it finds no screen in.
_MINDSPORE_PROBE = """
from training.devices.placement import prepare_environment
prepare_environment()
import mindspore
mindspore.set_device("CPU")
(mindspore.Tensor([1.0]) + 1).asnumpy()
"""
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
    yield _examine_mindspore()
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
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 12)
    yield Finding(
        topic,
        "Python",
        platform.python_version(),
        "ok" if is_supported else "note",
        "" if is_supported else "Python 3.11 and 3.12 are supported.",
    )
    yield Finding(topic, "Platform", platform.platform())
    total, free = (amount / _GIB for amount in psutil.virtual_memory()[:2])
    yield Finding(topic, "Memory", f"{total:.1f} GiB, {free:.1f} GiB available")


def _examine_packages() -> Iterator[Finding]:
    for name in PACKAGES:
        yield _package("Prediction and files", name)


def _examine_mindspore() -> Finding:
    topic = "Training"
    install = f'pip install "{DISTRIBUTION}[mindspore]"'
    installed = _version("mindspore")
    if installed is None:
        return Finding(topic, "MindSpore", "not installed", "missing", install, True)
    numpy = _version("numpy") or "0"
    if int(numpy.split(".")[0]) >= 2:
        text = f"{installed}, but NumPy {numpy} is too new for it"
        return Finding(topic, "MindSpore", text, "missing", 'pip install "numpy<2"', True)
    problem = run_probe(_MINDSPORE_PROBE)
    if problem:
        text = f"{installed} does not work: {problem}"
        return Finding(topic, "MindSpore", text, "missing", install, True)
    return Finding(topic, "MindSpore", f"{installed}, with NumPy {numpy}", is_needed=True)


def _examine_devices() -> Iterator[Finding]:
    topic = "Devices"
    yield Finding(topic, "CPU", f"{_count_cores()} cores, {_processor()}")
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


def run_probe(code: str) -> str:
    """Run Python code in another process; the last thing it says if it fails, else nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_PROBE_SECONDS} s"
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"exit code {done.returncode}"


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


def _count_cores() -> int | None:
    """Count the cores that this process may use."""
    if sys.platform == "darwin":
        return os.cpu_count()
    return len(psutil.Process().cpu_affinity())


def _processor() -> str:
    """The processor's name, as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
