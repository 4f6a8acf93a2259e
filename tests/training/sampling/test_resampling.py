import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.sampling.resampling import resize_bicubic, resize_bilinear


def test_bilinear_resize_has_centres_of_pixels_at_halves() -> None:
    row = np.array([[0, 1, 2, 3]], np.float32)
    np.testing.assert_allclose(resize_bilinear(row, (1, 2)), [[0.5, 2.5]])
    np.testing.assert_allclose(
        resize_bilinear(row, (2, 8))[1], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    )


def test_bilinear_resize_does_not_smooth_before_shrinking() -> None:
    row = np.zeros((1, 9), np.float32)
    row[0, 4] = 1
    np.testing.assert_allclose(resize_bilinear(row, (1, 3)), [[0, 1, 0]])


@pytest.mark.parametrize(("shape", "wanted"), [((512, 512), (388, 388)), ((401, 455), (572, 572))])
def test_bilinear_resize_is_scipy_s(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    factors = [length / side for length, side in zip(wanted, shape, strict=True)]
    expected = ndimage.zoom(image, factors, order=1, mode="nearest", grid_mode=True)
    found = resize_bilinear(image, wanted)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=5e-7)


@pytest.mark.parametrize("shape", [(31, 90), (7, 20), (52, 3), (1, 40)])
def test_cubics_are_those_of_pillow(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=(52, 40)).astype(np.float32)
    found = resize_bicubic(image, shape, (-0.5, 2.0))
    height, width = shape
    expected = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    assert (found.dtype, found.shape) == (np.float32, shape)
    np.testing.assert_allclose(found, np.clip(expected, -0.5, 2.0), atol=2e-6)
