import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from training.model.cuts import cut_from
from training.model.model_card import ModelCard
from training.model.slice_prediction import predict_slice
from training.model.tiling import predict_tiles
from training.presets.registry import find_preset
from training.stacks.scaling import Scaling

UINT8 = Scaling("uint8", 0, 255)


def padded_network(tile: np.ndarray) -> np.ndarray:
    """As compact: zero-padded convolutions that reach 80 pixels far, and pooling by 16."""
    image = tile[0, 0]
    height, width = image.shape
    blurred = ndimage.uniform_filter(image, 161, mode="constant")
    pooled = image.reshape(height // 16, 16, width // 16, 16).mean((1, 3))
    return (blurred + np.kron(pooled, np.ones((16, 16), np.float32)) + image)[None, None]


def unpadded_network(tile: np.ndarray) -> np.ndarray:
    """As medical: output is 92 smaller on each side, and depends on all that lies there."""
    image = tile[0, 0].astype(np.float64)
    return ndimage.uniform_filter(image, 185)[92:-92, 92:-92][None, None].astype(np.float32)


NETWORKS = {"compact": padded_network, "medical": unpadded_network}


def noise(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("preset", ["compact", "medical"])
@settings(max_examples=15, deadline=None)
@given(shape=st.tuples(st.integers(1, 700), st.integers(1, 700)))
def test_tiles_give_what_the_whole_image_gives(preset: str, shape: tuple[int, int]) -> None:
    geometry = find_preset(preset).geometry
    small = dataclasses.replace(geometry, largest=320 + geometry.remainder)
    whole = dataclasses.replace(geometry, largest=10_000)
    image = noise(shape)
    tiled = predict_tiles(NETWORKS[preset], cut_from(image), shape, small)
    assert tiled.shape == shape
    expected = predict_tiles(NETWORKS[preset], cut_from(image), shape, whole)
    np.testing.assert_allclose(tiled, expected, atol=1e-4)


def test_isbi_is_one_tile_of_medical_as_in_the_paper() -> None:
    shapes = []

    def forward(tile: np.ndarray) -> np.ndarray:
        shapes.append(tile.shape)
        return unpadded_network(tile)

    card = ModelCard("medical", UINT8, find_preset("medical").zoom((512, 512)))
    probability = predict_slice(forward, np.zeros((512, 512), np.uint8), card)
    assert shapes == [(1, 1, 572, 572)]
    assert probability.shape == (512, 512)


def test_a_slice_within_the_limit_is_one_tile_of_compact() -> None:
    shapes = []

    def forward(tile: np.ndarray) -> np.ndarray:
        shapes.append(tile.shape)
        return tile

    predict_slice(forward, np.zeros((1024, 500), np.uint8), ModelCard("compact", UINT8))
    assert shapes == [(1, 1, 1024, 512)]


def test_compact_sees_no_frame_around_a_slice() -> None:
    seen = []

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile[0, 0])
        return tile

    image = noise((64, 90))
    np.testing.assert_array_equal(
        predict_tiles(forward, cut_from(image), image.shape, find_preset("compact").geometry), image
    )
    np.testing.assert_array_equal(seen[0][:, :90], image)
    np.testing.assert_array_equal(seen[0][:, 90:], image[:, -2:-8:-1])


def test_margins_of_medical_are_mirrored() -> None:
    seen = []

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile[0, 0])
        return tile[:, :, 92:-92, 92:-92]

    image = noise((388, 388))
    predict_tiles(forward, cut_from(image), image.shape, find_preset("medical").geometry)
    np.testing.assert_array_equal(seen[0][92:-92, 92:-92], image)
    np.testing.assert_array_equal(seen[0][91, 92:-92], image[1])
    np.testing.assert_array_equal(seen[0][:92, 92:-92], image[92:0:-1])
    np.testing.assert_array_equal(seen[0][92:-92, -92:], image[:, -2:-94:-1])


@pytest.mark.parametrize("preset", ["compact", "medical"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (37, 3)])
def test_tiny_images(preset: str, shape: tuple[int, int]) -> None:
    card = ModelCard(preset, UINT8, find_preset(preset).zoom((512, 512)))
    probability = predict_slice(NETWORKS[preset], np.full(shape, 255, np.uint8), card)
    assert probability.shape == shape
    assert probability.dtype == np.float32


def test_zoom_of_medical_follows_the_training_stack() -> None:
    card = ModelCard("medical", UINT8, find_preset("medical").zoom((512, 512)))
    gradient = np.tile(np.linspace(0, 255, 1024).astype(np.uint8), (1024, 1))

    def crop(tile: np.ndarray) -> np.ndarray:
        return tile[:, :, 92:-92, 92:-92]

    probability = predict_slice(crop, gradient, card)
    inner = slice(8, -8)  # the outermost columns are of one value, as padding is
    np.testing.assert_allclose(probability[:, inner], gradient[:, inner] / 127.5 - 1, atol=0.02)
