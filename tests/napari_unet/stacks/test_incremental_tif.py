from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.stacks.incremental_tif import SavedStack
from tests.stack_files import read_label_note, read_pixel_size
from training.formats.pixel_size import PixelSize
from training.stacks.sparse_labels import LabelNote


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "bool"])
@pytest.mark.parametrize("shape", [(4, 30, 41), (30, 41)])
def test_a_file_follows_its_array(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    saved = SavedStack(tmp_path / "a.tif", data.shape, data.dtype)
    assert saved.save(data, slices=[])  # the first time, all of them
    np.testing.assert_array_equal(tifffile.imread(saved.path), data)
    assert not saved.save(data)
    data[..., 3, 3] = 1 - data[..., 3, 3]
    assert saved.save(data)
    np.testing.assert_array_equal(tifffile.imread(saved.path), data)


def test_only_the_slices_that_are_reported_are_looked_at(tmp_path: Path) -> None:
    data = np.zeros((4, 30, 41), np.uint8)
    saved = SavedStack(tmp_path / "a.tif", data.shape, data.dtype)
    saved.save(data)
    data[1:3, 5, 5] = 1
    saved.save(data, slices=[2])
    assert tifffile.imread(saved.path)[:, 5, 5].tolist() == [0, 0, 1, 0]


def test_note_and_pixel_size_are_in_the_file(tmp_path: Path) -> None:
    data = np.zeros((3, 8, 9), np.uint8)
    saved = SavedStack(tmp_path / "a.tif", data.shape, data.dtype)
    saved.save(data, note=LabelNote("sparse", (1,)).line(), pixel_size=PixelSize(50, 4, 4))
    assert read_label_note(saved.path) == LabelNote("sparse", (1,))
    assert read_pixel_size(saved.path) == PixelSize(50, 4, 4)
    assert saved.save(data, note=LabelNote("sparse", (1, 2)).line())
    assert read_label_note(saved.path) == LabelNote("sparse", (1, 2))


def test_a_failure_keeps_the_file_and_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    data = np.zeros((3, 8, 9), np.uint8)
    saved = SavedStack(folder / "a.tif", data.shape, data.dtype)
    with pytest.raises(Exception, match="there is no folder"):
        saved.save(data)
    folder.mkdir()
    assert saved.save(data)


def test_a_slice_that_was_taken_before_an_error_is_written_after_it(tmp_path: Path) -> None:
    data = np.zeros((3, 8, 9), np.uint8)
    saved = SavedStack(tmp_path / "a.tif", data.shape, data.dtype)
    saved.save(data)
    data[0, 4, 4] = 1
    with pytest.raises(IndexError):
        saved.save(data[:1], slices=[0, 1])
    saved.save(data, slices=[1])
    assert tifffile.imread(saved.path)[0, 4, 4] == 1
