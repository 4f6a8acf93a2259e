"""From a person's choices to a started training."""

from __future__ import annotations

import shutil

from napari_unet.launching import Launcher, check_run_name
from napari_unet.training_data import TrainingData
from training.config import TrainingConfig
from training.errors import UserError
from training.run_directory import RunDirectory


def start_training(
    launcher: Launcher, data: TrainingData, config: TrainingConfig, name: str
) -> RunDirectory:
    """Check the data, write what has no file yet, and start.

    Parameters
    ----------
    config : TrainingConfig
        Its data options are taken from ``data``.
    name : str
        Of the new run.

    Raises
    ------
    UserError
        For the first problem of the data, or if the run can't be started; nothing is left
        behind then.
    """
    problems = data.read().problems(config.label_convention)
    if problems:
        raise problems[0]
    run = RunDirectory(launcher.runs_folder.absolute() / check_run_name(name))
    if run.path.exists():
        raise UserError(f"There is a run '{name}' already.", "Give another name.")
    try:
        return launcher.start(data.prepare(config, run), name)
    except UserError:
        if not run.config.exists():
            shutil.rmtree(run.path, ignore_errors=True)
        raise
