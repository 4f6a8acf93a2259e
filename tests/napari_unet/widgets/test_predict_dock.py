from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel
from superqt import QLabeledDoubleSlider

from napari_unet.prediction import load_predictor
from napari_unet.settings import default_runs_folder, load_settings
from napari_unet.widgets.predict_dock import PredictDock
from training.config import preset_config
from training.run_directory import RunDirectory

WriteModel = Callable[..., Path]
Button = Callable[..., object]
PREDICT = "Predict all slices"


@pytest.fixture
def dock(viewer: Viewer, write_model: WriteModel) -> PredictDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    dock.use_model(write_model())
    return dock


@pytest.fixture
def predict(dock: PredictDock, qtbot: QtBot, button: Button) -> Callable[..., None]:
    """Click a button and wait for the end of the prediction."""

    def click(text: str = PREDICT) -> None:
        button(dock, text).click()
        qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock), timeout=30_000)

    return click


def texts(dock: PredictDock) -> str:
    return " ".join(one.text() for one in dock.findChildren(QLabel) if one.isVisibleTo(dock))


def test_all_slices_are_predicted(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
) -> None:
    predict()
    probability, mask = viewer.layers["tissue probability"], viewer.layers["tissue mask"]
    for index, expected in load_predictor(write_model()).predict(images):
        np.testing.assert_array_equal(probability.data[index], expected)
    np.testing.assert_array_equal(mask.data, probability.data >= 0.5)
    np.testing.assert_array_equal(mask.scale, (50, 4, 4))
    assert mask.units == viewer.layers["tissue"].units
    assert "7 slices in" in texts(dock)


def test_this_slice_alone_is_predicted_and_then_the_others(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None]
) -> None:
    viewer.dims.set_current_step(0, 3)
    predict("This slice")
    probability = viewer.layers["tissue probability"]
    assert [index for index in range(7) if probability.data[index].any()] == [3]
    alone = probability.data[3].copy()
    predict()
    assert len(viewer.layers) == 3, "the same layers are filled up"
    np.testing.assert_array_equal(probability.data[3], alone)


def test_the_threshold_changes_the_mask_without_predicting(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot
) -> None:
    predict()
    probability, mask = viewer.layers["tissue probability"], viewer.layers["tissue mask"]
    viewer.dims.set_current_step(0, 2)
    dock.findChild(QLabeledDoubleSlider).setValue(0.9)
    np.testing.assert_array_equal(mask.data[2], probability.data[2] >= 0.9)
    qtbot.waitUntil(lambda: bool((mask.data == (probability.data >= 0.9)).all()))
    qtbot.waitUntil(lambda: load_settings().threshold == 0.9)


def test_corrected_slices_keep_their_corrections(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot, button: Button
) -> None:
    predict()
    probability, mask = viewer.layers["tissue probability"], viewer.layers["tissue mask"]
    mask.brush_size = 9
    mask.paint((4, 30, 60), 1)
    corrected = mask.data[4].copy()
    assert "not thresholded: 4" in texts(dock)
    dock.findChild(QLabeledDoubleSlider).setValue(0.8)
    qtbot.waitUntil(lambda: bool((mask.data[6] == (probability.data[6] >= 0.8)).all()))
    np.testing.assert_array_equal(mask.data[4], corrected)
    button(dock, "Drop corrections").click()
    qtbot.waitUntil(lambda: bool((mask.data == (probability.data >= 0.8)).all()))
    assert "thresholded" not in texts(dock)


def test_cancel_keeps_the_finished_slices(
    viewer: Viewer, dock: PredictDock, qtbot: QtBot, button: Button
) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (400, 64, 64), dtype=np.uint8)
    layer = viewer.add_image(stack, name="long")
    choice = next(one for one in dock.findChildren(QComboBox) if one.findText("long") >= 0)
    choice.activated.emit(choice.findText("long"))
    button(dock, PREDICT).click()
    probability = viewer.layers["long probability"]
    qtbot.waitUntil(lambda: bool(probability.data[0].any()), timeout=30_000)
    button(dock, "Cancel").click()
    qtbot.waitUntil(lambda: "Cancelled after" in texts(dock))
    assert probability.data[0].any() and not probability.data[-1].any()
    assert layer in viewer.layers


def test_removing_the_mask_ends_the_prediction(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot, button: Button
) -> None:
    button(dock, PREDICT).click()
    del viewer.layers["tissue mask"]
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock), timeout=30_000)
    predict()
    assert viewer.layers["tissue mask"].data.any()


def test_a_bad_model_is_told_and_another_can_be_taken(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    tmp_path: Path,
    write_model: WriteModel,
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    dock.use_model(bad)
    predict()
    assert "bad.onnx is not an ONNX model" in notification_manager.records[-1].message
    assert "failed" in texts(dock)
    dock.use_model(write_model())
    predict()
    assert viewer.layers[-1].data.any()


def test_runs_with_a_model_are_offered(
    viewer: Viewer, qtbot: QtBot, write_model: WriteModel
) -> None:
    for name in ("ready", "young"):
        RunDirectory(default_runs_folder() / name).create(preset_config("compact"))
    content = write_model().read_bytes()
    (default_runs_folder() / "ready" / "model.onnx").write_bytes(content)
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    models = dock.findChildren(QComboBox)[0]
    qtbot.waitUntil(lambda: models.count() == 1)
    assert models.currentText().startswith("ready · compact")
    dock.use_model(default_runs_folder() / "ready")
    assert models.count() == 1


def test_what_is_missing_is_told(
    make_napari_viewer: Callable[..., Viewer],
    images: np.ndarray,
    write_model: WriteModel,
    button: Button,
) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    assert "Open an image stack first" in texts(dock)
    viewer.add_image(images)
    assert "Train a model first" in texts(dock)
    assert not button(dock, PREDICT).isEnabled()
    dock.use_model(write_model())
    assert "first" not in texts(dock)
    assert button(dock, PREDICT).isEnabled()


@pytest.mark.parametrize(("form", "membrane"), [("ISBI", 0), ("255", 255)])
def test_the_mask_is_saved_in_the_chosen_convention(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    membrane: int,
) -> None:
    predict()
    target = tmp_path / "mask.tif"

    def choose(parent: object, title: str, name: str, forms: str) -> tuple[str, str]:
        return str(target), next(one for one in forms.split(";;") if form in one)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    button(dock, "Save mask…").click()
    qtbot.waitUntil(target.exists)
    np.testing.assert_array_equal(
        tifffile.imread(target) == membrane, viewer.layers["tissue mask"].data == 1
    )


def test_a_closed_dock_leaves_the_viewer_alone(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot
) -> None:
    predict()
    mask = viewer.layers["tissue mask"]
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    mask.paint((1, 30, 30), 1)
    viewer.layers.clear()
