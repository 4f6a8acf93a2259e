"""Which samples a step trains on, and what they look like."""

import dataclasses
import hashlib
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import small_stack
from training.config import preset_config
from training.dataset.training_set import TrainingSet, Volume
from training.devices.placement import Place
from training.learning.batches import (
    BATCHES_AHEAD,
    Batches,
    TrainingProgress,
    threads_per_process,
)
from training.model.card_of_training import describe_model
from training.model.model_card import ModelCard
from training.sampling.displacement import measure_displacement
from training.stacks.scaling import Scaling
from training.stacks.synthetic import synthetic_stack

IMAGES, LABELS = small_stack()
CARD = ModelCard("compact", Scaling("uint8", 0, 255))


def training_set(
    images: np.ndarray, membrane: np.ndarray, weights: np.ndarray | None = None
) -> TrainingSet:
    volume = Volume("a.tif", images.shape, images.shape[1:], CARD.scaling, "")
    numbers = list(range(len(images)))
    return TrainingSet((volume,), images, membrane, numbers, [], weights=weights)


DATA = training_set(IMAGES, LABELS == 0)


def make(rank: int = 0, world_size: int = 1, **options: object) -> Batches:
    config = preset_config("compact", epochs=3, distribute_epochs=3, **options)
    return Batches(DATA, CARD, config, Place(rank, world_size))


def test_a_batch_is_scaled_and_of_the_networks_shape() -> None:
    images, membrane, weights = make(batchsize=3).batch(1)
    assert images.shape == membrane.shape == (3, 1, 64, 64)
    assert images.dtype == membrane.dtype == np.float32
    assert images.min() >= -1
    assert images.max() <= 1
    assert set(np.unique(membrane)) == {0, 1}
    np.testing.assert_array_equal(weights, np.ones((3, 1, 64, 64), np.float32), strict=True)


@pytest.mark.parametrize("flips", [0.0, 0.5, 1.0])
def test_labels_are_augmented_as_their_images(flips: float) -> None:
    noise = np.random.default_rng(0).integers(0, 20, LABELS.shape, dtype=np.uint8)
    images = np.where(LABELS == 0, noise, 255 - noise)
    config = preset_config("compact", flips=flips, steps=6)
    batches = Batches(training_set(images, LABELS == 0), CARD, config)
    for step in range(1, 6):
        images, membrane, _ = batches.batch(step)
        np.testing.assert_array_equal(np.sign(images), np.where(membrane == 1, -1, 1))


def test_labels_lie_beside_turned_images_as_beside_others() -> None:
    images, labels = synthetic_stack(slices=4, size=128)
    membrane = np.roll(labels == 0, (-2, 1), (1, 2))
    card = dataclasses.replace(CARD, displacement=(-2.0, 1.0))
    config = preset_config("compact", flips=1.0, batchsize=16)
    batch = Batches(training_set(images, membrane), card, config).batch(1)
    measured = measure_displacement(batch.images[:, 0], batch.wanted[:, 0] > 0.5)
    assert measured == pytest.approx((-2, 1), abs=0.1)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    first, again, other = make(seed=3), make(seed=3), make(seed=4)
    first.batch(1)
    np.testing.assert_array_equal(first.batch(5)[0], again.batch(5)[0])
    assert (first.batch(5)[0] != other.batch(5)[0]).any()


def test_a_seed_gives_the_same_samples_in_every_version() -> None:
    images = (np.arange(3 * 90 * 70) * 37 % 251).astype(np.uint8).reshape(3, 90, 70)
    card = dataclasses.replace(CARD, displacement=(-0.5, 0.25))
    config = preset_config("compact", seed=5, batchsize=6)
    batch = Batches(training_set(images, images < 60), card, config).batch(2)
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in batch)
    assert hashlib.sha256(content).hexdigest()[:16] == "617842f0a18fe196"


def test_flips_end_after_their_share_of_the_steps() -> None:
    slices = {image.tobytes() for image in CARD.scaling.apply(IMAGES)}
    batches = make(batchsize=5, flips=0.5, steps=4)
    unflipped = [
        sum(image.tobytes() in slices for image in batches.batch(step)[0][:, 0])
        for step in range(1, 5)
    ]
    assert max(unflipped[:2]) < 5
    assert unflipped[2:] == [5, 5]


def test_steps_come_with_their_own_batches() -> None:
    batches = make(batchsize=2)
    for step, batch in batches.from_step(4):
        for array, expected in zip(batch, batches.batch(step), strict=True):
            np.testing.assert_array_equal(array, expected)
    assert step == batches.total_steps == 9


def test_a_run_goes_on_with_the_next_samples_on_another_number_of_devices() -> None:
    config = preset_config("compact", epochs=4, distribute_epochs=4, batchsize=2)
    before = [Batches(DATA, CARD, config, Place(rank, 4)) for rank in range(4)]
    seen = [number for step in (1, 2) for part in before for number in part.sample_numbers(step)]
    progress = TrainingProgress(2, before[0].samples_after(2))
    after = [Batches(DATA, CARD, config, Place(rank, 2), progress) for rank in range(2)]
    for step in range(3, after[0].total_steps + 1):
        seen += [number for part in after for number in part.sample_numbers(step)]
    assert seen == list(range(len(seen)))
    epochs = len(seen) / after[0].samples_per_epoch
    assert 4 <= epochs < 4 + 4 / after[0].samples_per_epoch
    assert after[0].epoch(after[0].total_steps) >= 4


@settings(max_examples=50, deadline=None)
@given(world_size=st.integers(1, 8), batchsize=st.integers(1, 5), step=st.integers(1, 20))
def test_processes_share_the_samples_without_overlap(
    world_size: int, batchsize: int, step: int
) -> None:
    shares = [
        make(rank, world_size, batchsize=batchsize).sample_numbers(step)
        for rank in range(world_size)
    ]
    numbers = [number for share in shares for number in share]
    first = (step - 1) * world_size * batchsize
    assert numbers == list(range(first, first + world_size * batchsize))


@pytest.mark.parametrize("world_size", [1, 2])
def test_no_sample_of_the_last_epoch_is_left_out(world_size: int) -> None:
    batches = make(world_size=world_size, batchsize=4)
    assert batches.total_steps * batches.samples_per_step >= 3 * batches.samples_per_epoch
    assert (batches.total_steps - 1) * batches.samples_per_step < 3 * batches.samples_per_epoch


def test_medical_samples_are_as_in_the_zoo() -> None:
    config = preset_config("medical", batchsize=2)
    batches = Batches(DATA, CARD, config)
    images, membrane, weights = batches.batch(1)
    assert images.shape == (2, 1, 572, 572)
    assert membrane.shape == weights.shape == (2, 1, 388, 388)
    assert set(np.unique(membrane)) == {0, 1}
    assert (weights == 1).all()


def test_the_zoo_s_400_epochs_of_24_sections_are_600_steps() -> None:
    images = np.repeat(IMAGES, 4, axis=0)
    batches = Batches(training_set(images, images < 0), CARD, preset_config("medical"))
    assert batches.total_steps == 600


@pytest.mark.parametrize("preset", ["compact", "medical"])
@pytest.mark.parametrize("flips", [0.0, 1.0])
def test_unknown_pixels_have_no_weight_and_the_mean_is_one(preset: str, flips: float) -> None:
    known = np.zeros(LABELS.shape, np.float32)
    known[:, 20:30, 30:50] = 1
    config = preset_config(preset, flips=flips, steps=3, batchsize=3)
    # The images show where labels are known, so that they must coincide after augmentation.
    data = training_set((255 * known).astype(np.uint8), known > 0, known)
    batches = Batches(data, CARD, config)
    for step in (1, 2, 3):
        images, membrane, weights = batches.batch(step)
        assert weights.mean() == pytest.approx(1, rel=1e-5)
        assert 0 < np.count_nonzero(weights) < weights.size / 2
        if preset == "compact":
            np.testing.assert_array_equal(membrane == 1, weights > 0)
            np.testing.assert_array_equal(images == 1, weights > 0)


def test_every_crop_holds_a_label() -> None:
    images = np.zeros((5, 1024, 1024), np.uint8)
    weights = np.zeros(images.shape, np.float32)
    weights[:, 1000, 3] = weights[:, 500:502, 600] = 1
    config = preset_config("compact", steps=20)
    batches = Batches(training_set(images, weights > 0, weights), CARD, config)
    for step in range(1, 21):
        assert (batches.batch(step).weights.max(axis=(1, 2, 3)) > 0).all()


def test_intensities_vary_and_labels_stay() -> None:
    plain, varied = make(batchsize=4), make(batchsize=4, gamma=0.3, contrast=0.3, brightness=0.2)
    for before, after in zip(plain.batch(1)[1:], varied.batch(1)[1:], strict=True):
        np.testing.assert_array_equal(before, after)
    before, after = plain.batch(1).images, varied.batch(1).images
    assert after.dtype == np.float32
    for image, other in zip(before, after, strict=True):
        assert np.corrcoef(image.ravel(), other.ravel())[0, 1] > 0.9
    shifts = (after - before).mean(axis=(1, 2, 3))
    assert np.ptp(shifts) > 0.05


@pytest.mark.parametrize(("cores", "world_size", "expected"), [(2, 1, 2), (192, 8, 8), (2, 8, 1)])
def test_cores_are_shared_by_the_processes(
    monkeypatch: pytest.MonkeyPatch, cores: int, world_size: int, expected: int
) -> None:
    monkeypatch.setattr("training.learning.batches.usable_cores", lambda: cores)
    assert threads_per_process(world_size) == expected


@pytest.mark.parametrize("cores", [1, 8])
def test_samples_are_the_same_whatever_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr("training.learning.batches.usable_cores", lambda: cores)
    batches = make(batchsize=5, gamma=0.3)
    assert threads_per_process(1) == cores
    for step, batch in batches.from_step(1):
        for array, expected in zip(batch, batches.batch(step), strict=True):
            np.testing.assert_array_equal(array, expected)


def test_samples_are_made_by_several_threads_and_few_batches_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.learning.batches.usable_cores", lambda: 4)
    batches = make(batchsize=4, steps=40)
    makes, made, meeting = batches._make_sample, [], threading.Barrier(4)

    def make_together(number: int) -> object:
        meeting.wait(timeout=60)  # as long as four threads are not at it, none goes on
        made.append(number)
        return makes(number)

    monkeypatch.setattr(batches, "_make_sample", make_together)
    stream = batches.from_step(1)
    for step in range(1, 6):
        assert next(stream)[0] == step
        assert len(made) <= 4 * (step + BATCHES_AHEAD)
    stream.close()


def test_volumes_have_equal_shares_of_crops_of_one_size() -> None:
    """A small dark volume of 16 bits, and a large bright one: each scaled for itself."""
    random = np.random.default_rng(0)
    large = random.integers(200, 256, (6, 256, 128), dtype=np.uint8)
    small = random.integers(0, 500, (3, 40, 60), dtype=np.uint16)
    scalings = Scaling("uint8", 0, 255), Scaling("uint16", 0, 4095)
    volumes = (
        Volume("a.tif", large.shape, large.shape[1:], scalings[0], "a"),
        Volume("b.tif", small.shape, small.shape[1:], scalings[1], "b", first=6),
    )
    images = dict(enumerate([*large, *small]))
    membrane = {number: image % 2 == 0 for number, image in images.items()}
    data = TrainingSet(volumes, images, membrane, [*range(9)], [])
    config = preset_config("compact", batchsize=5, epochs=1)
    batches = Batches(data, describe_model(config, data), config)
    made = [batches.batch(step).images[:, 0] for step in range(1, batches.total_steps + 1)]
    crops = np.concatenate(made)[: batches.samples_per_epoch]
    assert crops.shape[1:] == (128, 128)
    assert len(crops) == 16, (
        "two of each of six large slices, one of each of three small ones, even"
    )
    is_dark = crops.mean((1, 2)) < 0
    assert is_dark.sum() == 8
    assert crops[is_dark].max() < -0.7 < 0.5 < crops[~is_dark].min()
