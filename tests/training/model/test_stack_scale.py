"""The pixel size that a person gives, and what a file's is then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.model.stack_scale import StackScale, parse_pixel_size
from training.opening import open_stack


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4", PixelSize(50, 4, 4)),
        ("4,5", PixelSize(50, 4, 5)),
        ("30,4,5", PixelSize(30, 4, 5)),
    ],
)
def test_a_size_along_z_is_the_file_s_unless_it_is_given(
    tmp_path: Path, text: str, size: PixelSize
) -> None:
    path, pixels = tmp_path / "a.tif", np.zeros((2, 8, 8), np.uint8)
    metadata = {"axes": "ZYX", "unit": "nm", "spacing": 50}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    with open_stack(path) as stack:
        assert StackScale(pixel_size=parse_pixel_size(text)).size_of(stack) == size


@pytest.mark.parametrize("text", ["", "a", "0", "4,", "-1,4,4", "nan,4,4", "1,2,3,4", "20000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a size in nm"):
        parse_pixel_size(text)
