from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_unet.contact_sheet import (
    EXTRA_COLOR,
    FOUND_COLOR,
    LEGEND,
    MISSED_COLOR,
    SheetRow,
    write_contact_sheet,
)


def make_row(truth: np.ndarray, predicted: np.ndarray, dtype: type = np.uint8) -> SheetRow:
    rng = np.random.default_rng(0)
    image = (rng.random(truth.shape) * 200).astype(dtype)
    return SheetRow(3, image, truth, predicted)


def colors_of(path: Path) -> dict[tuple[int, int, int], int]:
    with Image.open(path) as sheet:
        colors = sheet.convert("RGB").getcolors(maxcolors=2**24)
    return {color: count for count, color in colors}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_errors_have_the_colors_of_the_legend(tmp_path: Path, dtype: type) -> None:
    truth, predicted = np.zeros((2, 64, 64), dtype=bool)
    truth[:, :32] = True
    predicted[:32] = True
    path = tmp_path / "sheet.png"
    write_contact_sheet(path, [make_row(truth, predicted, dtype)], "Title")
    counts = colors_of(path)
    quarter = 160 * 160  # of a tile of 320 x 320
    for color in (EXTRA_COLOR, FOUND_COLOR, MISSED_COLOR):
        assert quarter * 0.95 < counts[color] < quarter * 1.1


def test_a_perfect_prediction_has_no_errors(tmp_path: Path) -> None:
    truth = np.eye(64, dtype=bool)
    path = tmp_path / "sheet.png"
    write_contact_sheet(path, [make_row(truth, truth)])
    counts = colors_of(path)
    in_legend = 19 * 19
    assert counts[EXTRA_COLOR] == counts[MISSED_COLOR] == in_legend


def test_slices_need_not_be_square_and_rows_add_up(tmp_path: Path) -> None:
    truth = np.zeros((40, 80), dtype=bool)
    sizes = []
    for count in (1, 2):
        path = tmp_path / f"{count}.png"
        write_contact_sheet(path, [make_row(truth, truth)] * count)
        with Image.open(path) as sheet:
            sizes.append(sheet.size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] - sizes[0][1] == 160 + 8


def test_a_constant_image_is_drawn(tmp_path: Path) -> None:
    blank = np.zeros((16, 16), dtype=bool)
    path = tmp_path / "sheet.png"
    write_contact_sheet(path, [SheetRow(0, np.full((16, 16), 7, np.uint8), blank, blank)])
    assert path.stat().st_size > 0
    assert list(tmp_path.iterdir()) == [path]


def test_no_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without slices"):
        write_contact_sheet(tmp_path / "sheet.png", [])


def test_the_colors_of_errors_are_those_of_the_window() -> None:
    from napari_unet.layers import PREDICTION_COLOR, TRUTH_COLOR

    as_hex = {name: "#{:02X}{:02X}{:02X}".format(*color) for name, color in LEGEND}
    assert as_hex["too much"] == PREDICTION_COLOR
    assert as_hex["missed"] == TRUTH_COLOR
