"""Sparse labels through napari's reader and writer hooks."""

from pathlib import Path

import numpy as np
import pytest

from napari_unet.layers.plugin_layers import CONVENTION_KEY, CORRECTED_KEY
from napari_unet.stacks.napari_writer import write_labels
from napari_unet.widgets.files.file_opening import get_reader
from tests.stack_files import read_label_note


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 1), (0, 2), (0,)])
def test_sparse_labels_come_back_as_they_were(tmp_path: Path, values: tuple[int, ...]) -> None:
    labels = np.zeros((5, 20, 30), np.uint8)
    labels[2, 4, : len(values)] = values
    metadata = {CONVENTION_KEY: "sparse", CORRECTED_KEY: [3]}
    (written,) = write_labels(str(tmp_path / "strokes"), labels, {"metadata": metadata})
    assert read_label_note(Path(written)).corrected_slices == (3,)
    reader = get_reader(written)
    assert reader is not None
    ((data, attributes, kind),) = reader(written)
    assert kind == "labels"
    assert attributes["metadata"] == metadata
    np.testing.assert_array_equal(data, labels)
    data[0, 0, 0] = 1  # a brush can paint on them


@pytest.mark.parametrize("convention", ["isbi", "membrane"])
def test_a_mask_keeps_which_slices_were_corrected(tmp_path: Path, convention: str) -> None:
    mask = np.zeros((5, 20, 30), np.uint8)
    mask[:, 4] = 1
    metadata = {CONVENTION_KEY: convention, CORRECTED_KEY: [1, 3]}
    (written,) = write_labels(str(tmp_path / "mask"), mask, {"metadata": metadata})
    reader = get_reader(written)
    assert reader is not None
    ((data, attributes, _),) = reader(written)
    assert attributes["metadata"] == metadata
    np.testing.assert_array_equal(data, mask)
