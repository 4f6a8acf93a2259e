"""Which model to learn on from, and how the new one compares. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_unet.learning import takes_place
from napari_unet.runs import list_runs
from napari_unet.settings import load_settings
from training.errors import UserError
from training.events import RunState
from training.run_directory import RunDirectory
from training.stack_file import StackFile


def current_model() -> RunDirectory | None:
    """The run whose model is in use: that of the last prediction, else the newest that may be."""
    settings = load_settings()
    last = RunDirectory(Path(settings.model))
    if settings.model and last.best.exists():
        return last
    for summary in list_runs(Path(settings.runs_folder)):
        if summary.run.best.exists() and takes_place(summary.run):
            return summary.run
    return None


def is_same_stack(run: RunDirectory, shape: tuple[int, ...], path: Path | None) -> bool:
    """Whether a run was trained on this stack: on its file, or on a copy of the same shape.

    Parameters
    ----------
    shape : tuple of int
        Of the stack.
    path : Path or None
        Its file, if it has one.
    """
    config = run.read_config()
    trained_on = Path(config.image or Path(config.data_url) / "train-volume.tif")
    is_copy = run.data.absolute() in trained_on.absolute().parents
    if path is not None and not is_copy:
        return trained_on.absolute() == path.absolute()
    try:
        with StackFile(trained_on) as stack:
            return stack.shape == shape
    except UserError:
        return False


def comparison_text(state: RunState) -> str:
    """How a model that learned on compares with the one that it began from, in a sentence."""
    comparison: dict[str, Any] | None = state.comparison
    if comparison is None:
        return "The new model could not be compared with the old one: no slice was held out."
    slices = comparison["slices"]
    where = "slice" if len(slices) == 1 else "slices"
    before, after = comparison["before"]["soft_dice"], comparison["after"]["soft_dice"]
    verdict = (
        "The new model is better and takes the old one's place."
        if comparison["is_better"]
        else "The new model is not better: the old one stays in use."
    )
    listed = ", ".join(map(str, slices))
    return f"Soft Dice on held-out {where} {listed}: old {before:.3f}, new {after:.3f}. {verdict}"
