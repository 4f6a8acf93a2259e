"""Batches of augmented training images, made ready in threads beside the step.

A run's samples are numbered 0, 1, 2, ... through all its epochs. Sample ``i`` depends on the
seed and on ``i`` alone: so a resumed run sees what an uninterrupted one would have seen,
without saving a random state, and several devices share the samples without overlap.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

import numpy as np

from training.config import TrainingConfig
from training.dataset.training_set import TrainingSet, Volume
from training.devices.placement import ALONE, Place
from training.model.card_of_training import card_of_volume
from training.model.model_card import ModelCard
from training.presets.registry import find_preset
from training.resources.limits import usable_cores
from training.sampling.sample import Image, Sample, Transform
from training.sampling.samplers import Sampler
from training.sampling.transforms import RandomBrightness, RandomContrast, RandomGamma, apply


class Batch(NamedTuple):
    """What a step trains on.

    Parameters
    ----------
    images : array (N, 1, H, W) of float32
        In [-1, 1], or a little beyond where contrast and brightness are varied.
    wanted : array (N, 1, h, w) of float32; of classes (N, C, h, w)
        Wanted probabilities, from 0 to 1.
    weights : array (N, 1, h, w) of float32
        Weights of the pixels' losses, 0 where no label is known. Their mean is 1, so that the
        mean of the weighted losses is the weighted mean.
    """

    images: Image
    wanted: Image
    weights: Image


class TrainingProgress(NamedTuple):
    """How far a run has come, on whatever number of devices.

    Parameters
    ----------
    steps : int
        Taken by the optimizer.
    samples : int
        Trained on, by all devices.
    stale : int
        Validations since that of the best model.
    converged : int
        The step at which it no longer improved, so that it comes to its end; 0: none.
    """

    steps: int = 0
    samples: int = 0
    stale: int = 0
    converged: int = 0


START = TrainingProgress()
BATCHES_AHEAD = 3  # made ready at most: some 40 MB each for medical
MOST_THREADS = 8


def threads_per_process(world_size: int) -> int:
    """Return how many threads make the samples of each of a run's processes."""
    return max(1, min(MOST_THREADS, usable_cores() // world_size))


class Batches:
    """The batches of one process of a run.

    Parameters
    ----------
    data : TrainingSet
        Its training slices are sampled.
    card : ModelCard
        Its scalings and displacements are used.
    config : TrainingConfig
    place : Place
        Place of this process in the run.
    progress : TrainingProgress
        Where the run goes on from.

    Attributes
    ----------
    samples_per_epoch, samples_per_step : int
        Samples of all devices together.
    total_steps : int
        Steps of the whole run; the last one goes on into the next epoch rather than leave samples
        out. It may be lowered while they are taken.
    """

    def __init__(
        self,
        data: TrainingSet,
        card: ModelCard,
        config: TrainingConfig,
        place: Place = ALONE,
        progress: TrainingProgress = START,
    ) -> None:
        volumes = [volume for volume in data.volumes if data.train_slices_of(volume)]
        side = max(min(volume.plane) for volume in volumes)
        self._samplers = [
            _build_sampler(data, volume, card_of_volume(card, volume), config.preset, side)
            for volume in volumes
        ]
        self._sources = _list_sources(
            [
                (sampler, len(data.train_slices_of(volume)))
                for sampler, volume in zip(self._samplers, volumes, strict=True)
            ]
        )
        self._intensities = list(_intensity_transforms(config))
        self._class_weights = data.class_weights
        self._seed = config.seed
        self._batchsize = config.batchsize
        self._rank = place.rank
        self._threads = threads_per_process(place.world_size)
        self._progress = progress
        self.samples_per_epoch = len(self._sources)
        self.samples_per_step = self._batchsize * place.world_size
        epochs = config.epochs if place.world_size == 1 else config.distribute_epochs
        left = epochs * self.samples_per_epoch - progress.samples
        steps_left = max(math.ceil(left / self.samples_per_step), 0)
        self.total_steps = config.steps or progress.steps + steps_left
        self._flipped_samples = round(config.flips * self.samples_after(self.total_steps))

    def samples_after(self, step: int) -> int:
        """Count the samples that all devices have trained on after a step, from 1."""
        return self._progress.samples + (step - self._progress.steps) * self.samples_per_step

    def epoch(self, step: int) -> int:
        """Return the epoch, from 1, that the first sample of a step, from 1, belongs to."""
        return self.samples_after(step - 1) // self.samples_per_epoch + 1

    def epochs_finished(self, step: int) -> int:
        """Count the epochs whose samples have all been trained on after a step, from 1."""
        return self.samples_after(step) // self.samples_per_epoch

    def sample_numbers(self, step: int) -> range:
        """Return the numbers of the samples that this process trains on in a step, from 1."""
        first = self.samples_after(step - 1) + self._rank * self._batchsize
        return range(first, first + self._batchsize)

    def batch(self, step: int, pool: Executor | None = None) -> Batch:
        """Make what this process trains on in a step, from 1; by a pool's threads, if given."""
        run_all = map if pool is None else pool.map
        samples = list(run_all(self._make_sample, self.sample_numbers(step)))
        images = np.stack([sample.image for sample in samples])[:, np.newaxis]
        membrane = np.stack([sample.membrane for sample in samples])[:, np.newaxis]
        if self._class_weights is not None:
            return _class_batch(images, membrane, samples, self._class_weights)
        known = [sample.weights for sample in samples if sample.weights is not None]
        if not known:
            return Batch(images, membrane, np.ones_like(membrane))
        weights = np.stack(known)[:, np.newaxis]
        return Batch(images, membrane, _of_mean_one(weights))

    def from_step(self, first: int) -> Iterator[tuple[int, Batch]]:
        """Yield the steps from ``first`` to the last with their batches, some made ready ahead."""
        begin = range(first, min(first + BATCHES_AHEAD, self.total_steps + 1))
        with (
            ThreadPoolExecutor(self._threads, thread_name_prefix="samples") as pool,
            ThreadPoolExecutor(1, thread_name_prefix="batches") as thread,
        ):
            coming = deque(thread.submit(self.batch, step, pool) for step in begin)
            try:
                for step in count(first):
                    if step > self.total_steps:
                        break
                    batch = coming.popleft().result()
                    if step + BATCHES_AHEAD <= self.total_steps:
                        coming.append(thread.submit(self.batch, step + BATCHES_AHEAD, pool))
                    yield step, batch
            finally:
                thread.shutdown(cancel_futures=True)

    def _make_sample(self, number: int) -> Sample:
        epoch, place = divmod(number, self.samples_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(self.samples_per_epoch)
        generator = np.random.default_rng([self._seed, epoch, place + 1])
        has_flips = number < self._flipped_samples
        volume, index = self._sources[order[place]]
        sample = self._samplers[volume](index, generator, has_flips)
        return apply(self._intensities, sample, generator)


def _class_batch(
    images: Image, channels: Image, samples: Sequence[Sample], class_weights: Image
) -> Batch:
    """Make a batch of classes, whose channels (N, 1, h, w) are in the place of membrane."""
    places = np.arange(len(class_weights), dtype=np.float32)
    wanted = (channels == places[:, np.newaxis, np.newaxis]).astype(np.float32)
    weights = np.tensordot(wanted, class_weights, axes=(1, 0))[:, np.newaxis]
    known = [sample.weights for sample in samples if sample.weights is not None]
    if known:
        weights = weights * np.stack(known)[:, np.newaxis]
    return Batch(images, wanted, _of_mean_one(weights))


def _of_mean_one(weights: Image) -> Image:
    mean = weights.mean(dtype=np.float64)
    return weights / np.float32(mean) if mean else weights


def _build_sampler(
    data: TrainingSet, volume: Volume, card: ModelCard, preset: str, side: int
) -> Sampler:
    slices = [
        Sample(
            card.scaling.apply_to_slice(data.images[number])[0],
            (data.channels if data.classes else data.membrane)[number].astype(np.float32),
            None if data.weights is None else data.weights[number],
        )
        for number in data.train_slices_of(volume)
    ]
    return find_preset(preset).make_sampler(slices, card.displacement, side, bool(data.classes))


def _list_sources(volumes: Sequence[tuple[Sampler, int]]) -> list[tuple[int, int]]:
    """List the samples of an epoch: which volume each is of, and which of its training slices.

    There are as many as cover all slices once, and each volume has the same share of them, so that
    a large one does not drown the others.

    Parameters
    ----------
    volumes : sequence of (Sampler, int)
        With the number of training slices.
    """
    total = sum(sampler.samples_per_slice * slices for sampler, slices in volumes)
    share = math.ceil(total / len(volumes))
    return [
        (volume, place % slices)
        for volume, (_, slices) in enumerate(volumes)
        for place in range(share)
    ]


def _intensity_transforms(config: TrainingConfig) -> Iterator[Transform]:
    """Yield the transforms that make images look like other sections and stains."""
    if config.gamma:
        yield RandomGamma(config.gamma)
    if config.contrast:
        yield RandomContrast(config.contrast)
    if config.brightness:
        yield RandomBrightness(config.brightness)
