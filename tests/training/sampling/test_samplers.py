"""Which samples are made of a slice."""

import numpy as np
import pytest

from training.sampling.resampling import resize_bilinear
from training.sampling.sample import Sample
from training.sampling.samplers import FEWEST_SAMPLES, CropSampler, WholeSliceSampler

RANDOM = np.random.default_rng(0)


def make_slice(shape: tuple[int, int], weights: np.ndarray | None = None) -> Sample:
    image = RANDOM.uniform(-1, 1, shape).astype(np.float32)
    return Sample(image, (image < -0.5).astype(np.float32), weights)


def test_a_whole_slice_is_sampled_as_in_the_zoo() -> None:
    """Against create_dataset and train_data_augmentation, written down as they are there."""
    whole = make_slice((60, 50))
    image, mask = (
        np.pad(resize_bilinear(plane, (36, 36)), 8) for plane in (whole.image, 1 - whole.membrane)
    )
    draws = np.random.default_rng(7)
    if draws.random() > 0.5:
        image, mask = np.flipud(image), np.flipud(mask)
    if draws.random() > 0.5:
        image, mask = np.fliplr(image), np.fliplr(mask)
    left, top = (int(draws.random() * 0.3 * 52) for _ in range(2))
    right, bottom = (int((1 - draws.random() * 0.3) * 52) for _ in range(2))
    image = np.float32(image[top:bottom, left:right] + draws.uniform(-0.2, 0.2))
    image = resize_bilinear(np.clip(image, -1.0, 1.0), (52, 52))
    inside = resize_bilinear(mask[top:bottom, left:right], (52, 52))[8:-8, 8:-8] > 0.5

    sampler = WholeSliceSampler([whole], 52, 36, has_classes=False)
    sample = sampler(0, np.random.default_rng(7), has_flips=True)
    np.testing.assert_allclose(sample.image, image, atol=1e-6)
    np.testing.assert_array_equal(sample.membrane, 1 - inside)
    assert sample.weights is None
    assert sampler.samples_per_slice == 1


@pytest.mark.parametrize("is_sparse", [False, True])
def test_classes_of_a_whole_slice_are_never_mixed_and_unknown_around_it(is_sparse: bool) -> None:
    labels = np.kron(np.array([[0, 2, 0], [3, 0, 2]]), np.ones((30, 20))).astype(np.float32)
    weights = (labels > 0).astype(np.float32) if is_sparse else None
    whole = Sample(labels / 3, labels, weights)  # the image shows the classes
    sampler = WholeSliceSampler([whole], 52, 36, has_classes=True)
    generator, has_padding = np.random.default_rng(0), False
    for _ in range(20):
        image, found, known = sampler(0, generator, has_flips=True)
        assert found.shape == known.shape == (36, 36)
        assert {*np.unique(found)} <= {0, 2, 3} and {*np.unique(known)} <= {0, 1}
        seen = image[8:-8, 8:-8]  # brighter or darker by up to 0.2; blurred between classes
        is_alike = np.abs(seen - found / 3) <= 0.21
        assert is_alike[known > 0].mean() > 0.8
        has_padding |= bool((known == 0).any())
    assert has_padding


@pytest.mark.parametrize(
    ("shape", "length", "count"),
    [((256, 384), 128, 6), ((128, 128), 128, 1), ((50, 90), 64, 1), ((64, 640), 64, 10)],
)
def test_crops_cover_a_slice_about_once_an_epoch(
    shape: tuple[int, int], length: int, count: int
) -> None:
    sampler = CropSampler([make_slice(shape)], length, (0.0, 0.0))
    assert sampler.samples_per_slice == count
    sample = sampler(0, np.random.default_rng(0), has_flips=True)
    assert sample.image.shape == sample.membrane.shape == (length, length)


def test_few_labels_make_an_epoch_of_many_crops_around_them() -> None:
    weights = np.zeros((200, 200), np.float32)
    weights[5, 190] = 1
    sampler = CropSampler([make_slice((200, 200), weights)] * 3, 128, (0.0, 0.0))
    assert 0 <= 3 * sampler.samples_per_slice - FEWEST_SAMPLES < 3
    generator = np.random.default_rng(0)
    for _ in range(20):
        made = sampler(1, generator, has_flips=True).weights
        assert made is not None
        assert made.sum() == 1
