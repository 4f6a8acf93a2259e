"""Samplers: one augmented training sample of a slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.sampling.displacement import Displacement, moved, turned
from training.sampling.resampling import mirror, resize_bilinear

Image = NDArray[np.float32]
Sample = tuple[Image, Image, Image]
MEDICAL_INPUT = 572  # pixels a side, of which the network predicts the inner MEDICAL_LENGTH
COMPACT_CROP = 128
# An epoch of sparse labels: the few slices that have any are not worth validating after.
FEWEST_SAMPLES = 160
MEDICAL_LENGTH = 388


class Sampler(Protocol):
    """Makes one training sample of a slice."""

    samples_per_slice: int

    def __call__(self, index: int, random: np.random.Generator, has_flips: bool) -> Sample:
        """Input (H, W) in [-1, 1], wanted probability of membrane and weights, both (h, w)."""


class MedicalSampler:
    """The zoo's preprocessing and augmentation: flips, crop and resize, brightness."""

    samples_per_slice = 1

    def __init__(
        self,
        images: Sequence[NDArray[Any]],
        membrane: Sequence[NDArray[Any]],
        weights: Sequence[Image] | None,
    ) -> None:
        self._images = [_pad_medical(image) for image in images]
        self._inside = [_pad_medical(1.0 - mask.astype(np.float32)) for mask in membrane]
        self._weights = None if weights is None else [_pad_medical(weight) for weight in weights]

    def __call__(self, index: int, random: np.random.Generator, has_flips: bool) -> Sample:
        image, inside = self._images[index], self._inside[index]
        weight = np.ones_like(inside) if self._weights is None else self._weights[index]
        for axis in (0, 1):
            if has_flips and random.random() > 0.5:
                image, inside, weight = (np.flip(one, axis) for one in (image, inside, weight))
        left, top = (int(random.random() * 0.3 * MEDICAL_INPUT) for _ in range(2))
        right, bottom = (int((1 - random.random() * 0.3) * MEDICAL_INPUT) for _ in range(2))
        window = slice(top, bottom), slice(left, right)
        image = np.clip(image[window] + np.float32(random.uniform(-0.2, 0.2)), -1.0, 1.0)
        whole = (MEDICAL_INPUT, MEDICAL_INPUT)
        border = (MEDICAL_INPUT - MEDICAL_LENGTH) // 2
        centre = slice(border, border + MEDICAL_LENGTH)
        wanted = resize_bilinear(inside[window], whole)[centre, centre] <= 0.5
        if self._weights is not None:
            weight = resize_bilinear(weight[window], whole)
        return resize_bilinear(image, whole), wanted.astype(np.float32), weight[centre, centre]


def _pad_medical(image: NDArray[np.float32]) -> Image:
    """Resize to 388 x 388 and pad with zeros to 572 x 572, as the zoo does."""
    resized = resize_bilinear(image, (MEDICAL_LENGTH, MEDICAL_LENGTH))
    return np.pad(resized, (MEDICAL_INPUT - MEDICAL_LENGTH) // 2)


class CompactSampler:
    """Random crops, which may be flipped and turned by right angles.

    Where some pixels have no label, every crop holds at least one that has. Labels that lie
    beside their image, as the displacement tells, lie the same way beside a turned one.
    """

    def __init__(
        self,
        images: Sequence[NDArray[Any]],
        membrane: Sequence[NDArray[Any]],
        weights: Sequence[Image] | None,
        displacement: Displacement,
    ) -> None:
        shortest = min(images[0].shape)
        self._crop = min(COMPACT_CROP, 16 * math.ceil(shortest / 16))
        height, width = (max(length, self._crop) for length in images[0].shape)
        self._displacement = displacement
        self._border = math.ceil(2 * max(map(abs, displacement)))
        self._images = [mirror(image, (height, width), 0) for image in images]
        self._membrane = [self._bordered(mask.astype(np.float32)) for mask in membrane]
        self._weights = None
        self._labelled: list[NDArray[np.intp]] | None = None
        if weights is not None:
            self._weights = [self._bordered(weight) for weight in weights]
            if any((weight == 0).any() for weight in weights):
                whole = [mirror(weight, (height, width), 0) for weight in weights]
                self._labelled = [np.argwhere(weight) for weight in whole]
        self.samples_per_slice = max(1, round(height * width / self._crop**2))
        if self._labelled is not None:
            fewest = math.ceil(FEWEST_SAMPLES / len(images))
            self.samples_per_slice = max(self.samples_per_slice, fewest)

    def __call__(self, index: int, random: np.random.Generator, has_flips: bool) -> Sample:
        top, left = self._draw_corner(index, random)
        image = self._images[index][top : top + self._crop, left : left + self._crop]
        window = (
            slice(top, top + self._crop + 2 * self._border),
            slice(left, left + self._crop + 2 * self._border),
        )
        wanted = self._membrane[index][window]
        weight = np.ones_like(wanted) if self._weights is None else self._weights[index][window]
        labels, shift = np.stack((wanted, weight)), (0.0, 0.0)
        if has_flips:
            is_flipped, quarters = random.random() < 0.5, int(random.integers(4))
            if is_flipped:
                image, labels = np.flip(image, 1), np.flip(labels, 2)
            image, labels = np.rot90(image, quarters), np.rot90(labels, quarters, (1, 2))
            lies, turns = self._displacement, turned(self._displacement, is_flipped, quarters)
            shift = lies[0] - turns[0], lies[1] - turns[1]
        wanted, weight = moved(labels, shift, self._border)
        return image, wanted, weight

    def _bordered(self, labels: Image) -> Image:
        """Labels of the images' size, and a mirrored border that they may be moved by."""
        height, width = self._images[0].shape
        return mirror(labels, (height, width), self._border)

    def _draw_corner(self, index: int, random: np.random.Generator) -> tuple[int, int]:
        rooms = [length - self._crop for length in self._images[index].shape]
        if self._labelled is None:
            corner = [int(random.integers(room + 1)) for room in rooms]
        else:
            pixels = self._labelled[index]
            corner = pixels[random.integers(len(pixels))] - random.integers(self._crop, size=2)
        top, left = np.clip(corner, 0, rooms)
        return int(top), int(left)
