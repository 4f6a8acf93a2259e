"""Results of predictions as layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_unet.launchers.servers.predictions.record import PredictionRecord, write_prediction
from napari_unet.layers.class_layers import layer_classes, layer_thresholds
from napari_unet.layers.plugin_layers import is_judged, is_mask
from napari_unet.widgets.runs.results import ShownResults
from tests.napari_unet.runs.test_prediction_results import PROBABILITY, Make, make
from training.label_classes import LabelClasses
from training.masks.writer_choice import write_stack
from training.runs.run_directory import RunDirectory

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


def test_classes_that_came_home_are_a_layer_of_classes_and_no_mask(
    viewer: Viewer, tmp_path: Path, qtbot: QtBot
) -> None:
    run, classes = RunDirectory(tmp_path / "predict-1"), LabelClasses.parse("membrane,nuclei")
    run.path.mkdir()
    about = {"model": "run", "stack": "lab:/a.tif", "results": {}, "request": "0" * 64}
    chosen = {"class_thresholds": {"membranes": 0.3, "vesicles": 0.4}}  # as a stranger's may be
    write_prediction(run, PredictionRecord.model_validate(about | chosen))
    pages = np.random.default_rng(0).integers(0, 3, (3, 8, 9), np.uint8)
    write_stack(run.path / "mask.tif", pages, pages.dtype, is_label=True, classes=classes)
    owner = QObject()
    shown = ShownResults(viewer, owner)
    with qtbot.waitSignal(shown.told) as told:
        shown.open(run)
    assert told.args == ["'a.tif classes' is added."]
    layer = viewer.layers["a.tif classes"]
    np.testing.assert_array_equal(layer.data, pages)
    assert layer_classes(layer) == classes
    assert layer_thresholds(layer) == {"membrane": 0.3}
    assert is_judged(layer) and not is_mask(layer)
