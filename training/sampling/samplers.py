"""Samplers: one training sample of a slice, by a list of transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from training.sampling.displacement import Displacement
from training.sampling.resampling import mirror
from training.sampling.sample import Image, Sample
from training.sampling.transforms import (
    BRIGHTNESS,
    BinarizeInside,
    CropLabels,
    RandomBrightness,
    RandomCrop,
    RandomFlip,
    RandomTurn,
    RandomWindow,
    Resize,
    apply,
    map_planes,
)

# An epoch of few labels: the slices that have any are not worth validating after.
FEWEST_SAMPLES = 160


class Sampler(Protocol):
    """Makes one training sample of a slice."""

    samples_per_slice: int

    def __call__(self, index: int, generator: np.random.Generator, has_flips: bool) -> Sample:
        """Make a sample of the slice of some index; chance comes from ``generator`` alone.

        ``has_flips`` is False in the last part of a run that ends without flips and turns.
        """


class WholeSliceSampler:
    """The model zoo's preprocessing and augmentation of whole slices.

    ``create_dataset`` of its ``src/data_loader.py`` resizes a slice to the network's output and
    pads it with zeros to the network's input; ``train_data_augmentation`` flips it, cuts a
    window out of it and varies its brightness; then it is resized to the network's input again.
    The padding's label is 0 too, which is membrane: so the zoo's label, the probability of
    inside, is carried until it is made binary. Of classes, which the zoo does not have, each pixel
    takes its nearest's, and the padding's is not known.

    Parameters
    ----------
    slices : sequence of Sample
        Image and labels of one shape (Y, X).
    input_length, output_length : int
        Lengths of the network's input and output, in pixels a side.
    has_classes : bool
        Whether the labels are the places of classes.
    """

    samples_per_slice = 1

    def __init__(
        self, slices: Sequence[Sample], input_length: int, output_length: int, has_classes: bool
    ) -> None:
        border = (input_length - output_length) // 2
        inner = Resize(output_length, has_classes)
        prepare = _carry_all_weights if has_classes else _carry_inside
        self._slices = [
            map_planes(lambda plane: np.pad(plane, border), inner.resize(prepare(sample)))
            for sample in slices
        ]
        self._flip = RandomFlip()
        self._transforms = (
            RandomWindow(),
            RandomBrightness(BRIGHTNESS, is_clipped=True),
            Resize(input_length, has_classes),
            CropLabels(border),
            *(() if has_classes else (BinarizeInside(),)),
        )

    def __call__(self, index: int, generator: np.random.Generator, has_flips: bool) -> Sample:
        flips = (self._flip,) if has_flips else ()
        return apply((*flips, *self._transforms), self._slices[index], generator)


def _carry_inside(sample: Sample) -> Sample:
    """Put the probability of inside in the place of that of membrane."""
    return sample._replace(membrane=np.float32(1) - sample.membrane)


def _carry_all_weights(sample: Sample) -> Sample:
    """Write out the weights of pixels that are all known."""
    known = np.ones_like(sample.membrane) if sample.weights is None else sample.weights
    return sample._replace(weights=known)


class CropSampler:
    """Random crops, which may be flipped and turned by right angles.

    Where some pixels have no label, every crop holds at least one that has.

    Parameters
    ----------
    slices : sequence of Sample
        Image and labels of one shape (Y, X), the same for all slices.
    length : int
        Length of a crop's side, in pixels. A slice that is smaller is mirrored at its edges.
    displacement : (float, float)
        In pixels (y, x), by which the labels lie beside their images.
    """

    def __init__(self, slices: Sequence[Sample], length: int, displacement: Displacement) -> None:
        height, width = (max(side, length) for side in slices[0].image.shape)
        border = math.ceil(2 * max(map(abs, displacement)))

        def extend(labels: Image) -> Image:
            return mirror(labels, (height, width), border)

        self._slices = [
            Sample(
                mirror(image, (height, width), 0),
                extend(membrane),
                None if weights is None else extend(weights),
            )
            for image, membrane, weights in slices
        ]
        has_few_labels = any(sample.weights is not None for sample in slices)
        self._crops = []
        for _, _, weights in slices:
            labelled = None
            if weights is not None and not weights.all():
                labelled = np.argwhere(mirror(weights, (height, width), 0))
            self._crops.append(RandomCrop((height, width), length, border, labelled))
        self._turn = RandomTurn(displacement, border)
        self._crop_labels = CropLabels(border)
        fewest = math.ceil(FEWEST_SAMPLES / len(slices)) if has_few_labels else 1
        self.samples_per_slice = max(fewest, round(height * width / length**2))

    def __call__(self, index: int, generator: np.random.Generator, has_flips: bool) -> Sample:
        last = self._turn if has_flips else self._crop_labels
        return apply((self._crops[index], last), self._slices[index], generator)
