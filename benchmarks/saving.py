"""A window's save of its layers into a project."""

from __future__ import annotations

from benchmarks.report import Settings, Table, compare, comparison_header
from benchmarks.side_by_side import Contestant, run_in_turn

LAYERS, SLICES, SIDE = 20, 30, 512


def run(settings: Settings) -> list[Table]:
    slices = 3 if settings.is_quick else SLICES
    size = {"layers": LAYERS, "slices": slices, "side": SIDE}
    folder = settings.folder / "saving"
    folder.mkdir()
    results = run_in_turn(
        [
            Contestant("a stroke in each", "save_layers", folder=str(folder / "stroke"),
                       what="stroke", **size),
            Contestant("all of each", "save_layers", folder=str(folder / "all"),
                       what="all", **size),
            Contestant("the bytes alone, with fsync", "write_synced", folder=str(folder / "raw"),
                       **size),
        ],
        settings.repetitions(15),
    )  # fmt: skip
    how = (
        f"{LAYERS} layers of {slices} x {SIDE} x {SIDE} pixels of 8 bits, from the snapshot of a "
        "window to the last file on the disk."
    )
    return [Table(f"Saving {LAYERS} layers", how, comparison_header("what changed"),
                  compare(results))]  # fmt: skip
