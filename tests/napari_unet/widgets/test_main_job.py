"""The main job by mouse alone, with its clicks counted: drop, train, predict, judge, export."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QMenu,
    QMenuBar,
    QPushButton,
    QTableView,
    QWidget,
)

from napari_unet.launchers import local_launcher
from napari_unet.layers.plugin_layers import is_predicted_mask, is_preview
from napari_unet.settings import Settings, remember
from napari_unet.training_python.choice import TrainingPython
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.evaluate.dock import EvaluateDock
from napari_unet.widgets.train.dock import TrainDock
from tests.napari_unet.class_model import expected_channels, write_class_model
from training.label_classes import LabelClasses
from training.metrics.class_metrics import class_overlap
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

MENU = ("Plugins", "U-Net for membranes", "Train")
LEFT = Qt.MouseButton.LeftButton


class Hand:
    """A hand on a mouse that counts its clicks; a drop counts as one."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        self.clicks = 0
        self._window = viewer.window._qt_window
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._qtbot = qtbot

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        self.clicks += 1
        self._qtbot.mouseClick(widget, LEFT, pos=place or widget.rect().center())

    def press(self, dock: QWidget, text: str) -> None:
        """Click a button that is in sight, once it can be pressed."""

        def buttons() -> list[QPushButton]:
            found = dock.findChildren(QPushButton)
            in_sight = [widget for widget in found if not widget.visibleRegion().isEmpty()]
            return [widget for widget in in_sight if widget.text() == text]

        self._qtbot.waitUntil(lambda: any(button.isEnabled() for button in buttons()))
        (button,) = buttons()
        self.click(button)

    def choose(self, *titles: str) -> None:
        """Open one menu after the other, and click the entry."""
        menu: QMenuBar | QMenu = self._window.menuBar()
        for title in titles:
            self._qtbot.waitUntil(menu.isVisible)
            actions = menu.actions()
            action = next(
                found for found in actions if found.text().replace("&", "").startswith(title)
            )
            self.click(menu, menu.actionGeometry(action).center())
            menu = action.menu() or menu

    def drop(self, paths: list[Path]) -> None:
        """Drop files on the canvas, and take the reader that napari's question offers first."""
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        action, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        enter = QDragEnterEvent(QPoint(50, 50), action, mime, LEFT, keys)
        QApplication.sendEvent(self._canvas, enter)
        self.accept_next(QDialogButtonBox.StandardButton.Ok)
        self.clicks += 1
        drop = QDropEvent(QPointF(50, 50), action, mime, LEFT, keys)
        QApplication.sendEvent(self._canvas, drop)

    def accept_next(self, kind: QDialogButtonBox.StandardButton) -> None:
        """Click this button of the dialog that comes up next."""
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QDialog):
            QTimer.singleShot(50, partial(self.accept_next, kind))
            return
        self.click(dialog.findChild(QDialogButtonBox).button(kind))


@pytest.fixture
def pair(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> list[Path]:
    paths = [tmp_path / "labels.tif", tmp_path / "tissue.tif"]
    tifffile.imwrite(paths[0], np.where(membrane, 0, 255).astype(np.uint8))
    tifffile.imwrite(paths[1], images)
    return paths


@pytest.fixture
def instant_training(
    write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """Trainings end at once, with the model in this file."""
    remember(Settings(runs_folder=str(tmp_path / "runs")))
    model = write_model(fold=1)

    def finish(run: RunDirectory, python: TrainingPython) -> None:
        log = EventLog(run.events)
        totals = {
            "first_step": 0,
            "total_steps": 3,
            "total_epochs": 1,
            "preview_slice": 2,
            "valid_slices": [2],
        }
        log.append("started", device="CPU", world_size=1, **totals)
        run.onnx.write_bytes(model.read_bytes())
        preview = run.preview_image(1)
        Image.fromarray(np.full((61, 83), 99, np.uint8)).save(preview)
        log.append("preview", step=1, slice=2, path=run.relative(preview))
        log.append("finished", step=3, seconds=1.0)
        log.close()

    monkeypatch.setattr(local_launcher, "_start_training", finish)
    return model


def in_front(viewer: Viewer, kind: type[QWidget]) -> Callable[[], bool]:
    window = viewer.window._qt_window
    return lambda: any(not dock.visibleRegion().isEmpty() for dock in window.findChildren(kind))


@pytest.mark.usefixtures("instant_training")
def test_the_main_job_takes_at_most_nine_clicks(
    make_napari_viewer: Callable[..., Viewer], pair: list[Path], qtbot: QtBot, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1280, 800)
    hand = Hand(viewer, qtbot)

    hand.drop(pair)
    assert {layer.name for layer in viewer.layers} == {"tissue", "labels"}

    hand.choose(*MENU)
    qtbot.waitUntil(in_front(viewer, TrainDock))
    train = window.findChild(TrainDock)
    qtbot.waitUntil(lambda: "Membrane" in text(train))
    viewer.dims.set_current_step(0, 5)
    hand.press(train, "Start")
    hand.press(train, "Predict and evaluate")
    [run] = (tmp_path / "runs").iterdir()
    assert RunDirectory(run).read_config().preview_slice == 5, "the one that is looked at"

    qtbot.waitUntil(in_front(viewer, EvaluateDock))
    (preview,) = filter(is_preview, viewer.layers)
    assert not preview.visible
    evaluate = window.findChild(EvaluateDock)
    table = evaluate.findChild(QTableView).model()
    qtbot.waitUntil(lambda: [dice(table, row) > 0.8 for row in range(7)] == [True] * 7)
    hand.accept_next(QDialogButtonBox.StandardButton.Save)
    hand.press(evaluate, "Export…")
    names = ("mask.tif", "probability.tif", "figures.csv", "picture.png")
    qtbot.waitUntil(lambda: all((pair[1].parent / f"tissue-{name}").exists() for name in names))
    assert hand.clicks <= 9


def test_a_training_with_classes_is_predicted_and_judged_by_its_classes(
    make_napari_viewer: Callable[..., Viewer],
    images: np.ndarray,
    instant_training: Path,
    qtbot: QtBot,
) -> None:
    written = "membrane=1,mitochondria=3"
    write_class_model(instant_training, written)
    truth = np.array([0, 1, 3], np.uint8)[expected_channels(images)]
    truth[:, :20] = 0
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 800)
    viewer.add_image(images, name="tissue")
    viewer.add_labels((images < 128).astype(np.uint8), name="other labels")
    labels = viewer.add_labels(truth, name="kinds")
    hand = Hand(viewer, qtbot)
    hand.choose(*MENU)
    qtbot.waitUntil(in_front(viewer, TrainDock))
    train = viewer.window._qt_window.findChild(TrainDock)
    train.choose_layers(viewer.layers["tissue"], labels)
    qtbot.waitUntil(lambda: "name what the values are" in text(train))
    names = next(line for line in train.findChildren(QLineEdit) if "membrane," in line.toolTip())
    qtbot.keyClicks(names, written)
    qtbot.keyClick(names, Qt.Key.Key_Return)
    hand.press(train, "Start")
    hand.press(train, "Predict and evaluate")

    qtbot.waitUntil(in_front(viewer, EvaluateDock))
    evaluate = viewer.window._qt_window.findChild(EvaluateDock)
    judged, wanted = evaluate.findChildren(LayerChoice)
    assert (judged.layer, wanted.layer) == (viewer.layers["tissue classes"], labels)
    assert not any(map(is_predicted_mask, viewer.layers))
    qtbot.waitUntil(lambda: "mean" in text(evaluate) or "held out" in text(evaluate))
    hand.press(evaluate, "Copy")
    rows = csv.DictReader(QApplication.clipboard().text().splitlines(), delimiter="\t")
    found, named = judged.layer.data, LabelClasses.parse(written)
    for page, row in enumerate(list(rows)[: len(found)]):
        channels = named.channels(found[page]).ravel(), named.channels(truth[page]).ravel()
        figures = class_overlap(*channels, named)
        for figure in ("dice", "dice_membrane", "dice_mitochondria"):
            assert float(row[figure]) == pytest.approx(figures[figure], abs=1e-6)


def text(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def dice(table: object, row: int) -> float:
    return float(table.index(row, 1).data() or 0)
