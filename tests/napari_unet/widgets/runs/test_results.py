"""Results of predictions as layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_unet.launchers.servers.predictions.record import PredictionRecord, write_prediction
from napari_unet.layers.class_layers import layer_classes
from napari_unet.layers.plugin_layers import is_judged, is_mask
from napari_unet.widgets.runs.results import ShownResults
from training.label_classes import LabelClasses
from training.masks.writer_choice import write_stack
from training.runs.run_directory import RunDirectory


def test_classes_that_came_home_are_a_layer_of_classes_and_no_mask(
    viewer: Viewer, tmp_path: Path, qtbot: QtBot
) -> None:
    run, classes = RunDirectory(tmp_path / "predict-1"), LabelClasses.parse("membrane,nuclei")
    run.path.mkdir()
    about = {"model": "run", "stack": "lab:/a.tif", "results": {}, "request": "0" * 64}
    write_prediction(run, PredictionRecord.model_validate(about))
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
    assert is_judged(layer) and not is_mask(layer)
