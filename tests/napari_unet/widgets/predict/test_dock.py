from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers import Image, Labels, Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QMessageBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_unet.layers.plugin_layers import CORRECTED_KEY, placement
from napari_unet.neurons.border_features import FEATURES
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.segmentation import (
    Segmentation,
    number_neurons,
    segment_slice,
    segment_slices,
)
from napari_unet.neurons.segmentation_choice import LabelledVolume, choose_on_training_slices
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.predictor import load_predictor
from napari_unet.prediction.stack_prediction import StackPrediction
from napari_unet.settings import default_runs_folder, load_settings
from napari_unet.widgets.predict.dock import PredictDock
from napari_unet.widgets.predict.neurons_view import NeuronsView
from napari_unet.widgets.predict.views import ThresholdView
from training.config import preset_config
from training.formats.pixel_size import PixelSize
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling
from training.stacks.sparse_labels import INSIDE, MEMBRANE

WriteModel = Callable[..., Path]
Button = Callable[..., object]
FailOnce = Callable[..., Callable[[], bool]]
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
        qtbot.waitUntil(button(dock, text).isEnabled)
        button(dock, text).click()
        qtbot.waitUntil(lambda: button(dock, PREDICT).isEnabled(), timeout=30_000)

    return click


@pytest.fixture
def bad_model(tmp_path: Path) -> Path:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no model")
    return path


def layers_of(viewer: Viewer) -> tuple[Image, Labels]:
    """Probability and mask of the tissue."""
    return viewer.layers["tissue probability"], viewer.layers["tissue mask"]


def texts(dock: PredictDock) -> str:
    return " ".join(label.text() for label in dock.findChildren(QLabel) if label.isVisibleTo(dock))


def test_all_slices_are_predicted(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    for index, expected in load_predictor(write_model()).predict(images):
        np.testing.assert_array_equal(probability.data[index], expected)
    np.testing.assert_array_equal(mask.data, probability.data >= 0.5)
    np.testing.assert_array_equal(mask.scale, (50, 4, 4))
    assert mask.units == viewer.layers["tissue"].units
    assert "7 slices in" in texts(dock)


def test_an_image_is_resampled_to_the_model_s_pixel_size(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], write_model: WriteModel
) -> None:
    dock.use_model(write_model("coarse.onnx", pixel_size=PixelSize(50, 2, 2)))
    predict("This slice")
    probability, mask = layers_of(viewer)
    plain = probability.data[displayed(viewer)].copy()
    assert "pixels are 4 nm, but the model was trained on pixels of 2 nm" in texts(dock)
    box = next(found for found in dock.findChildren(QCheckBox) if "pixel size" in found.text())
    box.setChecked(True)
    predict("This slice")
    assert "pixels are" not in texts(dock)
    assert np.abs(probability.data[displayed(viewer)] - plain).max() > 0.1
    assert mask.data.shape == viewer.layers["tissue"].data.shape


def rectangle(top: float, left: float, bottom: float, right: float) -> np.ndarray:
    """Corners in nm, as a person draws them over an image whose pixels are 4 nm."""
    return 4.0 * np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def test_what_is_in_a_rectangle_is_predicted_as_it_is_in_the_whole(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None]
) -> None:
    box = next(found for found in dock.findChildren(QCheckBox) if "rectangle" in found.text())
    assert not box.isVisibleTo(dock)
    predict()
    whole, _ = layers_of(viewer)
    drawn = [rectangle(0, 0, 5, 5), rectangle(9.6, 19.7, 29.8, 60.2), rectangle(3, 3, 9, 9)]
    shapes = viewer.add_shapes(drawn, shape_type="rectangle", units=("nm",) * 2)
    shapes.selected_data = {1}
    assert box.isVisibleTo(dock)
    box.setChecked(True)
    for _ in range(2):
        predict()
    parts = [layer for layer in viewer.layers if layer.name.startswith("tissue at 10, 20")]
    assert [layer.name for layer in parts] == [
        "tissue at 10, 20", "tissue at 10, 20 probability", "tissue at 10, 20 mask",
    ]  # fmt: skip
    for layer in parts:
        assert layer.data.shape == (7, 20, 40)
        np.testing.assert_array_equal(layer.translate, (0, 40, 80))
    np.testing.assert_array_equal(parts[1].data, whole.data[:, 10:30, 20:60])
    shapes.selected_data = {0}
    predict()
    assert "tissue at 0, 0 mask" in viewer.layers, "of the whole image again"
    viewer.layers.remove(shapes)
    assert not box.isVisibleTo(dock)


def test_a_rectangle_beside_the_image_is_told(
    viewer: Viewer, dock: PredictDock, button: Button
) -> None:
    corners = rectangle(-30, -30, -5, -5)
    viewer.add_shapes([corners], shape_type="rectangle", units=("nm",) * 2)
    next(box for box in dock.findChildren(QCheckBox) if "rectangle" in box.text()).setChecked(True)
    count = len(viewer.layers)
    button(dock, PREDICT).click()
    assert "The rectangle lies beside 'tissue'. Draw it on the image." in texts(dock)
    assert len(viewer.layers) == count


def displayed(viewer: Viewer) -> int:
    return int(viewer.dims.current_step[0])


def test_a_multiscale_image_is_predicted_at_full_resolution(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
) -> None:
    viewer.layers.clear()
    viewer.add_image([images, images[:, ::2, ::2]], name="tissue", scale=(50, 4, 4))
    predict("This slice")
    predict()
    probability, mask = layers_of(viewer)
    for index, expected in load_predictor(write_model()).predict(images):
        np.testing.assert_array_equal(probability.data[index], expected)
    np.testing.assert_array_equal(mask.scale, (50, 4, 4))


def edges(layer: Layer) -> np.ndarray:
    """Where a layer begins and ends in the world; napari tells it of the pixels' centres."""
    return layer.extent.world + np.outer((-0.5, 0.5), layer.scale)


def test_of_a_multiscale_image_the_level_that_fits_the_model_is_predicted(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
) -> None:
    viewer.layers.clear()
    sizes = [images[:, :60, :80], images[:, :60:2, :80:2]]
    place = {"scale": (50, 4, 4), "translate": (0, 40, 80), "units": ("nm",) * 3}
    image = viewer.add_image(sizes, name="tissue", **place)
    coarse = write_model("coarse.onnx", pixel_size=PixelSize(50, 8.5, 8.5))
    dock.use_model(coarse)
    predict()
    assert "Level 1, with pixels of 8 nm, is predicted: the model was trained on" in texts(dock)
    assert "tissue mask" not in viewer.layers
    mask, probability = (
        viewer.layers[f"tissue level 1 {kind}"] for kind in ("mask", "probability")
    )
    for index, expected in load_predictor(coarse).predict(sizes[1]):
        np.testing.assert_array_equal(probability.data[index], expected)
    np.testing.assert_array_equal(mask.scale, (50, 8, 8))
    np.testing.assert_allclose(edges(mask), edges(image))
    assert not viewer.layers["tissue level 1"].visible and mask.visible
    dock.use_model(write_model("fine.onnx", pixel_size=PixelSize(50, 4, 4)))
    predict()
    assert "Level 0, with pixels of 4 nm, is predicted" in texts(dock)
    assert viewer.layers["tissue mask"].data.shape == sizes[0].shape
    dock.use_model(write_model("other.onnx", pixel_size=PixelSize(50, 20, 20)))
    predict("This slice")
    assert "Level 0, the full resolution of 4 nm, is predicted" in texts(dock)
    assert "pixels are 4 nm, but the model was trained on pixels of 20 nm" in texts(dock)


@pytest.mark.parametrize("is_lazy", [False, True])
def test_an_image_with_axes_before_those_of_a_stack_is_predicted_and_corrected(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
    button: Button,
    qtbot: QtBot,
    is_lazy: bool,
) -> None:
    viewer.layers.clear()
    pixels = images[np.newaxis]
    image = viewer.add_image(
        da.from_array(pixels) if is_lazy else pixels,
        name="tissue",
        scale=(1, 50, 4, 4),
        translate=(0, 0, 40, 80),
        units=("s", "nm", "nm", "nm"),
    )
    predict()
    probability, mask = layers_of(viewer)
    for index, expected in load_predictor(write_model()).predict(images):
        np.testing.assert_array_equal(probability.data[0, index], expected)
    np.testing.assert_array_equal(mask.extent.world, image.extent.world)
    assert mask.units == image.units and mask.data.shape == pixels.shape
    threshold = dock.findChild(ThresholdView)
    mask.paint((0, 3, 20, 20), 1)
    threshold.threshold_changed.emit(0.9)
    assert "Slice 3 was edited by hand" in texts(dock)
    qtbot.waitUntil(lambda: (mask.data[0, 2] == (probability.data[0, 2] >= 0.9)).all())
    assert mask.data[0, 3, 20, 20] == 1
    button(dock, "Find neurons").click()
    qtbot.waitUntil(lambda: "neurons" in " ".join(layer.name for layer in viewer.layers))
    neurons = viewer.layers["tissue neurons"]
    qtbot.waitUntil(lambda: bool(neurons.data[0, 6].any()))
    np.testing.assert_array_equal(neurons.extent.world, image.extent.world)


@pytest.mark.parametrize(
    "shape, words",
    [
        ((40, 40, 3), "is a colour image"),
        ((2, 5, 16, 16), "has 4 dimensions, 2 x 5 x 16 x 16: open one stack"),
    ],
)
def test_why_an_image_can_t_be_predicted_is_said(
    viewer: Viewer, dock: PredictDock, shape: tuple[int, ...], words: str
) -> None:
    viewer.layers.clear()
    viewer.add_image(np.zeros(shape, np.uint8), name="other")
    assert f"'other' {words}" in texts(dock)
    assert "Open an image stack first" not in texts(dock)


def test_this_slice_alone_is_predicted_and_then_the_others(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None]
) -> None:
    viewer.dims.set_current_step(0, 3)
    predict("This slice")
    probability, _ = layers_of(viewer)
    assert predicted(viewer) == [3]
    alone = probability.data[3].copy()
    predict()
    assert len(viewer.layers) == 3, "the same layers are filled up"
    np.testing.assert_array_equal(probability.data[3], alone)


def test_the_threshold_changes_the_mask_without_predicting(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    viewer.dims.set_current_step(0, 2)
    dock.findChild(QLabeledDoubleSlider).setValue(0.9)
    np.testing.assert_array_equal(mask.data[2], probability.data[2] >= 0.9)
    qtbot.waitUntil(lambda: bool((mask.data == (probability.data >= 0.9)).all()))
    qtbot.waitUntil(lambda: load_settings().threshold == 0.9)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``answer(text)`` presses that button of the questions to come."""

    def press(text: str) -> None:
        def choose(box: QMessageBox) -> None:
            next(choice for choice in box.buttons() if choice.text() == text).click()

        monkeypatch.setattr(QMessageBox, "exec_", choose)

    return press


def test_corrected_slices_keep_their_corrections(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    answer: Callable[[str], None],
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    mask.brush_size = 9
    mask.paint((4, 30, 60), 1)
    corrected = mask.data[4].copy()
    assert "Slice 4 was edited by hand" in texts(dock)
    dock.findChild(QLabeledDoubleSlider).setValue(0.8)
    qtbot.waitUntil(lambda: bool((mask.data[6] == (probability.data[6] >= 0.8)).all()))
    np.testing.assert_array_equal(mask.data[4], corrected)
    answer("Keep")
    button(dock, "Drop corrections…").click()
    np.testing.assert_array_equal(mask.data[4], corrected)
    answer("Drop them")
    button(dock, "Drop corrections…").click()
    np.testing.assert_array_equal(mask.data, probability.data >= 0.8)
    assert "edited by hand" not in texts(dock)
    mask.undo()
    np.testing.assert_array_equal(mask.data[4], corrected)
    dock.findChild(QLabeledDoubleSlider).setValue(0.7)
    qtbot.waitUntil(lambda: bool((mask.data[6] == (probability.data[6] >= 0.7)).all()))
    np.testing.assert_array_equal(mask.data[4], corrected)
    assert "Slice 4 was edited by hand" in texts(dock)


def test_slices_that_a_person_said_are_right_are_left_alone(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    mask.metadata[CORRECTED_KEY] = [2]
    right = mask.data[2].copy()
    dock.findChild(QLabeledDoubleSlider).setValue(0.95)
    qtbot.waitUntil(lambda: bool((mask.data[6] == (probability.data[6] >= 0.95)).all()))
    np.testing.assert_array_equal(mask.data[2], right)
    assert (right != (probability.data[2] >= 0.95)).any()
    assert "Slice 2 was edited by hand" in texts(dock)


def test_cancel_keeps_the_finished_slices(
    viewer: Viewer, dock: PredictDock, qtbot: QtBot, button: Button
) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (400, 64, 64), dtype=np.uint8)
    layer = viewer.add_image(stack, name="long")
    choice = next(found for found in dock.findChildren(QComboBox) if found.findText("long") >= 0)
    choice.activated.emit(choice.findText("long"))
    button(dock, PREDICT).click()
    probability = viewer.layers["long probability"]
    qtbot.waitUntil(lambda: bool(probability.data.any()), timeout=30_000)
    button(dock, "Cancel").click()
    qtbot.waitUntil(lambda: "Cancelled after" in texts(dock))
    is_done = probability.data.any(axis=(1, 2))
    assert is_done.any() and not is_done.all()
    assert layer in viewer.layers


def test_what_speaks_against_a_prediction_stays_in_the_dock(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
    qtbot: QtBot,
) -> None:
    dock.use_model(write_model("seen.onnx", scaling=Scaling.of(255 - images)))
    viewer.dims.set_current_step(0, 3)
    predict("This slice")
    assert "This stack is inverted" in texts(dock)
    assert "Edit > Invert" in texts(dock)
    dock.findChild(QLabeledDoubleSlider).setValue(0.01)
    qtbot.waitUntil(lambda: "of the pixels are membrane" in texts(dock))
    assert "This stack is inverted" in texts(dock)
    dock.use_model(write_model("other.onnx", scaling=Scaling.of(images)))
    assert "This stack" not in texts(dock)
    dock.findChild(QLabeledDoubleSlider).setValue(0.5)
    predict()
    assert "This stack" not in texts(dock) and "of the pixels" not in texts(dock)


def test_removing_the_mask_ends_the_prediction(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot, button: Button
) -> None:
    button(dock, PREDICT).click()
    del viewer.layers["tissue mask"]
    qtbot.waitUntil(lambda: button(dock, PREDICT).isEnabled(), timeout=30_000)
    predict()
    assert viewer.layers["tissue mask"].data.any()
    assert "slices in" in texts(dock)
    del viewer.layers["tissue mask"]
    assert "slices in" not in texts(dock)


def test_a_bad_model_is_reported_and_another_can_be_taken(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    bad_model: Path,
    write_model: WriteModel,
) -> None:
    dock.use_model(bad_model)
    predict()
    assert "bad.onnx is not an ONNX model" in texts(dock)
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
    qtbot.waitUntil(lambda: models.count() == 2)  # the starter is the other
    assert " ready" in models.currentText()
    dock.use_model(default_runs_folder() / "ready")
    assert models.count() == 2


def test_what_is_missing_is_reported(
    make_napari_viewer: Callable[..., Viewer],
    images: np.ndarray,
    write_model: WriteModel,
    button: Button,
) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    assert "Open an image stack first" in texts(dock)
    viewer.add_image(images)
    assert "Choose a model" in texts(dock)
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
    save_as: Callable[..., object],
    form: str,
    membrane: int,
) -> None:
    predict()
    target = tmp_path / "mask.tif"
    save_as(target, form)
    button(dock, "Save mask…").click()
    qtbot.waitUntil(target.exists)
    np.testing.assert_array_equal(
        tifffile.imread(target) == membrane, viewer.layers["tissue mask"].data == 1
    )


def test_slices_that_are_missing_are_predicted_instead_of_saved(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    in_dialogs: Callable[..., list[QMessageBox]],
) -> None:
    predict("This slice")
    in_dialogs(lambda box: button(box, "Predict the rest").click())
    button(dock, "Save mask…").click()
    qtbot.waitUntil(lambda: predicted(viewer) == list(range(7)))


def test_a_closed_dock_leaves_the_viewer_alone(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], qtbot: QtBot
) -> None:
    predict()
    mask = viewer.layers["tissue mask"]
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    mask.paint((1, 30, 30), 1)
    viewer.layers.clear()


def box(dock: PredictDock, text: str) -> QCheckBox:
    return next(found for found in dock.findChildren(QCheckBox) if found.text() == text)


def predicted(viewer: Viewer) -> list[int]:
    probability = viewer.layers["tissue probability"].data
    return [index for index in range(len(probability)) if probability[index].any()]


def slider_of(viewer: Viewer) -> QWidget:
    return viewer.window._qt_viewer.dims.slider_widgets[0].slider


def test_the_slice_that_is_shown_is_predicted_as_the_slider_moves(
    viewer: Viewer, dock: PredictDock, qtbot: QtBot, write_model: WriteModel, images: np.ndarray
) -> None:
    viewer.dims.set_current_step(0, 2)
    qtbot.mouseClick(box(dock, "Predict as I scroll"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: predicted(viewer) == [2])
    slider = slider_of(viewer)
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    shown = viewer.dims.current_step[0]
    assert shown != 2
    qtbot.waitUntil(lambda: predicted(viewer) == sorted([2, shown]))
    expected = load_predictor(write_model()).predict_slice(images[shown])
    probability, mask = layers_of(viewer)
    np.testing.assert_allclose(probability.data[shown], expected, atol=1e-3)
    np.testing.assert_array_equal(mask.data[shown], probability.data[shown] >= 0.5)
    qtbot.mouseClick(box(dock, "Predict as I scroll"), Qt.MouseButton.LeftButton)
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    QApplication.processEvents()
    assert viewer.dims.current_step[0] not in predicted(viewer)


def test_of_slices_that_are_scrolled_past_only_the_last_is_predicted(
    viewer: Viewer,
    dock: PredictDock,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    go_on, order = Event(), []
    request.addfinalizer(go_on.set)  # its thread would keep the process
    predict = LivePrediction.store

    def store(prediction: LivePrediction, index: int, *values: object) -> None:
        order.append(index)
        go_on.wait()
        predict(prediction, index, *values)

    monkeypatch.setattr(LivePrediction, "store", store)
    box(dock, "Predict as I scroll").click()
    qtbot.waitUntil(lambda: len(order) == 1)
    slider = slider_of(viewer)
    for _ in range(3):
        qtbot.keyClick(slider, Qt.Key.Key_Left)
    last = viewer.dims.current_step[0]
    go_on.set()
    qtbot.waitUntil(lambda: last in predicted(viewer))
    assert order == [order[0], last]


def test_a_bad_model_ends_the_following(
    viewer: Viewer, dock: PredictDock, qtbot: QtBot, bad_model: Path
) -> None:
    dock.use_model(bad_model)
    box(dock, "Predict as I scroll").click()
    qtbot.waitUntil(lambda: not box(dock, "Predict as I scroll").isChecked())
    assert "bad.onnx is not an ONNX model" in texts(dock)


def test_flips_and_turns_are_averaged(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    write_model: WriteModel,
    images: np.ndarray,
) -> None:
    box(dock, "Average over flips (8x slower)").click()
    predict("This slice")
    index = viewer.dims.current_step[0]
    expected = load_predictor(write_model(), tta=True).predict_slice(images[index])
    found = viewer.layers["tissue probability"].data[index]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_neurons_are_found(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    save_as: Callable[..., object],
) -> None:
    assert not button(dock, "Find neurons").isEnabled()
    assert not button(dock, "Save neurons…").isEnabled()
    predict()
    dock.findChild(QDoubleSpinBox).setValue(0.45)
    button(dock, "Find neurons").click()
    qtbot.waitUntil(lambda: "regions in 7 slices (threshold 0.45" in texts(dock))
    layer, probability = viewer.layers["tissue neurons"], viewer.layers["tissue probability"]
    slices = (segment_slice(found, Segmentation(threshold=0.45)) for found in probability.data)
    np.testing.assert_array_equal(layer.data, np.stack(list(number_neurons(slices))))
    np.testing.assert_array_equal(layer.scale, (50, 4, 4))
    target = tmp_path / "neurons.tif"
    save_as(target)
    button(dock, "Save neurons…").click()
    qtbot.waitUntil(target.exists)
    saved = tifffile.imread(target)
    assert saved.dtype == np.uint16
    np.testing.assert_array_equal(saved, layer.data)
    button(dock, "Find neurons").click()
    button(dock.findChild(NeuronsView), "Cancel").click()
    qtbot.waitUntil(lambda: button(dock, "Find neurons").isEnabled())
    assert len(viewer.layers) == 4, "the same layer is filled again"


def test_the_threshold_of_neurons_is_chosen_on_the_run_s_training_slices(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    write_model: WriteModel,
    images: np.ndarray,
    membrane: np.ndarray,
) -> None:
    tifffile.imwrite(tmp_path / "train-volume.tif", images)
    tifffile.imwrite(tmp_path / "train-labels.tif", np.where(membrane, 0, 255).astype(np.uint8))
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(tmp_path)))
    model = load_predictor(write_model("run/model.onnx"))
    dock.use_model(run.path)
    predict()
    button(dock, "Find neurons").click()
    codes = dict(enumerate(np.where(membrane, MEMBRANE, INSIDE)))
    expected, _ = choose_on_training_slices(model, [LabelledVolume(images, codes)])
    outcome = f"regions in 7 slices (threshold {expected.threshold:g}, seeds {expected.seeds:g})"
    qtbot.waitUntil(lambda: outcome in texts(dock))
    assert viewer.layers["tissue neurons"].data.any()


def test_merges_that_are_kept_with_the_run_find_neurons(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    write_model: WriteModel,
) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(tmp_path / "gone")))
    digest = load_predictor(write_model("run/model.onnx")).digest
    features = np.random.default_rng(0).uniform(size=(99, len(FEATURES))).astype(np.float32)
    forest = MergeForest.learn(features, features[:, 0] > 0.5, np.ones(99), digest)
    forest.write(run.merges)
    dock.use_model(run.path)
    predict()
    button(dock, "Find neurons").click()
    qtbot.waitUntil(lambda: "regions in 7 slices (merges learned; " in texts(dock))
    probability = viewer.layers["tissue probability"].data
    expected = number_neurons(segment_slices(probability, Segmentation(merges=forest)))
    np.testing.assert_array_equal(viewer.layers["tissue neurons"].data, np.stack(list(expected)))

    replace(forest, model="another").write(run.merges)
    button(dock, "Find neurons").click()
    qtbot.waitUntil(lambda: "was learned with another model" in texts(dock))
    qtbot.waitUntil(button(dock, "Find neurons").isEnabled)


def test_after_a_failed_threshold_the_mask_follows_the_next_one(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    fail_once: FailOnce,
    qtbot: QtBot,
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    slider = dock.findChild(QLabeledDoubleSlider)
    is_reported = fail_once(LivePrediction, "threshold_all")
    slider.setValue(0.4)
    qtbot.waitUntil(is_reported)
    slider.setValue(0.6)
    qtbot.waitUntil(lambda: np.array_equal(mask.data, probability.data >= 0.6))


def test_after_a_failed_slice_the_following_can_be_switched_on_again(
    viewer: Viewer, dock: PredictDock, fail_once: FailOnce, qtbot: QtBot
) -> None:
    is_reported = fail_once(StackPrediction, "predict")
    scroll = box(dock, "Predict as I scroll")
    scroll.click()
    qtbot.waitUntil(is_reported)
    assert not scroll.isChecked()
    scroll.click()
    qtbot.waitUntil(lambda: viewer.layers["tissue probability"].data.any())


def test_another_model_fills_the_same_layers_and_keeps_corrections(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], write_model: WriteModel
) -> None:
    predict()
    mask = viewer.layers["tissue mask"]
    mask.metadata[CORRECTED_KEY] = [2]
    mask.brush_size = 9
    mask.paint((4, 30, 60), 1)
    kept = mask.data[[2, 4]].copy()
    mask.data[6] = 0  # as if the former model had found nothing there
    dock.use_model(write_model("new/model.onnx"))
    viewer.dims.set_current_step(0, 6)
    predict("This slice")
    assert "former model are left: 0, 1, 2, 3, 4, 5." in texts(dock)
    predict()
    assert len(viewer.layers) == 3, "the same layers are filled"
    np.testing.assert_array_equal(mask.data[[2, 4]], kept)
    assert mask.data[6].any() and "former model" not in texts(dock)


def test_a_dock_that_is_opened_again_goes_on_with_the_prediction(
    viewer: Viewer,
    dock: PredictDock,
    predict: Callable[..., None],
    qtbot: QtBot,
    button: Button,
) -> None:
    predict()
    probability, mask = layers_of(viewer)
    dock.findChild(QLabeledDoubleSlider).setValue(0.6)
    qtbot.waitUntil(lambda: mask.metadata.get("threshold") == 0.6)
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    mask.brush_size = 9
    mask.paint((4, 30, 60), 1)
    painted = mask.data[4].copy()
    _, again = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    for name in ("Save mask…", "Save probability…", "Find neurons"):
        qtbot.waitUntil(lambda name=name: button(again, name).isEnabled())
    slider = again.findChild(QLabeledDoubleSlider)
    assert slider.value() == 0.6 and "Slice 4 was edited by hand" in texts(again)
    slider.setValue(0.9)
    qtbot.waitUntil(lambda: np.array_equal(mask.data[6], probability.data[6] >= 0.9))
    np.testing.assert_array_equal(mask.data[4], painted)
    button(again, "Find neurons").click()
    qtbot.waitUntil(lambda: "regions in 7 slices" in texts(again))


def test_an_image_of_another_shape_is_predicted_into_layers_of_its_own(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], images: np.ndarray
) -> None:
    predict()
    mask = viewer.layers["tissue mask"]
    former = mask.data.copy()
    viewer.layers["tissue"].data = images[:4, :50]
    assert "7 slices" not in texts(dock), "it is no longer of this image"
    predict()
    np.testing.assert_array_equal(mask.data, former)
    assert viewer.layers["tissue mask [1]"].data.shape == (4, 50, 83)


def test_each_image_has_a_prediction_of_its_own(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], images: np.ndarray
) -> None:
    predict()
    first = viewer.layers["tissue mask"].data.copy()
    viewer.add_image(images[::-1].copy(), name="other")
    choice = next(found for found in dock.findChildren(QComboBox) if found.findText("other") >= 0)
    choice.activated.emit(choice.findText("other"))
    predict()
    assert choice.currentText() == "other"
    np.testing.assert_array_equal(viewer.layers["tissue mask"].data, first)
    assert viewer.layers["other mask"].data[6].any()


def test_a_prediction_begins_at_the_slice_that_is_shown(
    viewer: Viewer, dock: PredictDock, predict: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    order, store = [], LivePrediction.store

    def note(prediction: LivePrediction, index: int, *values: object) -> None:
        order.append(index)
        store(prediction, index, *values)

    monkeypatch.setattr(LivePrediction, "store", note)
    viewer.dims.set_current_step(0, 4)
    predict()
    assert order == [4, 3, 5, 2, 6, 1, 0]


def test_a_second_click_neither_cancels_nor_predicts_again(
    dock: PredictDock, qtbot: QtBot, button: Button
) -> None:
    begin, cancel = button(dock, PREDICT), button(dock, "Cancel")
    assert not cancel.isEnabled()
    for _ in range(2):
        qtbot.mouseClick(begin, Qt.MouseButton.LeftButton)
    assert not begin.isEnabled() and begin.isVisibleTo(dock)
    assert not begin.geometry().intersects(cancel.geometry()), "none takes another's place"
    qtbot.waitUntil(begin.isEnabled)
    assert "7 slices in" in texts(dock)
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    assert begin.isEnabled() and "7 slices in" in texts(dock)


@pytest.mark.parametrize(
    ("shape", "options", "problem"),
    [
        ((2, 3, 20, 20), {}, "'em' has 4 dimensions"),
        ((20, 20, 3), {"rgb": True}, "'em' is a colour image"),
    ],
)
def test_an_image_that_can_not_be_predicted_is_named(
    make_napari_viewer: Callable[..., Viewer],
    shape: tuple[int, ...],
    options: dict[str, bool],
    problem: str,
) -> None:
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    viewer.add_image(np.zeros(shape, np.uint8), name="em", **options)
    assert problem in texts(dock)


def test_the_threshold_is_the_one_that_is_shown(dock: PredictDock, qtbot: QtBot) -> None:
    slider = dock.findChild(QLabeledDoubleSlider)
    view = dock.findChild(ThresholdView)
    with qtbot.waitSignal(view.threshold_changed) as change:
        slider.setValue(0.6035766)
    assert change.args == [0.6] and view.threshold == 0.6


def test_the_prediction_of_a_removed_image_is_not_taken_for_that_of_another(
    dock: PredictDock,
    viewer: Viewer,
    predict: Callable[..., None],
    button: Button,
    images: np.ndarray,
) -> None:
    predict("This slice")
    mask = viewer.layers["tissue mask"]
    before = mask.data.copy()
    viewer.add_image(images[:, ::-1], name="other", **placement(viewer.layers["tissue"]))
    viewer.layers.remove("tissue")
    assert not button(dock, "Save mask…").isEnabled()
    predict()
    assert "other mask" in viewer.layers
    np.testing.assert_array_equal(mask.data, before)


def test_layers_that_are_removed_while_scrolling_do_not_come_back(
    dock: PredictDock, viewer: Viewer, qtbot: QtBot
) -> None:
    box(dock, "Predict as I scroll").click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    viewer.layers.clear()
    assert not viewer.layers
