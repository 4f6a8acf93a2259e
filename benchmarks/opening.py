"""Opening a stack of 4 GB until its middle slice can be seen."""

from __future__ import annotations

from benchmarks.report import Settings, Table, compare, comparison_header
from benchmarks.side_by_side import Contestant, run_in_turn
from benchmarks.whole_process import write_stack

SHAPE = (1000, 2048, 2048)
QUICK_SHAPE = (50, 2048, 2048)


def run(settings: Settings) -> list[Table]:
    shape = QUICK_SHAPE if settings.is_quick else SHAPE
    path = write_stack(settings.folder / "large.tif", shape)
    gigabytes = path.stat().st_size / 1e9
    results = run_in_turn(
        [
            Contestant("here", "open_stack", path=str(path), reader="ours"),
            Contestant("tifffile.imread", "open_stack", path=str(path), reader="tifffile"),
        ],
        settings.repetitions(3),
    )
    path.unlink()
    how = "An uncompressed TIF, from the call of the reader to the pixels of the middle slice."
    title = f"Opening a stack of {gigabytes:.1f} GB"
    return [Table(title, how, comparison_header("reader"), compare(results))]
