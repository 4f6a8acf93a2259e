"""The card of the model that comes of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.config import TrainingConfig
from training.dataset.training_set import TrainingSet, Volume
from training.model.model_card import ModelCard, TrainedVolume
from training.presets.preset import Preset
from training.presets.registry import find_preset
from training.sampling.displacement import Displacement, measure_displacement
from training.stacks.even_slices import pick_evenly

MEASURED_SLICES = 8  # for the displacement of labels


def describe_model(config: TrainingConfig, data: TrainingSet) -> ModelCard:
    """Make the card of the model that comes of a configuration and its data."""
    preset = find_preset(config.preset)
    first, *others = (_describe_volume(preset, data, volume) for volume in data.volumes)
    return ModelCard(
        preset=config.preset,
        fold=config.cross_valid_ind,
        began_from=Path(config.weights).name,
        pixel_size=data.pixel_size,
        num_classes=config.num_classes,
        classes=data.classes.members,
        others=tuple(others),
        **vars(first),
    )


def card_of_volume(card: ModelCard, volume: Volume) -> ModelCard:
    """Choose the card of the volume that a volume of a training is, or is most like."""
    return card.nearest(volume.fingerprint, volume.scaling)


def _describe_volume(preset: Preset, data: TrainingSet, volume: Volume) -> TrainedVolume:
    train_slices = data.train_slices_of(volume)
    return TrainedVolume(
        scaling=volume.scaling,
        zoom=preset.zoom(volume.plane),
        displacement=_measure_displacement(preset, data, volume),
        train_slices=tuple(sorted(number - volume.first for number in train_slices)),
        data=volume.name,
        fingerprint=volume.fingerprint,
        labels_fingerprint=volume.labels_fingerprint,
    )


def _measure_displacement(preset: Preset, data: TrainingSet, volume: Volume) -> Displacement:
    """Measure it where the preset allows for it; strokes are too few to measure it from.

    Labels of classes can't be shifted by parts of pixels, so theirs is not allowed for.
    """
    train_slices = data.train_slices_of(volume)
    if volume.is_sparse or data.classes or not train_slices or not preset.measures_displacement:
        return 0.0, 0.0
    slices = pick_evenly(train_slices, MEASURED_SLICES)
    images = np.stack([data.images[index] for index in slices])
    return measure_displacement(images, np.stack([data.membrane[index] for index in slices]))
