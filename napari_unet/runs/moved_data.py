"""Going on with a run whose training data are in another place now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from training.data_pairs import DataPair
from training.dataset.pair_search import find_file, find_pair
from training.dataset.training_pair import open_pair
from training.dataset.volumes import VolumeFiles, find_volumes
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.label_classes import LabelClasses
from training.label_convention import IdBorders
from training.model.saved_model import read_weights_card
from training.runs.run_directory import RunDirectory
from training.stacks.fingerprint import fingerprint, fingerprint_labels


def find_data(run: RunDirectory) -> list[VolumeFiles]:
    """Find the images and labels that a run was configured with.

    Raises
    ------
    UserError
        If they are not there any more.
    """
    try:
        return find_volumes(run.read_config())
    except UserError as error:
        raise UserError(
            f"The data of the run {run.path} are gone: {error.problem}",
            "If they are in another folder now, name it with --data.",
        ) from error


def move_data(run: RunDirectory, folder: str, image: str = "", labels: str = "") -> list[str]:
    """Have a run go on with its images and labels, which are in another place now.

    Parameters
    ----------
    folder : str
        Where they are; empty: the folder in the run's configuration. Those of several volumes lie
        in it as they lay in the folder that held them all.
    image, labels : str
        Names of the files of one volume, in the folder or as paths; empty: as in the run's
        configuration.

    Returns
    -------
    list of str
        A sentence for each volume that says what was compared.

    Raises
    ------
    UserError
        If they are not those that the run has been trained on, or can't be used. The run stays as
        it was then.
    """
    config = run.read_config()
    if config.pairs:
        if image or labels:
            raise UserError(
                f"{run.path} has several volumes, so --image and --labels don't say which.",
                "Give the folder that holds them all: --data.",
            )
        moved = config.replace(pairs=_pairs_in(Path(folder), config.pairs))
    else:
        folder = folder or config.data_url
        if not Path(folder).is_file():  # an HDF5 file shows by itself what is inside
            image = image or Path(config.image).name
            labels = labels or Path(config.labels).name
        image, labels = map(_absolute, find_pair(folder, image, labels))
        moved = config.replace(data_url=str(Path(image).parent), image=image, labels=labels)
    compared = _compare(run, find_volumes(moved), config.ids, config.label_classes)
    write_atomically(run.config, moved.to_json().encode())
    return compared


def _pairs_in(folder: Path, pairs: Sequence[DataPair]) -> list[DataPair]:
    """Give pairs with the same files in another folder, laid out as they were."""
    former = Path(os.path.commonpath([path for pair in pairs for path in pair[:2]]))

    def moved(path: str) -> str:
        return _absolute(find_file(folder, str(Path(path).relative_to(former))))

    return [pair._replace(image=moved(pair.image), labels=moved(pair.labels)) for pair in pairs]


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (keeps links)


def _compare(
    run: RunDirectory, volumes: Sequence[VolumeFiles], ids: IdBorders, classes: LabelClasses
) -> list[str]:
    """Compare the pixels and labels of volumes with those that the run was trained on."""
    checkpoint = next(reversed(run.list_checkpoints()), None)
    sentences = []
    for place, volume in enumerate(volumes):
        path = volume.image
        with open_pair(path, volume.labels, volume.convention, ids, (), classes) as pair:
            if checkpoint is None:
                sentences.append(f"The run has no checkpoint yet, so it begins with {path}.")
                continue
            known = read_weights_card(checkpoint).volumes[place]
            labels = fingerprint_labels(pair.codes_of(classes))
            known.check_same_data(
                run.path,
                (str(path), fingerprint(pair.images)),
                (str(volume.labels), labels),
            )
        sentences.append(
            f"{path} and its labels are those that the run was trained on: it goes on with them."
        )
    return sentences
