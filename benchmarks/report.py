"""RESULTS.md: the tables, the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.side_by_side import TORCH_VARIABLE, Result
from training.resources.limits import usable_cores

PACKAGES = ("mindspore", "openvino", "numpy", "napari", "torch", "onnxruntime")


@dataclass(frozen=True)
class Table:
    """A benchmark's results, with a sentence on how they were measured."""

    title: str
    how: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [f"| {' | '.join(row)} |" for row in (self.header, ["---"] * len(self.header))]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        how = f"{self.how} ({time.strftime('%Y-%m-%d')})"
        return "\n".join([f"## {self.title}", "", how, "", *lines, "", ""])


@dataclass(frozen=True)
class Settings:
    """What the benchmarks are run with.

    Parameters
    ----------
    data : Path
        Folder of a training stack, ISBI's for the figures that are quoted.
    folder : Path
        For what the benchmarks write, empty at first.
    is_quick : bool
        Only see that everything runs.
    """

    data: Path
    folder: Path
    is_quick: bool

    def repetitions(self, count: int) -> int:
        return 1 if self.is_quick else count


def compare(results: Sequence[Result]) -> list[list[str]]:
    """Rows of results measured in turn: median, its ratio to the first's, range, memory."""
    first = results[0].median
    return [
        [
            result.name,
            milliseconds(result.median),
            f"{first / result.median:.2f}",
            f"{milliseconds(min(result.seconds))} to {milliseconds(max(result.seconds))}",
            f"{result.megabytes:.0f}",
        ]
        for result in results
    ]


def comparison_header(what: str) -> list[str]:
    return [what, "median, ms", "first / this", "range, ms", "peak memory, MB"]


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if seconds >= 0.1 else f"{1000 * seconds:.1f}"


def document(tables: Sequence[Table], former: str, settings: Settings) -> str:
    """Text of RESULTS.md: the tables, and those of the former text that were not made again."""
    head = [
        "# Results of the benchmarks",
        "",
        f"`python -m benchmarks --data DIR{' --quick' if settings.is_quick else ''}`, and with "
        "`--only quality merges`; DIR holds the ISBI 2012 stacks. "
        "Contestants of a table take turns, each in a process of its own.",
        "",
        *(f"- {line}" for line in _machine()),
        "\n",
    ]
    sections = _sections(former)
    sections |= _sections("".join(table.markdown() for table in tables))
    return "\n".join(head) + "".join(sections.values())


def _sections(text: str) -> dict[str, str]:
    """Parts of a document by their titles."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part.rstrip() + "\n\n" for part in parts}


def _machine() -> list[str]:
    return [
        f"{_processor()}, {usable_cores()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name))),
        f"load before the start: {psutil.getloadavg()[0]:.2f}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        python = os.environ.get(TORCH_VARIABLE)
    if python is None:
        return ""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
