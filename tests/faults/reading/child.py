"""The process that :mod:`tests.faults.reading.judging` starts; writes a JSON line an input."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import sys
import traceback
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.reading.targets import TARGETS, Reader
from training.errors import UserError

MOST_MEMORY = 6 * 2**30  # address space; keeps a bomb from the machine
_forbidden: list[str] = []


def main(target: str, seconds: str) -> None:
    """Read the inputs that stdin names, one a line."""
    inputs = [Path(line) for line in sys.stdin.read().splitlines()]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print
    reader = TARGETS[target]()
    sys.dont_write_bytecode = True  # of a module that is first needed below
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    sys.dont_write_bytecode = True  # of modules that a reader imports
    sys.addaudithook(_note_forbidden)
    for path in inputs:
        faulthandler.dump_traceback_later(float(seconds), exit=True)
        print(json.dumps(_judge(reader, path)), file=output, flush=True)
    faulthandler.cancel_dump_traceback_later()


def _judge(reader: Reader, path: Path) -> dict[str, Any]:
    _forbidden.clear()
    problems: list[str] = []
    outcome = "read"
    tracemalloc.start()
    try:
        result = reader(path)
        expected = path.with_name(path.name + ".npy")
        if expected.exists():
            problems += _difference(result, np.load(expected))
    except UserError as error:
        outcome = "refused"
        if not error.problem or len(str(error)) > 2000:
            problems.append(f"a message of {len(str(error))} characters")
        if path.with_name(path.name + ".npy").exists():
            problems.append(f"refused: {error}")
    except Exception:
        outcome = "raised"
        problems.append(traceback.format_exc(limit=-6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = path.stat().st_size if path.is_file() else 0
    problems += _forbidden
    return {"input": str(path), "outcome": outcome, "peak": peak, "size": size,
            "problems": problems}  # fmt: skip


def _difference(result: Any, expected: Any) -> list[str]:
    if result.shape == expected.shape and np.array_equal(result, expected):
        return []
    return [f"read as {result.shape} {result.dtype}, not as {expected.shape} {expected.dtype}"]


def _note_forbidden(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what no reader may do, by the interpreter's own account of it."""
    if arguments and str(arguments[0]).startswith(os.environ["XDG_CACHE_HOME"]):
        return  # compiled models
    if event == "open":
        path, _, flags = arguments
        is_writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if is_writing and not str(path).startswith(("/dev/", "/proc/")):
            _forbidden.append(f"opened {path} to write")
    elif event in ("os.remove", "os.rename", "os.mkdir", "os.symlink", "subprocess.Popen",
                   "os.system", "os.exec", "os.fork", "socket.connect"):  # fmt: skip
        _forbidden.append(f"{event} {arguments}")


if __name__ == "__main__":
    main(*sys.argv[1:])
