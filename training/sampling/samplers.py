"""Samplers: one training sample of a slice, by a list of transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from training.sampling.displacement import Displacement
from training.sampling.resampling import mirror, resize_bilinear
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
    inside, is carried until it is made binary.

    Parameters
    ----------
    slices : sequence of Sample
        Image and labels of one shape (Y, X).
    input_length, output_length : int
        Lengths of the network's input and output, in pixels a side.
    """

    samples_per_slice = 1

    def __init__(self, slices: Sequence[Sample], input_length: int, output_length: int) -> None:
        def pad(plane: Image) -> Image:
            resized = resize_bilinear(plane, (output_length, output_length))
            return np.pad(resized, border)

        border = (input_length - output_length) // 2
        self._slices = [
            Sample(
                pad(image),
                pad(np.float32(1) - membrane),
                None if weights is None else pad(weights),
            )
            for image, membrane, weights in slices
        ]
        self._flip = RandomFlip()
        self._transforms = (
            RandomWindow(),
            RandomBrightness(BRIGHTNESS, is_clipped=True),
            Resize(input_length),
            CropLabels(border),
            BinarizeInside(),
        )

    def __call__(self, index: int, generator: np.random.Generator, has_flips: bool) -> Sample:
        flips = (self._flip,) if has_flips else ()
        return apply((*flips, *self._transforms), self._slices[index], generator)


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
