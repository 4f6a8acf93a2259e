from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from training.dataset.pair_search import find_pair
from training.dataset.training_pair import open_pair
from training.label_classes import LabelClasses
from training.opening import read_stack
from training.stacks.synthetic import (
    synthetic_classes,
    synthetic_neurons,
    synthetic_stack,
    write_synthetic,
)

Stack = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def stack() -> Stack:
    return synthetic_stack(slices=6, size=128, seed=0)


def test_shape_and_convention(stack: Stack) -> None:
    images, labels = stack
    assert images.shape == labels.shape == (6, 128, 128)
    assert images.dtype == labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 255}
    assert 0.1 < (labels == 0).mean() < 0.4


def test_membranes_are_dark_and_not_the_only_dark(stack: Stack) -> None:
    images, labels = stack
    membrane = labels == 0
    assert images[membrane].mean() < images[~membrane].mean() - 30
    dark = ndimage.gaussian_filter(images.astype(float), (0, 1, 1)) < np.median(images[membrane])
    assert (dark & ~ndimage.binary_dilation(membrane, np.ones((1, 5, 5)))).any()


def test_cells_go_on_from_section_to_section(stack: Stack) -> None:
    _, labels = stack
    near = (labels[0] == labels[1]).mean()
    far = (labels[0] == labels[-1]).mean()
    assert far < near


def test_neurons_are_what_lies_between_membranes_with_one_number_in_all_sections(
    stack: Stack,
) -> None:
    images, neurons = synthetic_neurons(slices=6, size=128, seed=0)
    np.testing.assert_array_equal(images, stack[0])
    np.testing.assert_array_equal(neurons == 0, stack[1] == 0)
    for here, after in pairwise(neurons):
        both = (here > 0) & (after > 0)
        assert (here == after)[both].mean() > 0.9
        for number in np.unique(here[both]):
            assert ndimage.label(here == number)[1] <= 2  # a cell may be bent


def test_the_seed_decides(stack: Stack) -> None:
    images, labels = synthetic_stack(slices=6, size=128, seed=0)
    assert np.array_equal(images, stack[0]) and np.array_equal(labels, stack[1])
    assert not np.array_equal(labels, synthetic_stack(slices=6, size=128, seed=1)[1])


def test_files_are_a_training_pair(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "new" / "data", slices=6, size=64)
    folder = tmp_path / "new" / "data"
    images, written = (read_stack(path) for path in find_pair(folder))
    expected, labels = synthetic_stack(slices=6, size=64)
    assert np.array_equal(images, expected)
    assert np.array_equal(written, labels)
    test_volume = read_stack(folder / "test-volume.tif")
    assert test_volume.shape == images.shape and not np.array_equal(test_volume, images)


def test_files_of_classes_name_them(tmp_path: Path) -> None:
    write_synthetic(tmp_path, slices=4, size=128, has_classes=True)
    with open_pair(*find_pair(tmp_path), None) as pair:
        assert pair.meaning.classes == LabelClasses.parse("membrane,mitochondria")
        read = np.stack([pair.read_classes(index) for index in range(4)])
    images, labels = synthetic_classes(slices=4, size=128)
    np.testing.assert_array_equal(read, labels + 1)
    np.testing.assert_array_equal(read_stack(tmp_path / "train-volume.tif"), images)


def test_default_size() -> None:
    images, labels = synthetic_stack()
    assert images.shape == (30, 256, 256)
    assert 0.17 < (labels == 0).mean() < 0.28


def test_mitochondria_are_a_class_of_the_same_images(stack: Stack) -> None:
    images, labels = stack
    done: list[tuple[int, int]] = []
    same, classes = synthetic_classes(6, 128, on_slice=lambda *counts: done.append(counts))
    assert done == [(section, 6) for section in range(1, 7)]
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(classes == 1, labels == 0)
    is_mitochondrion = classes == 2
    assert 0.005 < is_mitochondrion.mean() < 0.2
    assert images[is_mitochondrion].mean() < images[classes == 0].mean() - 20
