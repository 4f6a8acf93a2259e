"""Tries of something in a Python of its own, because it may end that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Must not come into this process.
MINDSPORE = """
from training.devices.placement import prepare_environment
prepare_environment()
import mindspore
mindspore.set_device("CPU")
(mindspore.Tensor([1.0]) + 1).asnumpy()
"""
_SECONDS = 120


def run_probe(
    code: str,
    python: Path = Path(sys.executable),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run code in another process; the last thing it says if it fails, else nothing.

    Parameters
    ----------
    code : str
        Of Python.
    python : Path
        The interpreter.
    environment : mapping of str to str, optional
        Instead of this process' own.
    """
    try:
        done = subprocess.run(
            [str(python), "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env=environment,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS} s"
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"exit code {done.returncode}"
