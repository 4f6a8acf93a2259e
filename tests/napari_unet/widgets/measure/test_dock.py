"""The measure dock, as a person uses it: with a mouse on the table, the plot and the canvas."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QDialog, QFileDialog, QLabel, QPushButton
from skimage.measure import label, regionprops_table

from napari_unet.layers.plugin_layers import add_class_labels
from napari_unet.layers.unpredicted import UNPREDICTED_KEY, unpredicted_slices
from napari_unet.measurement.tables import Table
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.files import long_task
from napari_unet.widgets.measure.dock import MeasureDock
from napari_unet.widgets.measure.model import MeasuresModel
from napari_unet.widgets.measure.plot import MeasuresPlot
from napari_unet.widgets.measure.table import MeasuresTable
from napari_unet.widgets.measure.work import measuring
from tests.napari_unet.measurement.volumes import NM, blobs
from tests.napari_unet.widgets.layout_faults import faults_of
from training.label_classes import LabelClasses

Button = Callable[..., QPushButton]


@pytest.fixture
def labels(viewer: Viewer) -> Labels:
    viewer.layers.clear()
    return viewer.add_labels(blobs(), name="objects", scale=NM, units=("nm",) * 3)


@pytest.fixture
def dock(viewer: Viewer, labels: Labels) -> MeasureDock:
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="Measure")
    viewer.window.resize(1280, 800)
    return dock


def measure(dock: MeasureDock, button: Button, qtbot: QtBot) -> MeasuresTable:
    table = dock.findChild(MeasuresTable)
    button(dock, "Measure").click()
    qtbot.waitUntil(table.isVisible)
    return table


def texts(table: MeasuresTable, title: str) -> list[str]:
    """A column from top to bottom, as it is shown."""
    model = table.model()
    titles = [
        model.headerData(column, Qt.Orientation.Horizontal) for column in range(model.columnCount())
    ]
    column = titles.index(title)
    return [model.index(row, column).data() for row in range(model.rowCount())]


def said(dock: MeasureDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel) if label.isVisible())


def click_row(table: MeasuresTable, row: int, qtbot: QtBot, key: Any = None) -> None:
    table.scrollTo(table.model().index(row, 0))
    place = table.visualRect(table.model().index(row, 0)).center()
    no_key = Qt.KeyboardModifier.NoModifier
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, key or no_key, place)


def choice(dock: MeasureDock, name: str) -> QComboBox:
    """Find the drop-down of this name."""
    combos = dock.findChildren(QComboBox)
    return next(combo for combo in combos if combo.accessibleName() == name)


def choose(dock: MeasureDock, name: str, text: str) -> None:
    """Choose from the drop-down of this name."""
    combo = choice(dock, name)
    combo.setCurrentText(text)
    combo.activated.emit(combo.currentIndex())


def test_a_table_of_objects_in_physical_units(
    dock: MeasureDock, labels: Labels, button: Button, qtbot: QtBot
) -> None:
    table = measure(dock, button, qtbot)
    truth = regionprops_table(labels.data, spacing=NM, properties=("label", "area"))
    assert texts(table, "object") == [str(number) for number in truth["label"]]
    volumes = [f"{volume * 1e-9:.4g}" for volume in truth["area"]]
    assert texts(table, "volume (µm³)") == volumes
    assert f"Objects: {len(volumes)}" in said(dock)
    choose(dock, "Rows", "objects in each slice")
    areas = [
        f"{area * 1e-6:.4g}"
        for page in labels.data
        for area in regionprops_table(page, spacing=NM[1:], properties=("area",))["area"]
    ]
    assert texts(table, "area (µm²)") == areas


def test_a_click_on_a_title_sorts_by_numbers(
    dock: MeasureDock, button: Button, qtbot: QtBot
) -> None:
    table = measure(dock, button, qtbot)
    header: Any = table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(2) + 10, header.height() // 2)
    for is_falling in (False, True):
        qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
        voxels = [int(text) for text in texts(table, "volume voxels")]
        assert voxels == sorted(voxels, reverse=is_falling)


def test_a_click_in_the_table_shows_the_object(
    dock: MeasureDock, labels: Labels, viewer: Viewer, button: Button, qtbot: QtBot
) -> None:
    table = measure(dock, button, qtbot)
    number = int(labels.data.max())  # a single voxel, at 5, 2, 2
    click_row(table, texts(table, "object").index(str(number)), qtbot)
    assert labels.selected_label == number
    assert viewer.dims.current_step[0] == 5
    assert viewer.scene.camera.center[-2:] == pytest.approx((2 * 4, 2 * 4))


def test_a_click_on_the_canvas_chooses_the_row(
    dock: MeasureDock,
    labels: Labels,
    button: Button,
    drag: Callable[..., None],
    viewer: Viewer,
    qtbot: QtBot,
) -> None:
    table = measure(dock, button, qtbot)
    viewer.dims.set_current_step(0, 3)
    pixel = tuple(int(at) for at in np.argwhere(labels.data[3, 10:40, 10:40])[0] + 10)
    number = labels.data[(3, *pixel)]
    drag(labels, pixel, pixel)
    qtbot.waitUntil(lambda: len(table.chosen) == 1)
    row = table.selectionModel().selectedRows()[0].row()
    assert texts(table, "object")[row] == str(number)
    choose(dock, "Rows", "objects in each slice")
    drag(labels, pixel, pixel)
    qtbot.waitUntil(lambda: len(table.chosen) == 1)
    row = table.selectionModel().selectedRows()[0].row()
    assert (texts(table, "slice")[row], texts(table, "object")[row]) == ("3", str(number))


def click_plot(plot: MeasuresPlot, x: float, y: float, qtbot: QtBot) -> None:
    plot.grab()  # the range is found when it is drawn
    scene = plot.getPlotItem().vb.mapViewToScene(QPointF(x, y))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.mapFromScene(scene))


def test_clicks_in_the_plots_choose_rows(
    dock: MeasureDock, labels: Labels, button: Button, qtbot: QtBot
) -> None:
    table, plot = measure(dock, button, qtbot), dock.findChild(MeasuresPlot)
    voxels = np.bincount(labels.data.ravel())[1:]
    choose(dock, "Measure along x", "volume voxels")
    largest = int(np.argmax(voxels))
    click_plot(plot, voxels[largest] * 0.998, 0.5, qtbot)
    qtbot.waitUntil(lambda: largest in table.chosen, timeout=5000)
    assert voxels[table.chosen].min() > 0.8 * voxels[largest]
    table.clearSelection()
    choose(dock, "Measure along y", "slices")
    depth = len({*np.nonzero(labels.data == largest + 1)[0].tolist()})
    click_plot(plot, float(voxels[largest]), float(depth), qtbot)
    qtbot.waitUntil(lambda: [*table.chosen] == [largest])
    assert labels.selected_label == largest + 1


def test_chosen_rows_alone_are_exported(
    dock: MeasureDock,
    button: Button,
    save_as: Callable[..., list[QDialog]],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    table = measure(dock, button, qtbot)
    click_row(table, 1, qtbot)
    click_row(table, 3, qtbot, Qt.KeyboardModifier.ControlModifier)
    save_as(tmp_path / "two.csv")
    button(dock, "Export 2 chosen…").click()
    qtbot.waitUntil((tmp_path / "two.csv").exists)
    rows = [*csv.DictReader((tmp_path / "two.csv").read_text().splitlines())]
    assert [row["object"] for row in rows] == ["2", "4"]
    save_as(tmp_path / "all.csv")
    button(dock, "Export all…").click()
    qtbot.waitUntil((tmp_path / "all.csv").exists)
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 1 + table.model().rowCount()


def test_a_mask_is_refused_and_its_parts_are_measured(
    dock: MeasureDock, labels: Labels, viewer: Viewer, button: Button, qtbot: QtBot
) -> None:
    viewer.layers.clear()
    mask = viewer.add_labels((blobs() > 0).astype(np.uint8), name="mask")
    button(dock, "Measure").click()
    qtbot.waitUntil(lambda: "Choose 'connected parts'" in said(dock))
    choose(dock, "Objects", "connected parts")
    table = measure(dock, button, qtbot)
    parts = label(mask.data, connectivity=1)
    assert texts(table, "volume voxels") == [str(n) for n in np.bincount(parts.ravel())[1:]]
    assert np.array_equal(viewer.layers["mask parts"].data, parts)
    assert "The pixel size is not known" in said(dock)
    click_row(table, 2, qtbot)
    assert viewer.layers["mask parts"].selected_label == 3


def test_parts_of_classes_say_their_class(
    dock: MeasureDock, viewer: Viewer, button: Button, qtbot: QtBot
) -> None:
    labels = np.zeros((5, 24, 24), np.uint8)
    labels[:2, 2:6, 2:6], labels[1:3, 12:20, 12:20], labels[:3, 2:4, 12:16] = 2, 1, 2
    classes = LabelClasses.parse("membrane,mitochondria")
    viewer.layers.clear()
    add_class_labels(viewer, labels, viewer.add_image(labels, scale=NM), "classes", classes)
    viewer.layers["classes"].metadata[UNPREDICTED_KEY] = [0, 3, 4]
    table = measure(dock, button, qtbot)
    assert "Slices 3 and 4 of 'classes' are not predicted, and look empty." in said(dock)
    assert unpredicted_slices(viewer.layers["classes parts"]) == [0, 3, 4]
    assert texts(table, "class") == ["mitochondria", "mitochondria", "membrane"]
    assert choice(dock, "Objects").currentText() == "connected parts", "chosen by itself"
    assert "membrane: 1 (4.4%), mitochondria: 2 (1.9%)" in said(dock)
    header: Any = table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(2) + 10, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert texts(table, "class") == ["membrane", "mitochondria", "mitochondria"]
    qtbot.waitUntil(lambda: faults_of(dock) == [], timeout=5000)


def test_objects_of_one_class_are_listed_and_exported(
    dock: MeasureDock,
    viewer: Viewer,
    button: Button,
    qtbot: QtBot,
    save_as: Callable[..., object],
    tmp_path: Path,
) -> None:
    labels = np.zeros((3, 24, 24), np.uint8)
    labels[:2, 2:6, 2:6], labels[1:, 12:20, 12:20], labels[:, 2:4, 12:16] = 2, 1, 2
    viewer.layers.clear()
    image = viewer.add_image(labels, scale=NM)
    layer = add_class_labels(viewer, labels, image, "classes", LabelClasses.parse("wall,mito"))
    table = measure(dock, button, qtbot)
    box = choice(dock, "Class")
    assert [box.itemText(index) for index in range(box.count())] == [
        "all classes",
        "mito",
        "wall",
    ]
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert texts(table, "object") == ["1", "2"] and texts(table, "class") == ["mito", "mito"]
    path = tmp_path / "mito.csv"
    save_as(path)
    button(dock, "Export all…").click()
    qtbot.waitUntil(path.exists)
    assert [row["class"] for row in csv.DictReader(path.read_text().splitlines())] == [
        "mito",
        "mito",
    ]
    click_row(table, 1, qtbot)
    assert viewer.layers["classes parts"].selected_label == 2
    layer.data[0, 20:, :4] = 2
    layer.refresh()
    button(dock, "Measure").click()
    qtbot.waitUntil(lambda: texts(table, "object") == ["1", "2", "3"])
    assert box.currentText() == "mito" and "classes parts [1]" not in viewer.layers
    viewer.layers["classes parts"].paint((0, 20, 20), 9)
    button(dock, "Measure").click()
    qtbot.waitUntil(lambda: "classes parts [1]" in viewer.layers)  # the painted one stays


def test_the_selected_labels_are_chosen_when_the_dock_is_opened(
    viewer: Viewer, labels: Labels, qtbot: QtBot
) -> None:
    viewer.layers.selection.active = viewer.add_labels(labels.data.astype(np.uint8), name="newer")
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    assert dock.findChild(LayerChoice).currentText() == "newer"


def test_edits_are_told(dock: MeasureDock, labels: Labels, button: Button, qtbot: QtBot) -> None:
    measure(dock, button, qtbot)
    labels.paint((3, 4, 4), 1)
    assert "have changed since" in said(dock)


def test_an_image_of_another_shape_is_refused(
    dock: MeasureDock, viewer: Viewer, button: Button
) -> None:
    viewer.add_image(np.zeros((2, 9, 9)), name="other")
    dock.findChild(QCheckBox).click()
    button(dock, "Measure").click()
    assert "'other' has the shape (2, 9, 9)" in said(dock)


def test_an_image_of_other_pixels_is_questioned(
    dock: MeasureDock, viewer: Viewer, labels: Labels, button: Button, qtbot: QtBot
) -> None:
    size = tuple(2 * side for side in NM)
    viewer.add_image(np.zeros(labels.data.shape), name="other", scale=size, units=("nm",) * 3)
    dock.findChild(QCheckBox).click()
    measure(dock, button, qtbot)
    assert "and 'other' of" in said(dock) and "all is measured by the first" in said(dock)


def test_rows_keep_the_table_s_order_where_values_are_equal() -> None:
    model = MeasuresModel()
    model.show(Table({"object": np.array([5, 7, 9]), "slices": np.array([2, 1, 2])}))
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert [*model.rows_of(np.arange(3))] == [0, 2, 1]
    assert [*model.shown_rows(np.array([1, 2]))] == [1, 2]


def test_rows_chosen_in_very_many_places_come_first_and_stay_chosen(qtbot: QtBot) -> None:
    count = 3000
    places = np.random.default_rng(0).permutation(count)
    kinds = [f"kind {place % 7}" for place in places]
    table = MeasuresTable()
    qtbot.addWidget(table)
    table.show_table(Table({"object": np.arange(count), "class": kinds, "size": places / 2}))
    table.show()

    def chosen() -> list[int]:
        return sorted(int(one.data()) for one in table.selectionModel().selectedRows())

    every_other = np.arange(0, count, 2)
    table.choose(every_other)
    assert texts(table, "object")[:1500] == [str(row) for row in every_other]
    assert chosen() == table.chosen.tolist() == every_other.tolist()
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)  # the chosen are still the first
    assert chosen() == every_other.tolist()
    assert texts(table, "object")[:1500] == [
        str(row) for row in np.argsort(-places, kind="stable") if row % 2 == 0
    ]
    table.choose(np.array([7, 9]))
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert texts(table, "class") == sorted(kinds) and chosen() == [7, 9]


def test_skeletons_of_chosen_objects_are_saved(
    dock: MeasureDock,
    button: Button,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    table = measure(dock, button, qtbot)
    click_row(table, 0, qtbot)
    click_row(table, 2, qtbot, Qt.KeyboardModifier.ControlModifier)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    menu = button(dock, "Export shapes of chosen…").menu()
    next(action for action in menu.actions() if "swc" in action.text()).trigger()
    qtbot.waitUntil(lambda: {*tmp_path.glob("*.swc")} == {tmp_path / "1.swc", tmp_path / "3.swc"})


def test_nothing_of_the_results_is_cut(dock: MeasureDock, button: Button, qtbot: QtBot) -> None:
    measure(dock, button, qtbot)
    qtbot.waitUntil(lambda: faults_of(dock) == [], timeout=5000)  # it is laid out in steps


def test_a_dock_that_is_closed_while_it_measures_leaves_the_viewer_alone(
    viewer: Viewer,
    dock: MeasureDock,
    labels: Labels,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = threading.Event()

    def measuring_slowly(*given: Any) -> Callable[..., Any]:
        work = measuring(*given)
        return lambda progress: goes_on.wait(60) and work(progress)

    monkeypatch.setattr("napari_unet.widgets.measure.dock.measuring", measuring_slowly)
    qtbot.mouseClick(button(dock, "Measure"), Qt.MouseButton.LeftButton)
    assert long_task._running
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    goes_on.set()
    qtbot.waitUntil(lambda: not long_task._running)
    assert [*viewer.layers] == [labels]
