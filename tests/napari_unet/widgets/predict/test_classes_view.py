"""All classes of a model in one layer, by the predict dock in a real viewer."""

import csv
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QDialog, QLabel, QTableView
from superqt import QLabeledDoubleSlider

from napari_unet.layers.class_layers import layer_classes, layer_thresholds
from napari_unet.layers.plugin_layers import add_class_labels
from napari_unet.layers.unpredicted import unpredicted_slices
from napari_unet.prediction.class_prediction import predict_classes
from napari_unet.prediction.predictor import load_predictor
from napari_unet.widgets.common import background
from napari_unet.widgets.predict import classes_view
from napari_unet.widgets.predict.dock import PredictDock
from tests.napari_unet.class_model import CLASSES, write_class_model
from tests.napari_unet.widgets.layout_faults import faults_of
from training.errors import UserError
from training.label_classes import LabelClasses
from training.metrics.class_metrics import class_overlap

Button = Callable[..., object]
PREDICT = "Predict all classes"
FIGURES_OF_CLASSES = ("dice", "dice_membrane", "dice_mitochondria")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(viewer: Viewer) -> PredictDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    return dock


def row_of(dock: PredictDock, name: str) -> tuple[QCheckBox, QLabeledDoubleSlider]:
    """The box of a class, and the slider of its threshold."""
    boxes, sliders = dock.findChildren(QCheckBox), dock.findChildren(QLabeledDoubleSlider)
    told = f"Probability from which on a pixel is {name}"
    return (
        next(box for box in boxes if box.accessibleName() == f"Threshold of {name}"),
        next(slider for slider in sliders if slider.accessibleName() == told),
    )


def drag_handle(slider: QLabeledDoubleSlider, to: float, qtbot: QtBot) -> None:
    """Drag the handle by the mouse to that part of the groove."""
    groove = slider._slider
    share = (slider.value() - slider.minimum()) / (slider.maximum() - slider.minimum())
    width, middle = groove.width() - 1, groove.height() // 2
    begin, end = (QPoint(round(at * (width - 14)) + 7, middle) for at in (share, to))
    qtbot.mousePress(groove, LEFT, pos=begin)
    for at in (QPoint((begin.x() + end.x()) // 2, middle), end, QPoint(round(to * width), middle)):
        qtbot.mouseMove(groove, at)
    qtbot.mouseRelease(groove, LEFT, pos=QPoint(round(to * width), middle))


def row_faults(dock: PredictDock) -> list[str]:
    """What is cut or hidden, but for the model, whose path is elided."""
    return [fault for fault in faults_of(dock) if not fault.startswith("ElidingComboBox")]


def texts(dock: PredictDock) -> str:
    return " ".join(label.text() for label in dock.findChildren(QLabel))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_class_model(tmp_path / "classes.onnx")


@pytest.fixture
def decided(model: Path, images: np.ndarray) -> Callable[..., np.ndarray]:
    """``decided(mitochondria=0.4)`` is what thresholds make of the images without a window."""
    predictor = load_predictor(model, of_class=None)
    pages = [page for _, page in predictor.predict(images)]
    return lambda **chosen: np.stack([predictor.classes.decide(page, chosen) for page in pages])


@pytest.fixture
def layer(viewer: Viewer, dock: PredictDock, qtbot: QtBot, button: Button, model: Path) -> Labels:
    """All classes of the images, predicted by clicks in a window of 1280 x 800."""
    viewer.window._qt_window.resize(1280, 800)
    dock.use_model(model)
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    qtbot.mouseClick(button(dock, PREDICT), LEFT)
    qtbot.waitUntil(lambda: "tissue classes" in viewer.layers)
    qtbot.waitUntil(button(dock, PREDICT).isEnabled, timeout=30_000)
    return viewer.layers["tissue classes"]


def test_all_classes_become_a_layer_with_their_colours(
    viewer: Viewer, layer: Labels, decided: Callable[..., np.ndarray]
) -> None:
    np.testing.assert_array_equal(layer.data, decided())
    assert layer_classes(layer) == LabelClasses.parse(CLASSES)
    np.testing.assert_array_equal(layer.scale, viewer.layers["tissue"].scale)
    np.testing.assert_allclose(layer.get_color(2)[:3], np.array([0x56, 0xB4, 0xE9]) / 255)


def test_a_threshold_decides_a_class_at_once_as_it_does_without_a_window(
    viewer: Viewer,
    dock: PredictDock,
    layer: Labels,
    decided: Callable[..., np.ndarray],
    qtbot: QtBot,
    button: Button,
) -> None:
    box, slider = row_of(dock, "mitochondria")
    np.testing.assert_array_equal(layer.data, decided())
    assert layer_thresholds(layer) == {} and not slider.isEnabled()
    dock.ensureWidgetVisible(slider)
    qtbot.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    drag_handle(slider, to=0, qtbot=qtbot)
    qtbot.waitUntil(lambda: layer_thresholds(layer) == {"mitochondria": 0.01})
    np.testing.assert_array_equal(layer.data, decided(mitochondria=0.01))
    drag_handle(slider, to=1, qtbot=qtbot)
    qtbot.waitUntil(lambda: layer_thresholds(layer) == {"mitochondria": 0.99})
    np.testing.assert_array_equal(layer.data, decided(mitochondria=0.99))
    assert (decided(mitochondria=0.01) == 2).sum() > (decided() == 2).sum() > 0
    assert "'tissue classes' follows the thresholds." in texts(dock)
    qtbot.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    qtbot.waitUntil(lambda: layer_thresholds(layer) == {})
    np.testing.assert_array_equal(layer.data, decided())


def test_evaluate_judges_what_the_thresholds_make_and_names_them(
    viewer: Viewer,
    dock: PredictDock,
    layer: Labels,
    decided: Callable[..., np.ndarray],
    qtbot: QtBot,
    button: Button,
) -> None:
    truth = np.where(decided() == 2, 2, decided(membrane=0.9)).astype(np.uint8)
    truth[:, :9] = 0
    names = LabelClasses.parse(CLASSES)
    add_class_labels(viewer, truth, viewer.layers["tissue"], "truth", names)
    _, evaluate = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")

    def table(**chosen: float) -> list[list[str]]:
        """The rows that Evaluate copies, as they are by hand."""
        found = decided(**chosen)
        rows = [
            class_overlap(page.ravel(), wanted.ravel(), names)
            for page, wanted in zip(found, truth, strict=True)
        ]
        told = ",".join(f"{name}={number}" for name, number in chosen.items())
        figures = [[f"{row[name]:.6f}" for name in FIGURES_OF_CLASSES] for row in rows]
        return [[*row, told] for row in figures]

    def copied() -> list[list[str]]:
        button(evaluate, "Copy").click()
        rows = csv.DictReader(QApplication.clipboard().text().splitlines(), delimiter="\t")
        columns = (*FIGURES_OF_CLASSES, "thresholds")
        return [[row[name] for name in columns] for row in rows if row["slice"].isdecimal()]

    qtbot.waitUntil(lambda: "mean" in texts(evaluate) or "held out" in texts(evaluate))
    assert copied() == table() and "Threshold of" not in texts(evaluate)
    box, slider = row_of(dock, "mitochondria")
    box.click()
    slider.setValue(0.9)
    qtbot.waitUntil(lambda: "Threshold of mitochondria 0.9." in texts(evaluate))
    qtbot.waitUntil(lambda: copied() == table(mitochondria=0.9))
    assert table(mitochondria=0.9) != table()
    box.click()
    qtbot.waitUntil(lambda: copied() == table())
    assert "Threshold of" not in texts(evaluate)


def test_the_wheel_passes_over_the_sliders_and_long_names_are_not_cut(
    viewer: Viewer, dock: PredictDock, layer: Labels, tmp_path: Path, qtbot: QtBot, button: Button
) -> None:
    name = "mitochondria of glia and of neurons"
    dock.use_model(write_class_model(tmp_path / "long.onnx", f"membrane,{name}"))
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    box, slider = row_of(dock, name)
    qtbot.mouseClick(box, LEFT, pos=QPoint(6, box.height() // 2))
    assert box.isChecked() and name in box.toolTip()
    button(dock, PREDICT).setFocus()
    place = QPointF(slider._slider.rect().center())
    turned = QWheelEvent(
        *(place, QPointF(slider._slider.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120)),
        *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase),
        False,
    )
    QApplication.sendEvent(slider._slider, turned)
    assert slider.value() == 0.5
    qtbot.waitUntil(lambda: row_faults(dock) == [])  # when it is laid out


def test_a_slice_that_was_painted_stays_until_that_is_undone(
    viewer: Viewer,
    dock: PredictDock,
    layer: Labels,
    decided: Callable[..., np.ndarray],
    qtbot: QtBot,
) -> None:
    box, slider = row_of(dock, "membrane")
    layer.brush_size = 9
    layer.paint((4, 30, 60), 2)
    painted = layer.data[4].copy()
    assert (painted != decided()[4]).any()
    box.click()
    slider.setValue(0.9)
    qtbot.waitUntil(lambda: layer_thresholds(layer) == {"membrane": 0.9})
    expected = decided(membrane=0.9)
    np.testing.assert_array_equal(layer.data[4], painted)
    np.testing.assert_array_equal(np.delete(layer.data, 4, 0), np.delete(expected, 4, 0))
    assert "but for slices edited by hand: 4." in texts(dock)
    qtbot.waitUntil(lambda: row_faults(dock) == [])  # when it is laid out
    layer.undo()
    slider.setValue(0.2)
    qtbot.waitUntil(lambda: layer_thresholds(layer) == {"membrane": 0.2})
    np.testing.assert_array_equal(layer.data, decided(membrane=0.2))


def test_thresholds_are_those_of_the_next_prediction_and_are_found_with_the_layer(
    viewer: Viewer,
    dock: PredictDock,
    layer: Labels,
    decided: Callable[..., np.ndarray],
    model: Path,
    qtbot: QtBot,
    button: Button,
) -> None:
    viewer.layers.remove(layer)
    assert "Thresholds are those of the next prediction." in texts(dock)
    box, slider = row_of(dock, "mitochondria")
    box.click()
    slider.setValue(0.3)
    qtbot.mouseClick(button(dock, PREDICT), LEFT)
    qtbot.waitUntil(lambda: "tissue classes" in viewer.layers)
    qtbot.waitUntil(button(dock, PREDICT).isEnabled, timeout=30_000)
    again = viewer.layers["tissue classes"]
    np.testing.assert_array_equal(again.data, decided(mitochondria=0.3))
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    _, new = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    new.use_model(model)
    qtbot.waitUntil(lambda: button(new, PREDICT).isVisibleTo(new))
    box, slider = row_of(new, "mitochondria")
    assert box.isChecked() and slider.value() == 0.3
    assert not row_of(new, "membrane")[0].isChecked()


@pytest.fixture
def goes_on(dock: PredictDock, model: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Until it is set, a prediction of classes waits after each slice."""
    event = threading.Event()

    def predict_slowly(*given: Any) -> Iterator[int]:
        for index in predict_classes(*given):
            yield index
            event.wait(60)

    monkeypatch.setattr(classes_view, "predict_classes", predict_slowly)
    dock.use_model(model)
    return event


def test_a_dock_that_is_closed_while_classes_are_predicted_ends_that(
    viewer: Viewer, dock: PredictDock, goes_on: threading.Event, qtbot: QtBot, button: Button
) -> None:
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    qtbot.mouseClick(button(dock, PREDICT), LEFT)
    qtbot.waitUntil(lambda: "1 of 7" in texts(dock))
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    goes_on.set()
    qtbot.waitUntil(lambda: not background._working)
    layer = viewer.layers["tissue classes"]
    done = [page.any() for page in layer.data].count(True)
    assert 0 < done < len(layer.data), "what was done is kept"


def test_classes_that_were_cancelled_say_which_slices_are_missing(
    viewer: Viewer,
    dock: PredictDock,
    goes_on: threading.Event,
    qtbot: QtBot,
    button: Button,
    tmp_path: Path,
    in_dialogs: Callable[..., list[QDialog]],
) -> None:
    viewer.window._qt_window.resize(1280, 800)
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    qtbot.mouseClick(button(dock, PREDICT), LEFT)
    qtbot.waitUntil(lambda: "1 of 7" in texts(dock))
    layer = viewer.layers["tissue classes"]
    assert unpredicted_slices(layer) == [1, 2, 3, 4, 5, 6]
    qtbot.mouseClick(button(dock.findChild(classes_view.ClassesView), "Cancel"), LEFT)
    goes_on.set()
    qtbot.waitUntil(lambda: "Ended after" in texts(dock))
    missing = unpredicted_slices(layer)
    assert missing == [index for index, page in enumerate(layer.data) if not page.any()]
    assert "are not predicted, and look empty." in texts(dock)
    qtbot.waitUntil(lambda: row_faults(dock) == [])  # when it is laid out
    truth = np.ones_like(layer.data)
    truth[:, :9] = 2
    classes = LabelClasses.parse(CLASSES)
    add_class_labels(viewer, truth, viewer.layers["tissue"], "truth", classes)
    _, evaluate = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    qtbot.waitUntil(lambda: "Not counted, because it is not predicted" in texts(evaluate))
    done = 7 - len(missing)
    assert evaluate.findChild(QTableView).model().rowCount() == done

    def refuse(box: QDialog) -> None:
        assert f"{done} of 7 slices are predicted." == box.text()
        assert "as if they were background" in box.informativeText()
        button(box, "Cancel").click()

    answered = in_dialogs(refuse)
    button(evaluate, "Export…").click()
    qtbot.waitUntil(lambda: len(answered) == 1)
    viewer.layers.selection = {layer}
    layer.save(str(tmp_path / "classes.tif"), plugin="napari-unet-mindspore")
    told = [notice.message for notice in notification_manager.records]
    assert any("classes.tif is saved. Slices" in message for message in told)


def test_what_ends_a_prediction_is_said_and_nothing_of_a_layer_that_is_gone(
    viewer: Viewer,
    dock: PredictDock,
    model: Path,
    images: np.ndarray,
    qtbot: QtBot,
    button: Button,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def predict_two(*given: Any) -> Iterator[int]:
        yield from islice(predict_classes(*given), 2)
        raise UserError("The device is gone.")

    viewer.dims.set_current_step(0, 0)
    dock.use_model(model)
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    with monkeypatch.context() as patch:
        patch.setattr(classes_view, "predict_classes", predict_two)
        button(dock, PREDICT).click()
    qtbot.waitUntil(button(dock, PREDICT).isEnabled)
    assert "The device is gone." in texts(dock)
    assert unpredicted_slices(viewer.layers["tissue classes"]) == [2, 3, 4, 5, 6]
    viewer.layers.clear()
    viewer.add_image(images, name="other")
    qtbot.waitUntil(lambda: button(dock, PREDICT).isVisibleTo(dock))
    button(dock, PREDICT).click()
    qtbot.waitUntil(lambda: "All classes of 7 slices" in texts(dock))
    viewer.layers.clear()
    assert "All classes" not in texts(dock)


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
