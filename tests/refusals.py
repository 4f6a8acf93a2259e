"""Calls of the C library that the system refuses, as some file systems do, in other processes."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

_REFUSAL = "#include <errno.h>\nint {call}() {{ errno = {number}; return -1; }}\n"


def refusing(call: str, error: str, folder: Path) -> dict[str, str]:
    """The environment of a process in which a call always fails.

    Parameters
    ----------
    call : str
        A function of the C library, such as ``flock``.
    error : str
        What it fails with, such as ``ENOLCK``.
    folder : Path
        Where the library that does it is built.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("without a C compiler")
    source, library = folder / f"{call}.c", folder / f"{call}-{error}.so"
    source.write_text(_REFUSAL.format(call=call, number=getattr(errno, error)))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library)}
