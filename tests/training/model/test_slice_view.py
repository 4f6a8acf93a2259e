"""A part of a slice comes out as in the whole, and another pixel size as if it were the model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tests.training.model.test_tiling import NETWORKS
from training.errors import UserError
from training.formats.pixel_size import PixelSize, resampling_zoom
from training.model.model_card import ModelCard
from training.model.slice_prediction import predict_slice
from training.model.slice_view import SliceView, turn_window
from training.stacks.scaling import Scaling

UINT8 = Scaling("uint8", 0, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (620, 1400), dtype=np.uint8)
NOISE[:40] = 0  # padding


@pytest.mark.parametrize(
    ("preset", "tta", "zoom"),
    [
        ("compact", False, (1.0, 1.0)),
        ("compact", True, (1.3, 0.9)),
        ("medical", True, (1.0, 1.0)),
        ("medical", False, (0.4, 1.7)),
    ],
)
def test_a_window_gets_what_the_whole_slice_gets(
    preset: str, tta: bool, zoom: tuple[float, float]
) -> None:
    card = ModelCard(preset, UINT8, (1.1, 1.1), displacement=(-1.6, 0.4))
    whole = predict_slice(NETWORKS[preset], NOISE, card, tta, SliceView(zoom))
    zoomed = round(round(NOISE.shape[1] * zoom[1]) * 1.1)
    spans = card.geometry.tiles(card.geometry.output_length(zoomed))
    seam = round(spans[1].keep_from / zoomed * NOISE.shape[1])
    for rows, columns in (
        (range(0, 90), range(1320, 1400)),
        (range(619, 620), range(0, 1)),
        (range(30, 41), range(0, 1400)),
        (range(250, 300), range(seam - 1, seam)),
        (range(250, 300), range(seam, seam + 1)),
    ):
        found = predict_slice(NETWORKS[preset], NOISE, card, tta, SliceView(zoom, (rows, columns)))
        np.testing.assert_array_equal(found, whole[np.ix_(rows, columns)])
    assert whole.any() and not whole[:40].any()


@pytest.mark.parametrize("tta", [False, True])
def test_tiles_beside_a_window_are_left_out(tta: bool) -> None:
    def count(view: SliceView) -> int:
        tiles = []

        def forward(tile: np.ndarray) -> np.ndarray:
            tiles.append(tile.shape)
            return tile[:, :, 92:-92, 92:-92]

        predict_slice(forward, NOISE, ModelCard("medical", UINT8), tta, view)
        return len(tiles)

    corner = SliceView(window=(range(0, 20), range(0, 20)))
    assert count(SliceView()) == 6 * count(corner)


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    quarters=st.integers(-4, 4),
    is_flipped=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_window_turns_with_its_image(
    shape: tuple[int, int], quarters: int, is_flipped: bool, data: st.DataObject
) -> None:
    window = []
    for length in shape:
        start = data.draw(st.integers(0, length - 1))
        window.append(range(start, data.draw(st.integers(start + 1, length))))
    image = np.arange(np.prod(shape)).reshape(shape)
    turned = np.rot90(np.flip(image, 1) if is_flipped else image, quarters)
    found = turned[np.ix_(*turn_window((window[0], window[1]), shape, is_flipped, quarters))]
    assert sorted(found.flat) == sorted(image[np.ix_(*window)].flat)


@pytest.mark.parametrize("factor", [0.5, 0.37, 2.0, 3.3])
@pytest.mark.parametrize("tta", [False, True])
def test_the_network_sees_its_own_pixel_size(factor: float, tta: bool) -> None:
    """What it says of each pixel comes back to where that is in the slice."""
    fine = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(96, 128)), 9)
    image = np.uint8(255 * (fine - fine.min()) / np.ptp(fine))
    shapes = []

    def forward(tile: np.ndarray) -> np.ndarray:
        shapes.append(tile.shape[2:])
        return (tile + 1) / 2

    view = SliceView((factor, factor))
    found = predict_slice(forward, image, ModelCard("compact", UINT8), tta, view)
    expected = [16 * np.ceil(round(length * factor) / 16) for length in image.shape]
    assert set(shapes) <= {tuple(expected), tuple(expected[::-1])}
    assert (found.shape, found.dtype) == (image.shape, np.float32)
    np.testing.assert_allclose(found, image / 255, atol=0.03)


def test_a_shrunken_slice_is_not_aliased() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    view = SliceView((1 / 3, 1 / 3))
    seen = []

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile[0, 0])
        return tile

    predict_slice(forward, stripes, ModelCard("compact", UINT8), view=view)
    assert np.abs(seen[0][3:-3, 3:-3]).max() < 0.2


def test_pixel_sizes_that_can_not_both_be_right_are_refused() -> None:
    model = PixelSize(50, 4, 5)
    assert resampling_zoom(model, PixelSize(None, 8, 5), "a.tif") == (2, 1)
    with pytest.raises(UserError, match=r"of a\.tif are 400 x 5 nm, the model's 4 x 5 nm: too"):
        resampling_zoom(model, PixelSize(50, 400, 5), "a.tif")
