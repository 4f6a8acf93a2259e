"""Batches of augmented training images, made ready in a thread beside the step.

A run's samples are numbered 0, 1, 2, ... through all its epochs. Sample ``i`` depends on the
seed and on ``i`` alone: so a resumed run sees what an uninterrupted one would have seen,
without saving a random state, and several devices share the samples out without overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.model.model_card import ModelCard
from training.sampling.samplers import CompactSampler, Image, MedicalSampler, Sample, Sampler


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
