"""Going on with a run whose training data are in another place now."""

from __future__ import annotations

import os
from pathlib import Path

from training.config import TrainingConfig
from training.dataset.training_pair import TrainingPair, find_pair, open_pair
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.model.model_card import ModelCard
from training.model.saved_model import CARD_KEY
from training.model.weight_files import read_metadata
from training.runs.run_directory import RunDirectory
from training.stacks.fingerprint import fingerprint, fingerprint_labels


def find_data(run: RunDirectory) -> tuple[Path, Path]:
    """Find the images and labels that a run was configured with.

    Raises
    ------
    UserError
        If they are not there any more.
    """
    config = run.read_config()
    try:
        return find_pair(config.data_url, config.image, config.labels)
    except UserError as error:
        raise UserError(
            f"The data of the run {run.path} are gone: {error.problem}",
            "If they are in another folder now, name it with --data.",
        ) from error


def move_data(run: RunDirectory, folder: str, image: str = "", labels: str = "") -> str:
    """Have a run go on with its images and labels, which are in another place now.

    Parameters
    ----------
    folder : str
        Where they are; empty: the folder in the run's configuration.
    image, labels : str
        Names of the files, in the folder or as paths; empty: as in the run's configuration.

    Returns
    -------
    str
        A sentence that says what was compared.

    Raises
    ------
    UserError
        If they are not those that the run has been trained on, or can't be used. The run stays as
        it was then.
    """
    config = run.read_config()
    names = image or Path(config.image).name, labels or Path(config.labels).name
    paths = find_pair(folder or config.data_url, *names)
    with open_pair(*paths, config.label_convention, config.ids) as pair:
        compared = _compare(run, config, pair)
    image, labels = (os.path.abspath(path) for path in paths)  # noqa: PTH100 (keeps links)
    moved = config.replace(data_url=str(Path(image).parent), image=image, labels=labels)
    write_atomically(run.config, moved.to_json().encode())
    return compared


def _compare(run: RunDirectory, config: TrainingConfig, pair: TrainingPair) -> str:
    """Compare the pixels and labels of a pair with those that the run was trained on."""
    path = pair.images.path
    checkpoints = run.list_checkpoints()
    if not checkpoints:
        return f"The run has no checkpoint yet, so it begins with {path}."
    card = ModelCard.from_json(read_metadata(checkpoints[-1])[CARD_KEY], str(checkpoints[-1]))
    if fingerprint(pair.images) != card.fingerprint:
        raise UserError(
            f"{path} is not the stack that {run.path} was trained on.",
            "Give the run's own data, or start a new run with these.",
        )
    if fingerprint_labels(pair.codes) != card.labels_fingerprint:
        raise UserError(
            f"The labels of {pair.labels.path} are not those that {run.path} was trained on.",
            f"Give those, or learn on from the run's model with these: --from {run.path}.",
        )
    return f"{path} and its labels are those that the run was trained on: it goes on with them."
