import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from napari_unet.evaluation.contact_sheet import (
    HIT_COLOR,
    PANEL,
    UNKNOWN_COLOR,
    SheetRow,
    class_legend,
    contact_sheet,
)
from napari_unet.layers.colors import ERROR_COLOR, PREDICTION_COLOR, TRUTH_COLOR
from training.label_classes import NO_CHANNEL, LabelClasses


def sheet_row(index: int = 3, shape: tuple[int, int] = (256, 256)) -> SheetRow:
    image = np.random.default_rng(index).normal(200, 30, shape).astype(np.float32)
    truth, predicted = np.zeros(shape, bool), np.zeros(shape, bool)
    truth[:, : shape[1] // 2] = True
    predicted[: shape[0] // 2] = True
    return SheetRow.of_membrane(index, image, truth, predicted)


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
    contact_sheet([replace(row, image=np.zeros((256, 256), np.uint16))])


def test_classes_are_drawn_in_their_colours_with_the_dice_of_each() -> None:
    classes = LabelClasses.parse("membrane=1#112233,mitochondria=2#445566")
    truth = np.zeros((256, 256), np.uint8)
    truth[:64], truth[64:128], truth[128:192] = 1, 2, NO_CHANNEL
    predicted = np.zeros((256, 256), np.uint8)
    predicted[:64], predicted[64:128, :128], predicted[128:192] = 1, 2, 1
    row = SheetRow.of_classes(4, np.zeros((256, 256)), truth, predicted, classes)
    assert row.captions == ("Dice 0.833", "membrane 1.000", "mitochondria 0.667")
    picture = opened(contact_sheet([row], legend=class_legend(classes)))
    quarter = PANEL**2 / 4
    # Of the truth, the prediction and the errors; what is unknown is never wrong.
    wanted = {
        "#112233": 1 + 2,
        "#445566": 1 + 0.5,
        HIT_COLOR: 1 + 0.5,
        ERROR_COLOR: 0.5,
        UNKNOWN_COLOR: 1,
    }
    for color, quarters in wanted.items():
        assert count(picture, color) == pytest.approx(quarters * quarter, rel=0.06)


def test_a_long_legend_takes_more_lines_and_a_long_caption_more_room() -> None:
    classes = LabelClasses.parse(",".join(f"organelle number {place}" for place in range(1, 16)))
    page = np.zeros((256, 256), np.uint8)
    row = SheetRow.of_classes(0, page, page, page, classes)
    sheets = [
        opened(contact_sheet([row], legend=class_legend(classes)[-lines:])) for lines in (3, 18)
    ]
    assert sheets[1].height > sheets[0].height > 15 * 44
    assert sheets[0].width == sheets[1].width > opened(contact_sheet([sheet_row()])).width


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="needs a slice"):
        contact_sheet([])
