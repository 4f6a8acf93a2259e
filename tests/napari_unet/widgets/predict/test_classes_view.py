"""All classes of a model in one layer, by the predict dock in a real viewer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot

from napari_unet.layers.class_layers import layer_classes
from napari_unet.prediction.predictor import load_predictor
from napari_unet.widgets.predict.dock import PredictDock
from tests.napari_unet.class_model import CLASSES, write_class_model
from training.label_classes import LabelClasses

Button = Callable[..., object]
PREDICT = "Predict all classes"


@pytest.fixture
def dock(viewer: Viewer) -> PredictDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    return dock


def test_all_classes_become_a_layer_with_their_colours(
    viewer: Viewer,
    dock: PredictDock,
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    images: np.ndarray,
) -> None:
    model = write_class_model(tmp_path / "classes.onnx")
    dock.use_model(model)
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    button(dock, PREDICT).click()
    qtbot.waitUntil(lambda: "tissue classes" in viewer.layers)
    layer = viewer.layers["tissue classes"]
    predictor = load_predictor(model, of_class=None)
    qtbot.waitUntil(button(dock, PREDICT).isEnabled, timeout=30_000)
    for index, expected in predictor.predict(images):
        np.testing.assert_array_equal(layer.data[index], predictor.classes.decide(expected))
    assert layer_classes(layer) == LabelClasses.parse(CLASSES)
    np.testing.assert_array_equal(layer.scale, viewer.layers["tissue"].scale)
    np.testing.assert_allclose(layer.get_color(2)[:3], np.array([0x56, 0xB4, 0xE9]) / 255)


def test_a_model_of_membranes_has_no_such_button(
    dock: PredictDock,
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    write_model: Callable[..., Path],
) -> None:
    dock.use_model(write_class_model(tmp_path / "classes.onnx"))
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    dock.use_model(write_model())
    assert not button(dock, PREDICT).isVisibleTo(dock)
