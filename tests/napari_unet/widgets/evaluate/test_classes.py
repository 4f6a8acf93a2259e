"""Layers of classes in the evaluate dock: the Dice of each, in table, summary and plot."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from PIL import Image, ImageColor
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDialog, QLabel, QLineEdit, QTableView

from napari_unet.layers.colors import ERROR_COLOR
from napari_unet.layers.plugin_layers import MODEL_KEY, add_class_labels, add_mask
from napari_unet.widgets.evaluate.dock import EvaluateDock
from napari_unet.widgets.evaluate.plot import DicePlot
from tests.napari_unet.widgets.layout_faults import faults_of
from training.label_classes import LabelClasses
from training.metrics.pixel_metrics import overlap_figures

CLASSES = LabelClasses.parse("membrane,mitochondria,nuclei=7,unknown=255")
OTHER_VALUES = LabelClasses.parse("nuclei=1,mitochondria=2,membrane=3")
BY_NAME = {1: 3, 2: 2, 7: 1, 0: 0, 255: 0}
DOCKS = "napari-unet-mindspore", "Evaluate"


@pytest.fixture
def pages(membrane: np.ndarray) -> np.ndarray:
    """Values of CLASSES (7, Y, X): two bars beside membranes, and unknown pixels."""
    labels = membrane.astype(np.uint8)
    labels[:, 4:12, 4:24], labels[:, 20:30, 20:40] = 2, 7
    labels[:, -3:] = 255
    return labels


@pytest.fixture
def truth(viewer: Viewer, pages: np.ndarray) -> Labels:
    return add_class_labels(viewer, pages, viewer.layers["tissue"], "truth", CLASSES)


@pytest.fixture
def found(viewer: Viewer, truth: Labels) -> Labels:
    """Predicted: of slice 2 half of the mitochondria; the values are others, the names the same."""
    wrong = truth.data.copy()
    wrong[2, 4:12, 4:14] = 0
    values = np.vectorize(BY_NAME.__getitem__)(wrong).astype(np.uint8)
    layer = add_class_labels(viewer, values, viewer.layers["tissue"], "found", OTHER_VALUES)
    layer.metadata[MODEL_KEY] = "runs/a"
    return layer


@pytest.fixture
def dock(viewer: Viewer) -> Callable[[], EvaluateDock]:
    return lambda: viewer.window.add_plugin_dock_widget(*DOCKS)[1]


def said(dock: EvaluateDock) -> str:
    return unescape(" ".join(label.text() for label in dock.findChildren(QLabel)))


def column(dock: EvaluateDock, title: str) -> list[str]:
    model: Any = dock.findChild(QTableView).model()
    titles = [
        model.headerData(place, Qt.Orientation.Horizontal) for place in range(model.columnCount())
    ]
    place = titles.index(title)
    return [model.index(row, place).data() for row in range(model.rowCount())]


def test_each_class_has_its_dice_in_table_summary_and_plot(
    dock: Callable[[], EvaluateDock], truth: Labels, found: Labels, viewer: Viewer, qtbot: QtBot
) -> None:
    viewer.window.resize(1280, 800)
    evaluate = dock()
    qtbot.waitUntil(lambda: "mean" in said(evaluate))
    known = truth.data[2] != 255
    expected = overlap_figures(found.data[2][known] == 2, truth.data[2][known] == 2)["dice"]
    assert 0.6 < expected < 0.7
    wanted = ["1.000"] * 7
    assert column(evaluate, "membrane") == column(evaluate, "nuclei") == wanted
    wanted[2] = f"{expected:.3f}"
    assert column(evaluate, "mitochondria") == wanted
    assert column(evaluate, "Dice")[2] == f"{(2 + expected) / 3:.3f}"
    assert f"{(6 + expected) / 7:.3f}" in said(evaluate)
    lines = evaluate.findChild(DicePlot).listDataItems()
    [line] = [line for line in lines if line.opts["pen"].color().name() == "#56b4e9"]
    np.testing.assert_allclose(line.getData()[1][2], expected)
    scrolls = {"FiguresTable has a horizontal scroll bar"}  # there may be sixteen classes
    qtbot.waitUntil(lambda: {*faults_of(evaluate)} <= scrolls, timeout=5000)


def test_classes_from_files_are_compared_and_exported_with_a_picture(
    dock: Callable[[], EvaluateDock],
    truth: Labels,
    found: Labels,
    button: Callable[..., Any],
    in_dialogs: Callable[..., list[QDialog]],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    del found.metadata[MODEL_KEY]  # nobody knows who made it
    evaluate = dock()
    qtbot.waitUntil(lambda: "mean" in said(evaluate))
    assert column(evaluate, "membrane") == ["1.000"] * 7

    def fill(dialog: QDialog) -> None:
        folder, _ = dialog.findChildren(QLineEdit)
        folder.setText(str(tmp_path))
        button(dialog, "Save").click()

    in_dialogs(fill)
    button(evaluate, "Export…").click()
    qtbot.waitUntil((tmp_path / "tissue-picture.png").exists)
    with Image.open(tmp_path / "tissue-picture.png") as picture:
        colors = {color for _, color in picture.getcolors(2**24)}
    assert {ImageColor.getrgb(member.color) for member in CLASSES.members[1:]} < colors
    assert ImageColor.getrgb(ERROR_COLOR) in colors


def test_painting_a_class_and_its_errors_are_followed(
    dock: Callable[[], EvaluateDock],
    truth: Labels,
    found: Labels,
    button: Callable[..., Any],
    viewer: Viewer,
    qtbot: QtBot,
) -> None:
    evaluate = dock()
    qtbot.waitUntil(lambda: "mean" in said(evaluate))
    button(evaluate, "Errors").click()
    errors = next(layer for layer in viewer.layers if "rror" in layer.name)
    missing = np.zeros(truth.data.shape, np.uint8)
    missing[2, 4:12, 4:14] = 2  # false negatives
    qtbot.waitUntil(lambda: np.array_equal(errors.data, missing))
    viewer.dims.set_current_step(0, 2)
    indices = tuple(np.nonzero(missing))
    found.data_setitem(indices, np.full(len(indices[0]), 2, np.uint8))
    qtbot.waitUntil(lambda: column(evaluate, "mitochondria")[2] == "1.000")
    qtbot.waitUntil(lambda: not errors.data.any())


def test_classes_are_judged_by_membranes_and_other_classes_are_refused(
    dock: Callable[[], EvaluateDock], found: Labels, viewer: Viewer, qtbot: QtBot
) -> None:
    tissue = viewer.layers["tissue"]
    add_mask(viewer, (found.data == 3).astype(np.uint8), tissue, "membranes")
    evaluate = dock()
    masks, truths = evaluate.findChildren(QComboBox)[:2]

    def choose(combo: QComboBox, name: str) -> None:
        combo.setCurrentText(name)
        combo.activated.emit(combo.currentIndex())

    choose(masks, "found")
    choose(truths, "membranes")
    qtbot.waitUntil(lambda: "mean" in said(evaluate))
    assert column(evaluate, "Dice") == ["1.000"] * 7
    assert len(column(evaluate, "Rand")) == 7
    others = LabelClasses.parse("membrane,vesicles")
    add_class_labels(viewer, np.minimum(found.data, 2), tissue, "others", others)
    choose(truths, "others")
    qtbot.waitUntil(lambda: "Choose two layers of the same classes." in said(evaluate))
