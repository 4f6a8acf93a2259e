"""Batches of augmented training images, made ready in a thread beside the step.

A run's samples are numbered 0, 1, 2, ... through all its epochs. Sample ``i`` depends on the
seed and on ``i`` alone: so a resumed run sees what an uninterrupted one would have seen,
without saving a random state, and several devices share the samples out without overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.displacement import Displacement, moved, turned
from training.model_card import MEDICAL_LENGTH, ModelCard
from training.tiling import mirror, resize_bilinear

Image = NDArray[np.float32]
Sample = tuple[Image, Image, Image]
MEDICAL_INPUT = 572  # pixels a side, of which the network predicts the inner MEDICAL_LENGTH
COMPACT_CROP = 128
# An epoch of sparse labels: the few slices that have any are not worth validating after.
FEWEST_SAMPLES = 160


class Batch(NamedTuple):
    """What a step trains on.

    Parameters
    ----------
    images : array (N, 1, H, W) of float32
        In [-1, 1], or a little beyond where contrast and brightness are varied.
    wanted : array (N, 1, h, w) of float32
        Probability of membrane, 0 or 1.
    weights : array (N, 1, h, w) of float32
        Of the pixels' losses, 0 where no label is known. Their mean is 1, so that the mean of
        the weighted losses is the weighted mean.
    """

    images: Image
    wanted: Image
    weights: Image


class Done(NamedTuple):
    """How far a run has come, on whatever number of devices.

    Parameters
    ----------
    steps : int
        Taken by the optimizer.
    samples : int
        Trained on, by all devices.
    """

    steps: int = 0
    samples: int = 0


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


class Batches:
    """The batches of one process of a run.

    Parameters
    ----------
    images : array (Z, Y, X)
        The training slices, of the stack's own dtype.
    membrane : array (Z, Y, X) of bool
        Their ground truth.
    weights : array (Z, Y, X) of float32 or None
        Of the pixels' losses, 0 where no label is known; None: all the same.
    card : ModelCard
        Whose preset, scaling and displacement are used.
    config : TrainingConfig
    rank, world_size : int
        Of this process.
    done : Done
        Where the run goes on from.
    """

    def __init__(
        self,
        images: NDArray[Any],
        membrane: NDArray[np.bool_],
        weights: NDArray[np.float32] | None,
        card: ModelCard,
        config: TrainingConfig,
        rank: int = 0,
        world_size: int = 1,
        done: Done = Done(),  # noqa: B008 (immutable)
    ) -> None:
        scaled = [card.scaling.apply(image) for image in images]
        planes = scaled, list(membrane), None if weights is None else list(weights)
        self._sample: Sampler
        if config.preset == "medical":
            self._sample = MedicalSampler(*planes)
        else:
            self._sample = CompactSampler(*planes, card.displacement)
        self._slices = len(images)
        self._seed = config.seed
        self._gamma, self._contrast = config.gamma, config.contrast
        self._brightness = config.brightness
        self._batch = config.batchsize
        self._rank, self._world_size = rank, world_size
        self.samples_per_epoch = self._slices * self._sample.samples_per_slice
        epochs = config.epochs if world_size == 1 else config.distribute_epochs
        self.samples_per_step = self._batch * world_size
        # The last step goes on into the next epoch rather than leave samples out.
        self._done = done
        left = math.ceil((epochs * self.samples_per_epoch - done.samples) / self.samples_per_step)
        self.total_steps = config.steps or done.steps + max(left, 0)
        self._flipped_samples = round(config.flips * self.samples_after(self.total_steps))

    def samples_after(self, step: int) -> int:
        """Samples that all devices have trained on after a step."""
        return self._done.samples + (step - self._done.steps) * self.samples_per_step

    def epoch(self, step: int) -> int:
        """Epoch, from 1, that the first sample of a step, from 1, belongs to."""
        return self.samples_after(step - 1) // self.samples_per_epoch + 1

    def epochs_finished(self, step: int) -> int:
        """Epochs whose samples have all been trained on after a step."""
        return self.samples_after(step) // self.samples_per_epoch

    def sample_numbers(self, step: int) -> range:
        """Numbers of the samples that this process trains on in a step, from 1."""
        first = self.samples_after(step - 1) + self._rank * self._batch
        return range(first, first + self._batch)

    def batch(self, step: int) -> Batch:
        """What this process trains on in a step, from 1."""
        samples = [self._make_sample(number) for number in self.sample_numbers(step)]
        images, wanted, weights = (
            np.stack(planes)[:, np.newaxis] for planes in zip(*samples, strict=True)
        )
        mean = weights.mean(dtype=np.float64)
        return Batch(images, wanted, weights / np.float32(mean) if mean else weights)

    def from_step(self, first: int) -> Iterator[tuple[int, Batch]]:
        """Steps from ``first`` to the last with their batches, the next one being prepared."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
            coming = thread.submit(self.batch, first)
            for step in range(first, self.total_steps + 1):
                batch = coming.result()
                if step < self.total_steps:
                    coming = thread.submit(self.batch, step + 1)
                yield step, batch

    def _make_sample(self, number: int) -> Sample:
        epoch, place = divmod(number, self.samples_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(self.samples_per_epoch)
        random = np.random.default_rng([self._seed, epoch, place + 1])
        has_flips = number < self._flipped_samples
        image, wanted, weights = self._sample(int(order[place]) % self._slices, random, has_flips)
        return self._vary(image, random), wanted, weights

    def _vary(self, image: Image, random: np.random.Generator) -> Image:
        """Change the intensities at random, as other sections and stains have them."""
        if self._gamma:
            power = np.float32(math.exp(random.uniform(-self._gamma, self._gamma)))
            image = 2 * ((image + 1) / 2) ** power - 1
        if self._contrast:
            factor = np.float32(math.exp(random.uniform(-self._contrast, self._contrast)))
            mean = image.mean()
            image = mean + factor * (image - mean)
        if self._brightness:
            image = image + np.float32(random.uniform(-self._brightness, self._brightness))
        return image
