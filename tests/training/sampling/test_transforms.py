"""What each transform does to an image and to its labels."""

from collections.abc import Iterator

import numpy as np
import pytest

from training.sampling.sample import Sample, Transform
from training.sampling.transforms import (
    BinarizeInside,
    CropLabels,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomGamma,
    RandomTurn,
    RandomWindow,
    Resize,
    apply,
)

PLANE = np.random.default_rng(0).uniform(-1, 1, (32, 32)).astype(np.float32)
SAMPLE = Sample(PLANE, PLANE.copy(), PLANE.copy())


def draw(transform: Transform, sample: Sample = SAMPLE, count: int = 40) -> Iterator[Sample]:
    generator = np.random.default_rng(1)
    return (transform(sample, generator) for _ in range(count))


@pytest.mark.parametrize(
    "transform",
    [RandomFlip(), RandomWindow(), Resize(20), RandomCrop((32, 32), 16), RandomTurn()],
)
def test_image_and_labels_stay_together(transform: Transform) -> None:
    for image, membrane, weights in draw(transform):
        np.testing.assert_array_equal(membrane, image)
        np.testing.assert_array_equal(weights, image)
    assert next(draw(transform, SAMPLE._replace(weights=None))).weights is None
    np.testing.assert_array_equal(SAMPLE.image, SAMPLE.membrane)


@pytest.mark.parametrize(("transform", "count"), [(RandomFlip(), 4), (RandomTurn(), 8)])
def test_every_orientation_comes_up(transform: Transform, count: int) -> None:
    assert len({sample.image.tobytes() for sample in draw(transform, count=100)}) == count


def test_a_window_is_cut_by_three_tenths_a_side_at_most() -> None:
    shapes = np.array([sample.image.shape for sample in draw(RandomWindow())])
    assert shapes.min() >= 0.4 * 32 - 1
    assert shapes.max() <= 32
    assert np.unique(shapes).size > 5


def test_a_crop_holds_a_labelled_pixel() -> None:
    labels = np.zeros((32, 32), np.float32)
    labels[3, 30] = 1
    sample = Sample(PLANE, labels, labels)
    for crop in draw(RandomCrop((32, 32), 16, labelled=np.argwhere(labels)), sample):
        assert crop.membrane.sum() == 1


def test_a_crop_s_labels_keep_their_border_until_it_is_taken_off() -> None:
    sample = Sample(PLANE, np.pad(PLANE, 3), None)
    for crop in draw(RandomCrop((32, 32), 16, border=3), sample):
        assert crop.membrane.shape == (22, 22)
        np.testing.assert_array_equal(next(draw(CropLabels(3), crop)).membrane, crop.image)


def test_what_is_at_most_half_inside_is_membrane() -> None:
    inside = np.float32([[0, 0.5, 0.6, 1]])
    made = next(draw(BinarizeInside(), Sample(inside, inside, None)))
    np.testing.assert_array_equal(made.membrane, np.float32([[1, 1, 0, 0]]), strict=True)
    np.testing.assert_array_equal(made.image, inside)


@pytest.mark.parametrize(
    "transform", [RandomGamma(0.3), RandomContrast(0.3), RandomBrightness(0.2)]
)
def test_intensities_vary_and_labels_stay(transform: Transform) -> None:
    images = []
    for image, membrane, weights in draw(transform):
        assert membrane is SAMPLE.membrane
        assert weights is SAMPLE.weights
        assert image.dtype == np.float32
        assert np.corrcoef(image.ravel(), PLANE.ravel())[0, 1] > 0.9
        images.append(image.tobytes())
    assert len(set(images)) == len(images)


def test_brightness_may_be_kept_within_limits() -> None:
    for clipped, free in zip(
        draw(RandomBrightness(0.2, is_clipped=True)), draw(RandomBrightness(0.2)), strict=True
    ):
        np.testing.assert_array_equal(clipped.image, np.clip(free.image, -1, 1))


def test_transforms_are_applied_in_their_order() -> None:
    generator = np.random.default_rng(0)
    sample = apply([Resize(20), CropLabels(2), Resize(10)], SAMPLE, generator)
    assert sample.image.shape == sample.membrane.shape == (10, 10)
    assert apply([], SAMPLE, generator) is SAMPLE
