"""Results of a part of a stack, that lie where the part does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_unet.widgets.runs.results import ShownResults
from tests.napari_unet.runs.test_prediction_results import PROBABILITY, Make, make

__all__ = ["make"]


@pytest.mark.parametrize("slices", [5, 1])
def test_a_part_lies_where_it_is_in_the_stack(
    make: Make, tmp_path: Path, qtbot: QtBot, slices: int
) -> None:
    viewer, parent = ViewerModel(), QObject()
    place = {"scale": (50, 4, 4), "units": ("nm",) * 3, "translate": (100, 8, 12)}
    stack = viewer.add_image(np.zeros((9, 20, 30)), name="tissue", **place)
    record = {"stack": "tissue", "corner": (3, 5, 7), "threshold": 0.5}
    results = ShownResults(viewer, parent)
    with qtbot.waitSignal(results.told, timeout=30_000) as told:
        results.open(make(record, probability=PROBABILITY[:slices]))
    assert told.args == ["'tissue mask' is added, over 'tissue'."]
    for name in ("tissue probability", "tissue mask"):
        layer = viewer.layers[name]
        np.testing.assert_allclose(layer.translate, stack.data_to_world((3, 5, 7)))
        np.testing.assert_allclose(layer.scale, stack.scale)
        assert layer.data.shape == (slices, 6, 7)
    np.testing.assert_array_equal(viewer.layers["tissue mask"].data, PROBABILITY[:slices] >= 0.5)
