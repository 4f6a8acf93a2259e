"""The merges of neurons that are kept with a run."""

from __future__ import annotations

from pathlib import Path

from napari_unet.neurons.merge_forest import MergeForest
from training.errors import UserError
from training.runs.run_directory import RunDirectory


def kept_merges(run: RunDirectory, digest: str) -> MergeForest | None:
    """Read the merges that are kept with a run; None where there are none.

    Parameters
    ----------
    run : RunDirectory
    digest : str
        Of its model.

    Raises
    ------
    UserError
        If they can't be read, or were learned with another model.
    """
    if not run.merges.exists():
        return None
    forest = MergeForest.read(run.merges)
    if forest.model != digest:
        raise UserError(
            f"{run.merges} was learned with another model than the run has now.",
            "Learn merges again: segment --data DIR --keep-merges. Or delete it.",
        )
    return forest


def check_keeping(model: Path) -> RunDirectory:
    """Find the run that merges can be kept with.

    Raises
    ------
    UserError
        If a model is not a run's folder.
    """
    run = RunDirectory(model)
    if not run.config.exists():
        raise UserError(
            f"{model} is not the folder of a run, so no merges can be kept with it.",
            "Give a run's folder, or leave out --keep-merges.",
        )
    run.check_links()
    return run
