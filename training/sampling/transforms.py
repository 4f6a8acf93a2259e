"""Transforms of samples, to be applied one after the other.

What follows the model zoo names the function of its ``src/data_loader.py`` (see
:mod:`training.presets.medical` for the repository and its version).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.sampling.displacement import Displacement, shift_plane, turn_displacement
from training.sampling.resampling import resize_bilinear, resize_nearest
from training.sampling.sample import Image, Sample, Transform

FLIP_PROBABILITY = 0.5  # train_data_augmentation
CROPPED_SHARE = 0.3  # train_data_augmentation: at most this of a side's length
BRIGHTNESS = 0.2  # train_data_augmentation
LABEL_THRESHOLD = 0.5  # data_post_process


def apply(
    transforms: Iterable[Transform], sample: Sample, generator: np.random.Generator
) -> Sample:
    """Apply transforms to a sample, the first one first."""
    for transform in transforms:
        sample = transform(sample, generator)
    return sample


@dataclass(frozen=True)
class RandomFlip:
    """Flip a sample along Y and along X, each with a probability of a half, as the zoo does."""

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        for axis in (0, 1):
            if generator.random() > FLIP_PROBABILITY:
                sample = map_planes(partial(np.flip, axis=axis), sample)
        return sample


@dataclass(frozen=True)
class RandomWindow:
    """Cut up to three tenths off each side of a sample, as the zoo does.

    Image and labels must have the same shape.
    """

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        height, width = sample.image.shape
        left, top = (int(generator.random() * CROPPED_SHARE * side) for side in (width, height))
        right, bottom = (
            int((1 - generator.random() * CROPPED_SHARE) * side) for side in (width, height)
        )
        return map_planes(lambda plane: plane[top:bottom, left:right], sample)


@dataclass(frozen=True)
class Resize:
    """Resize a sample to a square of ``length`` pixels a side: the image bilinearly.

    Labels are resized alike, or each pixel takes its nearest's where they are of classes.
    """

    length: int
    has_classes: bool = False

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        return self.resize(sample)

    def resize(self, sample: Sample) -> Sample:
        """Resize a sample, which takes no chance."""
        shape = self.length, self.length
        resize = resize_nearest if self.has_classes else resize_bilinear
        image = resize_bilinear(sample.image, shape)
        return _map_labels(lambda plane: resize(plane, shape), sample._replace(image=image))


@dataclass(frozen=True)
class CropLabels:
    """Take ``border`` pixels off each side of the labels, which the network does not predict."""

    border: int

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        height, width = sample.membrane.shape
        window = slice(self.border, height - self.border), slice(self.border, width - self.border)
        return _map_labels(lambda plane: plane[window], sample)


@dataclass(frozen=True)
class BinarizeInside:
    """Turn the probability of inside, in the place of ``membrane``, into membrane: 0 or 1.

    A pixel is inside where the probability is above a half, as in the zoo.
    """

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        membrane = (sample.membrane <= LABEL_THRESHOLD).astype(np.float32)
        return sample._replace(membrane=membrane)


class RandomCrop:
    """Cut a square out of a slice.

    Parameters
    ----------
    shape : (int, int)
        Shape (Y, X) of the slice's image, in pixels.
    length : int
        Length of the square's side, in pixels.
    border : int
        Pixels by which the slice's labels lie beyond the image on each side; so do the square's.
    labelled : array (N, 2) of int, optional
        Pixels (y, x) of which the square holds at least one.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        length: int,
        border: int = 0,
        labelled: np.ndarray[tuple[int, ...], np.dtype[np.intp]] | None = None,
    ) -> None:
        self._rooms = [side - length for side in shape]
        self._length = length
        self._border = border
        self._labelled = labelled

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        top, left = self._draw_corner(generator)
        image = sample.image[top : top + self._length, left : left + self._length]
        length = self._length + 2 * self._border
        window = slice(top, top + length), slice(left, left + length)
        return _map_labels(lambda plane: plane[window], sample._replace(image=image))

    def _draw_corner(self, generator: np.random.Generator) -> tuple[int, int]:
        if self._labelled is None:
            top, left = (int(generator.integers(room + 1)) for room in self._rooms)
            return top, left
        pixel = self._labelled[generator.integers(len(self._labelled))]
        corner = np.clip(pixel - generator.integers(self._length, size=2), 0, self._rooms)
        return int(corner[0]), int(corner[1])


@dataclass(frozen=True)
class RandomTurn:
    """Flip a square sample along X with a probability of a half, and turn it by a right angle.

    Parameters
    ----------
    displacement : (float, float)
        In pixels (y, x), by which the labels lie beside their image. They lie the same way
        beside the turned one, so that the network sees them on one side alone.
    border : int
        Border of the labels that it takes off: at least twice the displacement, in pixels.
    """

    displacement: Displacement = (0.0, 0.0)
    border: int = 0

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        is_flipped = generator.random() < FLIP_PROBABILITY
        quarters = int(generator.integers(4))
        if is_flipped:
            sample = map_planes(np.fliplr, sample)
        sample = map_planes(lambda plane: np.rot90(plane, quarters), sample)
        if not self.border:
            return sample
        y, x = turn_displacement(self.displacement, is_flipped, quarters)
        shift = self.displacement[0] - y, self.displacement[1] - x
        return _map_labels(lambda plane: shift_plane(plane, shift, self.border), sample)


@dataclass(frozen=True)
class RandomGamma:
    """Raise the image, taken as 0 to 1, to a power of e to the ``-limit`` up to ``limit``."""

    limit: float

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        power = np.float32(math.exp(generator.uniform(-self.limit, self.limit)))
        return sample._replace(image=2 * ((sample.image + 1) / 2) ** power - 1)


@dataclass(frozen=True)
class RandomContrast:
    """Stretch the image about its mean by a factor of e to the ``-limit`` up to ``limit``."""

    limit: float

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        factor = np.float32(math.exp(generator.uniform(-self.limit, self.limit)))
        mean = sample.image.mean()
        return sample._replace(image=mean + factor * (sample.image - mean))


@dataclass(frozen=True)
class RandomBrightness:
    """Add ``-limit`` to ``limit`` to the image; where ``is_clipped``, keep it in [-1, 1]."""

    limit: float
    is_clipped: bool = False

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        image = sample.image + np.float32(generator.uniform(-self.limit, self.limit))
        return sample._replace(image=np.clip(image, -1.0, 1.0) if self.is_clipped else image)


def map_planes(function: Callable[[Image], Image], sample: Sample) -> Sample:
    """Apply a function to the image and the labels of a sample."""
    return _map_labels(function, sample._replace(image=function(sample.image)))


def _map_labels(function: Callable[[Image], Image], sample: Sample) -> Sample:
    """Apply a function to the labels of a sample: membrane, and weights if it has any."""
    weights = None if sample.weights is None else function(sample.weights)
    return Sample(sample.image, function(sample.membrane), weights)
