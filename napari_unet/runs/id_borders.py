"""What the labels were that models were trained on: borders of ids, and classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_unet.prediction.model_source import find_model
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.runs.run_directory import RunDirectory


def borders_of(models: Iterable[Path]) -> IdBorders:
    """Find the borders of ids that models were trained with.

    Parameters
    ----------
    models : iterable of Path
        Folders of runs; what else is a model does not know its labels.

    Returns
    -------
    IdBorders
        The usual ones where none was trained on ids.

    Raises
    ------
    UserError
        If they were trained with different ones, or a configuration is damaged.
    """
    runs = [run for run in map(RunDirectory, models) if run.config.exists()]
    configs = [run.read_config() for run in runs]
    found = {c.ids for c in configs if c.label_convention == LabelConvention.INSTANCES}
    if len(found) > 1:
        raise UserError(
            "These models were trained with different borders of ids.",
            "Give --border and --unknown.",
        )
    return found.pop() if found else USUAL_BORDERS


def classes_of(model: Path) -> LabelClasses:
    """Find the classes that a model tells apart; empty: membrane and inside.

    Of a run they are those of its labels, with what is unknown there.

    Raises
    ------
    UserError
        If there is no such model, or it can't be read.
    """
    run = RunDirectory(model)
    if run.config.exists():
        return run.read_config().label_classes
    return find_model(model).read_card().label_classes
