"""Stacks of every format are written, read, replaced and predicted on every system."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.napari_unet.conftest import dark_is_membrane
from tests.portable.systems import IS_WINDOWS, run_python, start_python
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import open_writer
from training.model.model_card import ModelCard
from training.opening import open_stack
from training.stacks.scaling import Scaling

pytestmark = pytest.mark.portable

PREDICT = "import sys; from napari_unet.cli.main import main; sys.argv[0] = 'napari-unet'; main()"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(dark_is_membrane(ModelCard("compact", Scaling("uint8", 0.0, 255.0))))
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.h5/volumes/mask", "a.mrc"])
def test_a_stack_is_written_read_and_replaced(
    name: str, tmp_path: Path, images: np.ndarray
) -> None:
    path = tmp_path / name
    for pixels in (images, 255 - images):
        pixels = pixels.astype(np.float32)
        size = PixelSize(50.0, 4.0, 4.0)
        options = {"is_label": False, "pixel_size": size, "overwrite": True}
        with open_writer(path, pixels.shape, pixels.dtype, **options) as writer:
            for page in pixels:
                writer.write(page)
        with open_stack(path) as stack:
            np.testing.assert_array_equal([stack.read(z) for z in range(len(stack))], pixels)
    assert [one.name for one in tmp_path.iterdir()] == [name.partition("/")[0]]


def test_a_mask_is_predicted_and_replaced(model: Path, tmp_path: Path, images: np.ndarray) -> None:
    stack, mask = tmp_path / "stack.tif", tmp_path / "mask.tif"
    tifffile.imwrite(stack, images)
    options = ("predict", model, stack, "-o", mask, "--overwrite")
    for _ in range(2):
        assert str(mask) in run_python(PREDICT, *options)
    wanted = tifffile.imread(mask)
    assert wanted.shape == images.shape
    assert ((wanted == 0) == (images < 100)).mean() > 0.9
    with open_stack(mask) as opened:  # as a window does that shows it
        pixels = opened.mapped if opened.mapped is not None else opened.read(0)
        process = start_python(PREDICT, *options)
        _, errors = process.communicate()
        assert pixels.max() == wanted.max()
    assert (process.returncode == 2) == IS_WINDOWS
    assert ("mask-2.tif beside" in errors) == (tmp_path / "mask-2.tif").exists() == IS_WINDOWS
