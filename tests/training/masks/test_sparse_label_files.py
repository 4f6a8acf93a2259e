"""Sparse labels are written as TIF and read again."""

from pathlib import Path

import numpy as np
import tifffile

from tests.stack_files import read_label_note
from training.masks.mask_files import write_sparse_labels
from training.opening import read_stack
from training.stacks.sparse_labels import LabelNote


def test_a_file_of_strokes_says_what_it_is(tmp_path: Path) -> None:
    strokes = np.zeros((4, 20, 30), np.uint8)
    strokes[1, 5, 3:20], strokes[3, 9:11, 3:20] = 1, 2
    path = tmp_path / "strokes.tif"
    write_sparse_labels(path, strokes, [3])
    np.testing.assert_array_equal(read_stack(path), strokes)
    assert read_label_note(path) == LabelNote("sparse", (3,))
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
        assert file.imagej_metadata["slices"] == 4
