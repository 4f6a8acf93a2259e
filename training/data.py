"""The stack that a run trains on, and how it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.folds import split_fold
from training.model_card import ModelCard, preset_zoom
from training.scaling import Scaling
from training.stacks import find_pair, read_training_pair


@dataclass(frozen=True)
class Data:
    """What is trained and validated on.

    Parameters
    ----------
    name : str
        Of the image stack.
    images : array (Z, Y, X)
        Of the file's dtype.
    membrane : array (Z, Y, X) of bool
        The ground truth.
    train_slices, valid_slices : list of int
        The split.
    weights : array (Z, Y, X) of float32 or None
        Of the losses of pixels that are trained on, 0 where no label is known; None: all the
        same.
    held_out : array (Z, Y, X) of bool or None
        Pixels of the validation slices that figures are of; None: all.
    """

    name: str
    images: NDArray[Any]
    membrane: NDArray[np.bool_]
    train_slices: list[int]
    valid_slices: list[int]
    weights: NDArray[np.float32] | None = None
    held_out: NDArray[np.bool_] | None = None


def load_data(config: TrainingConfig) -> Data:
    """Read the stack and its labels, and split it by the fold.

    Raises
    ------
    UserError
        If files are missing or can't be used, or there is no such fold.
    """
    image_path, labels_path = find_pair(config.data_url, config.image, config.labels)
    images, membrane = read_training_pair(image_path, labels_path, config.label_convention)
    train_slices, valid_slices = split_fold(len(images), config.cross_valid_ind)
    return Data(image_path.name, images, membrane, train_slices, valid_slices)


def describe_model(config: TrainingConfig, data: Data) -> ModelCard:
    """The card of the model that this data and configuration make."""
    height, width = data.images.shape[1:]
    return ModelCard(
        preset=config.preset,
        scaling=Scaling.of(data.images),
        zoom=preset_zoom(config.preset, (height, width)),
        fold=config.cross_valid_ind,
        data=data.name,
    )
