import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from napari_unet.evaluation.contact_sheet import HIT_COLOR, PANEL, SheetRow, contact_sheet
from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR


def sheet_row(index: int = 3, shape: tuple[int, int] = (256, 256)) -> SheetRow:
    image = np.random.default_rng(index).normal(200, 30, shape).astype(np.float32)
    truth, predicted = np.zeros(shape, bool), np.zeros(shape, bool)
    truth[:, : shape[1] // 2] = True
    predicted[: shape[0] // 2] = True
    return SheetRow(index, image, truth, predicted)


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return picture


def count(picture: Image.Image, color: str) -> int:
    pixels = np.asarray(picture)
    return int((pixels == ImageColor.getrgb(color)).all(axis=-1).sum())


def test_errors_are_drawn_in_the_colours_of_the_window() -> None:
    picture = opened(contact_sheet([sheet_row()]))
    quarter = PANEL**2 / 4
    for color in (PREDICTION_COLOR, TRUTH_COLOR, HIT_COLOR):
        # A quarter of a panel, less its frame, and the legend.
        assert 0.95 * quarter < count(picture, color) < 1.1 * quarter


def test_a_row_a_slice() -> None:
    heights = [opened(contact_sheet([sheet_row(i) for i in range(n)])).height for n in (1, 2, 3)]
    assert heights[2] - heights[1] == heights[1] - heights[0] > PANEL


def test_large_and_oblong_slices_fit() -> None:
    small = opened(contact_sheet([sheet_row(shape=(256, 128))]))
    large = opened(contact_sheet([sheet_row(shape=(1024, 512))], title="large"))
    assert small.width == large.width < opened(contact_sheet([sheet_row()])).width


def test_a_flat_image_is_no_error() -> None:
    row = sheet_row()
    contact_sheet([SheetRow(0, np.zeros((256, 256), np.uint16), row.truth, row.predicted)])


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="needs a slice"):
        contact_sheet([])
