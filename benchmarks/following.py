"""Following a run from its first event."""

from __future__ import annotations

from benchmarks.report import Settings, Table, compare, comparison_header
from benchmarks.side_by_side import Contestant, run_in_turn

EVENTS, LOOKS = 10_000, 100


def run(settings: Settings) -> list[Table]:
    folder = settings.folder / "following"
    results = run_in_turn(
        [
            Contestant("in one look", "follow_run", folder=str(folder / "one"),
                       steps=EVENTS, pieces=1),
            Contestant(f"in {LOOKS} looks", "follow_run", folder=str(folder / "many"),
                       steps=EVENTS, pieces=LOOKS),
            Contestant("json.loads alone", "parse_lines", steps=EVENTS),
        ],
        settings.repetitions(15),
    )  # fmt: skip
    how = (
        f"{EVENTS} events of a run on this machine, and whether it still runs asked at each look, "
        "until the last one is in the state that is shown."
    )
    return [Table(f"Following {EVENTS} events", how, comparison_header("how"), compare(results))]
