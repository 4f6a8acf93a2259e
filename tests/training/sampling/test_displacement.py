"""Labels that lie beside their images."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from training.sampling.displacement import (
    measure_displacement,
    shift_plane,
    turn_displacement,
)
from training.stacks.synthetic import synthetic_stack

IMAGES, LABELS = synthetic_stack(slices=6, size=128)
MEMBRANE = LABELS == 0


def test_labels_in_their_place_have_none() -> None:
    assert measure_displacement(IMAGES, MEMBRANE) == pytest.approx((0, 0), abs=0.05)


@settings(max_examples=10, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_displacement_is_measured_to_a_fraction_of_a_pixel(y: float, x: float) -> None:
    images = [ndimage.shift(image, (-y, -x), order=3, mode="grid-wrap") for image in IMAGES]
    assert measure_displacement(images, MEMBRANE) == pytest.approx((y, x), abs=0.15)


def test_bright_membranes_give_the_same() -> None:
    labels = np.roll(MEMBRANE, (2, -1), (1, 2))
    dark, bright = (measure_displacement(images, labels) for images in (IMAGES, 255 - IMAGES))
    assert bright == pytest.approx(dark)
    assert dark == pytest.approx((2, -1), abs=0.1)


def test_labels_that_have_nothing_to_do_with_the_image_have_none() -> None:
    random = np.random.default_rng(0)
    empty = np.zeros((1, 64, 64), bool)
    assert measure_displacement(random.integers(0, 255, (1, 64, 64)), empty) == (0, 0)
    assert measure_displacement(IMAGES, np.roll(MEMBRANE, 30, 1)) == (0, 0)


@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_image_takes_its_displacement_with_it(is_flipped: bool, quarters: int) -> None:
    labels = np.roll(MEMBRANE, (-2, 1), (1, 2))

    def turn(stack: np.ndarray) -> np.ndarray:
        return np.rot90(np.flip(stack, 2) if is_flipped else stack, quarters, (1, 2))

    found = measure_displacement(turn(IMAGES), turn(labels))
    assert found == pytest.approx(turn_displacement((-2, 1), is_flipped, quarters), abs=0.1)


def test_a_plane_is_shifted_bilinearly() -> None:
    plane = np.random.default_rng(0).random((20, 24)).astype(np.float32)
    wanted = ndimage.shift(plane, (0.3, -1.75), order=1)
    np.testing.assert_allclose(shift_plane(plane, (0.3, -1.75), 3), wanted[3:-3, 3:-3], atol=1e-6)
    np.testing.assert_array_equal(shift_plane(plane, (0, 0), 0), plane)


@pytest.mark.isbi
def test_the_challenge_s_labels_lie_too_high(isbi: Path) -> None:
    images, labels = (tifffile.imread(isbi / f"train-{name}.tif") for name in ("volume", "labels"))
    assert measure_displacement(images, labels == 0) == pytest.approx((-0.6, -0.1), abs=0.1)
