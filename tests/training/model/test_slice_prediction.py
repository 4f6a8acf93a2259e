from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from training.model.cuts import Cut, cut_from
from training.model.model_card import ModelCard
from training.model.slice_prediction import mean_over_symmetries, predict_slice
from training.presets.registry import find_preset
from training.stacks.scaling import Scaling


def smooth_image(shape: tuple[int, int] = (40, 56)) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=shape)
    return ndimage.gaussian_filter(noise, 3).astype(np.float32)


def mean_of(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    displacement: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """The mean over the turns of a whole image."""
    everything = slice(None)

    def predict_cut(cut: Cut, _: tuple[int, int]) -> Cut:
        return cut_from(predict(cut(everything, everything)))

    found = mean_over_symmetries(predict_cut, cut_from(image), image.shape, displacement)
    return found(everything, everything)


def test_a_prediction_without_direction_stays_as_it_is() -> None:
    image = smooth_image()
    found = mean_of(lambda seen: 2 * seen, image)
    assert (found.dtype, found.shape) == (np.float32, image.shape)
    np.testing.assert_allclose(found, 2 * image, rtol=1e-6)


def test_every_flip_and_turn_is_seen_once() -> None:
    seen = []

    def predict(turned: np.ndarray) -> np.ndarray:
        seen.append(turned.tolist())
        return turned.astype(np.float32)

    image = np.arange(6).reshape(2, 3)
    mean_of(predict, image)
    turns = [np.rot90(plane, k).tolist() for plane in (image, image.T) for k in range(4)]
    assert sorted(seen) == sorted(turns)


def test_a_mean_by_hand() -> None:
    """What is predicted is the row number of a 2 x 2 image: 0, 0, 1, 1, from every side."""
    rows = mean_of(lambda seen: np.float32([[0, 0], [1, 1]]), np.zeros((2, 2)))
    np.testing.assert_array_equal(rows, np.full((2, 2), 0.5))


@pytest.mark.parametrize("displacement", [(-2, 0), (0, 3), (-2, 3)])
def test_displaced_predictions_are_brought_together(displacement: tuple[int, int]) -> None:
    image = smooth_image()

    def displaced(seen: np.ndarray) -> np.ndarray:
        return np.roll(seen, displacement, axis=(0, 1))

    found = mean_of(displaced, image, displacement)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(found[inner], displaced(image)[inner], atol=1e-6)
    plain = mean_of(displaced, image)
    assert np.abs(plain - displaced(image))[inner].max() > 0.02


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("preset", ["compact", "medical"])
def test_padding_gets_no_membrane_and_looks_like_what_is_beyond(preset: str, tta: bool) -> None:
    """Whatever the network says of it; medical resizes slices, and crops what it sees."""
    image = np.random.default_rng(0).integers(1, 256, (64, 96), dtype=np.uint8)
    image[:16] = 0
    margin = find_preset(preset).geometry.margin
    seen = []

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return np.ones_like(tile[:, :, margin : -margin or None, margin : -margin or None])

    card = ModelCard(preset, Scaling("uint8", 0, 255), (1.5, 1.5), displacement=(0.6, -0.4))
    probability = predict_slice(forward, image, card, tta)
    np.testing.assert_allclose(probability[16:], 1, atol=1e-6)
    assert not probability[:16].any()
    assert all((tile == 0).mean() > 0.1 and tile.min() > -1.01 for tile in seen)
