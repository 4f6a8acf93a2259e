"""Which system a test runs on, simulated ones included, and children of its Python."""

from __future__ import annotations

import os
import subprocess
import sys

IS_WINDOWS = sys.platform == "win32" or "NAPARI_UNET_WINDOWS" in os.environ


def start_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python with a program and arguments, its streams connected as text."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run_python(code: str, *arguments: object) -> str:
    """Run a program to its end; its output."""
    process = start_python(code, *arguments)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output
