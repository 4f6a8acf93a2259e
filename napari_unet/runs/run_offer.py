"""The run that a new window follows or offers: one that was left running, or still goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet.runs.run_list import RunSummary
from training.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class RunOffer:
    """A run, and what to say of it.

    Parameters
    ----------
    run : RunDirectory
        The run.
    text : str
        One sentence.
    action : str
        What a person can do with it, in a word; empty if it is followed without asking.
    """

    run: RunDirectory
    text: str
    action: str = ""


def offer_run(summaries: Sequence[RunSummary], left: str) -> RunOffer | None:
    """Choose the run that a new window follows or offers.

    Parameters
    ----------
    summaries : sequence of RunSummary
        The runs, newest first.
    left : str
        Directory of the run that was left running when the last window closed, or "".
    """
    for summary in summaries:
        if str(summary.run.path) == left:
            name = summary.run.name
            if summary.is_running:
                return RunOffer(
                    summary.run, f"The training left running is followed again ({name})."
                )
            text = f"The training left running is {summary.status} now ({name})."
            return RunOffer(summary.run, text, "Show")
    for summary in summaries:
        if summary.is_running:
            text = f"A training is still running ({summary.run.name})."
            return RunOffer(summary.run, text, "Follow")
    return None
