"""The longest stalls of the window's event loop: event_loop.py, with a screen."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import Settings, Table
from benchmarks.side_by_side import ROOT


def run(settings: Settings) -> list[Table]:
    command = [str(ROOT / "tools" / "with_screen.sh"), sys.executable]
    command += [str(ROOT / "benchmarks" / "event_loop.py"), str(settings.data.absolute())]
    if settings.is_quick:
        return []
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    cases = ("idle", "train", "train-bare", "predict", "predict-bare", "paint", "paint-bare")
    rows = [words for line in output.splitlines() if (words := line.split())[0:1] != []
            and words[0] in cases and len(words) == 3]  # fmt: skip
    how = (
        "Milliseconds above the interval between two ticks of a timer, the slider moving ten "
        "times a second for 20 s; bare: napari with the same work in a process beside it."
    )
    return [Table("Event loop", how, ["case", "longest, ms", "99th percentile, ms"], rows)]
