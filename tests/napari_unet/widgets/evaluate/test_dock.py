import csv
import io
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers import Labels
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QSpinBox,
    QTableView,
)

from napari_unet.evaluation.comparison import Comparison
from napari_unet.layers.plugin_layers import (
    MODEL_KEY,
    THRESHOLD_KEY,
    TRAINED_KEY,
    add_mask,
    add_probability,
    add_sparse_labels,
)
from napari_unet.layers.unpredicted import UNPREDICTED_KEY
from napari_unet.widgets.evaluate.buttons import EvaluateButtons
from napari_unet.widgets.evaluate.canvas import grid_shape
from napari_unet.widgets.evaluate.dock import EvaluateDock
from tests.training.stacks.indexed_pixels import IndexedPixels
from training.config import preset_config
from training.label_convention import IdBorders, LabelConvention
from training.metrics.neuron_metrics import fill_neurons, label_neurons, neuron_figures_of_mask
from training.metrics.pixel_metrics import overlap_figures
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.fingerprint import fingerprint
from training.stacks.label_reading import LabelReading
from training.stacks.sparse_labels import MEMBRANE

Button = Callable[..., object]
EXPORTED_TIFS = ("mask", "probability")
FailOnce = Callable[..., Callable[[], bool]]


@pytest.fixture
def truth(viewer: Viewer, membrane: np.ndarray) -> Labels:
    tissue = viewer.layers["tissue"]
    return viewer.add_labels(
        membrane.astype(np.uint8), name="truth", scale=tissue.scale, units=tissue.units
    )


@pytest.fixture
def mask(viewer: Viewer, truth: Labels) -> Labels:
    """Wrong in more and more rows from slice to slice, but slice 2 is the worst."""
    wrong = truth.data.copy()
    for index, rows in enumerate((1, 2, 30, 3, 4, 5, 6)):
        wrong[index, :rows] ^= 1
    return add_mask(viewer, wrong, viewer.layers["tissue"], "mask")


@pytest.fixture
def dock(viewer: Viewer, mask: Labels, qtbot: QtBot) -> EvaluateDock:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    qtbot.waitUntil(lambda: "mean" in summary(dock))
    return dock


def summary(dock: EvaluateDock) -> str:
    return unescape(" ".join(label.text() for label in dock.findChildren(QLabel)))


def column(dock: EvaluateDock, number: int) -> list[str]:
    model = dock.findChild(QTableView).model()
    return [model.index(row, number).data() for row in range(model.rowCount())]


def dice(mask: Labels, truth: Labels, index: int) -> str:
    return f"{overlap_figures(mask.data[index] != 0, truth.data[index] != 0)['dice']:.3f}"


def on_canvas(viewer: Viewer) -> str:
    overlay = viewer.canvas.overlays.text
    return overlay.text if overlay.visible else ""


def test_table_tells_every_slice(dock: EvaluateDock, mask: Labels, truth: Labels) -> None:
    assert column(dock, 0) == list(range(7))
    assert column(dock, 1) == [dice(mask, truth, index) for index in range(7)]
    mean = np.mean([float(figure) for figure in column(dock, 1)])
    assert f"{mean:.3f}" in summary(dock)


def test_the_threshold_of_a_predicted_mask_is_told(
    dock: EvaluateDock, mask: Labels, qtbot: QtBot
) -> None:
    assert "Threshold" not in summary(dock)
    mask.metadata[THRESHOLD_KEY] = 0.35  # as Predict does, when all slices are decided
    mask.events.data(value=mask.data)
    qtbot.waitUntil(lambda: "Threshold of membrane 0.35." in summary(dock))


def test_a_mask_over_a_multiscale_image_is_evaluated_as_over_a_plain_one(
    viewer: Viewer, dock: EvaluateDock, qtbot: QtBot, images: np.ndarray
) -> None:
    images = images.copy()
    images[:, :, :20] = 0  # padding, which isn't counted
    plain = figures_over(viewer, dock, qtbot, images)
    assert figures_over(viewer, dock, qtbot, [images, images[:, ::2, ::2]]) == plain
    assert "padding" in summary(dock)


def figures_over(viewer: Viewer, dock: EvaluateDock, qtbot: QtBot, data: object) -> list[list[str]]:
    """The table with another image under the mask, once it is chosen again."""
    tissue = viewer.layers["tissue"]
    viewer.layers.remove(tissue)
    image = viewer.add_image(data, name="tissue", scale=tissue.scale, units=tissue.units)
    viewer.layers.move(viewer.layers.index(image), 0)
    mask = viewer.layers["mask"]
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: "mean" not in summary(dock))
    viewer.layers.append(mask)
    qtbot.waitUntil(lambda: "mean" in summary(dock))
    return [column(dock, number) for number in (0, 1)]


def test_table_sorts_by_a_figure(dock: EvaluateDock) -> None:
    table = dock.findChild(QTableView)
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert column(dock, 1) == sorted(column(dock, 1))
    assert column(dock, 0)[0] == 2


def test_a_row_moves_the_slider_and_the_slider_marks_the_row(
    viewer: Viewer, dock: EvaluateDock, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    table = dock.findChild(QTableView)
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    cell = table.visualRect(table.model().index(3, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell))
    chosen = column(dock, 0)[3]
    assert viewer.dims.current_step[0] == chosen
    assert on_canvas(viewer) == f"slice {chosen}   Dice {dice(mask, truth, chosen)}"
    viewer.dims.set_current_step(0, 5)
    assert column(dock, 0)[table.currentIndex().row()] == 5
    assert on_canvas(viewer) == f"slice 5   Dice {dice(mask, truth, 5)}"


def test_keys_go_to_the_worst_slice_and_on(
    viewer: Viewer, dock: EvaluateDock, qtbot: QtBot
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_W)
    assert viewer.dims.current_step[0] == 2
    qtbot.keyClick(canvas, Qt.Key.Key_W, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.dims.current_step[0] == 6


@pytest.mark.parametrize("edited", ["mask", "truth"])
def test_a_brush_stroke_updates_its_slice(
    viewer: Viewer, dock: EvaluateDock, mask: Labels, truth: Labels, qtbot: QtBot, edited: str
) -> None:
    viewer.dims.set_current_step(0, 4)
    before = column(dock, 1)
    layer = viewer.layers[edited]
    layer.brush_size = 20
    layer.paint((4, 30, 60), 1)
    qtbot.waitUntil(lambda: column(dock, 1)[4] != before[4])
    after = column(dock, 1)
    assert after == [dice(mask, truth, index) for index in range(7)]
    qtbot.waitUntil(lambda: on_canvas(viewer) == f"slice 4   Dice {after[4]}")
    layer.undo()
    qtbot.waitUntil(lambda: column(dock, 1) == before)


def test_neurons_are_measured_after_a_pause(
    viewer: Viewer, dock: EvaluateDock, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    def expected() -> list[str]:
        pairs = zip(mask.data != 0, map(label_neurons, truth.data == 0), strict=True)
        return [f"{neuron_figures_of_mask(*pair)['v_rand']:.3f}" for pair in pairs]

    qtbot.waitUntil(lambda: column(dock, 5) == expected())
    qtbot.waitUntil(lambda: "…" not in summary(dock))
    viewer.dims.set_current_step(0, 4)
    mask.brush_size = 20
    mask.paint((4, 30, 60), 1)
    qtbot.waitUntil(lambda: column(dock, 5)[4] == "…")
    qtbot.waitUntil(lambda: column(dock, 5) == expected())


def test_a_stroke_through_all_slices_updates_them(
    dock: EvaluateDock, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    mask.n_edit_dimensions = 3
    mask.brush_size = 16
    mask.paint((3, 30, 60), 1)
    expected = [dice(mask, truth, index) for index in range(7)]
    qtbot.waitUntil(lambda: column(dock, 1) == expected)


def test_new_data_are_compared_anew(
    dock: EvaluateDock, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    mask.data = truth.data.copy()
    qtbot.waitUntil(lambda: column(dock, 1) == ["1.000"] * 7)


def test_wrong_pixels_are_a_layer_that_follows_edits(
    viewer: Viewer,
    dock: EvaluateDock,
    mask: Labels,
    truth: Labels,
    button: Button,
    qtbot: QtBot,
) -> None:
    def are_shown() -> bool:
        return np.array_equal(errors.data != 0, mask.data != truth.data)

    viewer.layers.selection.active = mask
    button(dock, "Errors").click()
    errors = viewer.layers["mask errors"]
    assert viewer.layers.selection.active == mask
    qtbot.waitUntil(are_shown)
    mask.paint((3, 30, 60), 1)
    assert not are_shown()
    qtbot.waitUntil(are_shown)
    button(dock, "Errors").click()
    assert "mask errors" not in viewer.layers


def test_side_by_side_shows_three_cells_and_puts_all_back(
    viewer: Viewer, dock: EvaluateDock, button: Button
) -> None:
    other = viewer.add_image(np.zeros((7, 9, 9)), name="other")
    opacity = viewer.layers["mask"].opacity
    button(dock, "Side by side").click()
    assert viewer.canvas.grid.enabled
    assert sorted(viewer.canvas.grid.actual_shape(viewer.layers)) == [1, 3]
    assert viewer.layers["mask"].opacity == 1
    assert [layer.name for layer in viewer.layers if layer.visible] == ["tissue", "truth", "mask"]
    button(dock, "Side by side").click()
    assert not viewer.canvas.grid.enabled
    assert other.visible
    assert viewer.layers["mask"].opacity == opacity


@pytest.mark.parametrize(
    ("count", "canvas", "expected"),
    [(3, (720, 508), (3, 1)), (3, (500, 1400), (1, 3)), (4, (720, 508), (2, 2))],
)
def test_cells_fill_the_canvas(
    count: int, canvas: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert grid_shape(count, (512.0, 512.0), canvas) == expected


def test_figures_are_saved_and_copied(
    dock: EvaluateDock,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    viewer: Viewer,
    mask: Labels,
    in_dialogs: Callable[..., list[QDialog]],
) -> None:
    probability = mask.data.astype(np.float32)
    add_probability(viewer, probability, viewer.layers["tissue"], "tissue probability")

    def fill(dialog: QDialog) -> None:
        folder, name = dialog.findChildren(QLineEdit)
        assert name.text() == "tissue"
        folder.setText(str(tmp_path))
        assert all(box.isChecked() for box in dialog.findChildren(QCheckBox))
        button(dialog, "Save").click()

    in_dialogs(fill)
    button(dock, "Export…").click()
    qtbot.waitUntil((tmp_path / "tissue-picture.png").exists)
    mask_file, probability_file = (tmp_path / f"tissue-{name}.tif" for name in EXPORTED_TIFS)
    np.testing.assert_array_equal(tifffile.imread(mask_file) == 0, mask.data != 0)
    np.testing.assert_array_equal(tifffile.imread(probability_file), probability)
    with Image.open(tmp_path / "tissue-picture.png") as picture:
        assert picture.format == "PNG" and picture.height > 3 * 150  # a row a slice
    figures = (tmp_path / "tissue-figures.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(figures)))
    assert {(row["mask"], row["truth"]) for row in rows} == {("mask", "truth")}
    assert [f"{float(row['dice']):.3f}" for row in rows[:7]] == column(dock, 1)
    button(dock, "Copy").click()
    assert QApplication.clipboard().text().splitlines()[0].split("\t")[2] == "dice"


def test_an_export_is_written_in_the_formats_that_are_chosen(
    dock: EvaluateDock,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    viewer: Viewer,
    mask: Labels,
    in_dialogs: Callable[..., list[QDialog]],
) -> None:
    probability = mask.data.astype(np.float32)
    add_probability(viewer, probability, viewer.layers["tissue"], "tissue probability")

    def fill(dialog: QDialog) -> None:
        folder, _ = dialog.findChildren(QLineEdit)
        folder.setText(str(tmp_path))
        of_mask, of_probability = dialog.findChildren(QComboBox)
        of_mask.setCurrentText(".zarr")
        of_probability.setCurrentText(".mrc")
        texts = [box.text() for box in dialog.findChildren(QCheckBox)]
        assert texts[:2] == ["Mask:  tissue-mask.zarr", "Probability:  tissue-probability.mrc"]
        button(dialog, "Save").click()

    in_dialogs(fill)
    button(dock, "Export…").click()
    qtbot.waitUntil((tmp_path / "tissue-picture.png").exists)
    with open_stack(tmp_path / "tissue-mask.zarr", "labels") as stack:
        np.testing.assert_array_equal(np.stack([*stack]) == 0, mask.data != 0)
    with open_stack(tmp_path / "tissue-probability.mrc") as stack:
        np.testing.assert_array_equal(np.stack([*stack]), probability)
        size = stack.pixel_size
    assert size is not None and size.plane == "4 nm"


def test_strokes_judge_their_own_pixels_until_a_finished_truth_comes(
    viewer: Viewer, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    membrane = truth.data != 0
    viewer.layers.remove(truth)
    painted = np.zeros(mask.data.shape, np.uint8)
    painted[[2, 5], :, 20:60] = np.where(membrane, 1, 2)[[2, 5], :, 20:60]
    strokes = add_sparse_labels(viewer, painted, viewer.layers["tissue"], "strokes")
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    qtbot.waitUntil(lambda: column(dock, 0) == [2, 5])
    known = [(mask.data[z, :, 20:60] != 0, membrane[z, :, 20:60]) for z in (2, 5)]
    assert column(dock, 1) == [f"{overlap_figures(*pair)['dice']:.3f}" for pair in known]
    table = dock.findChild(QTableView)
    assert table.model().columnCount() == 5
    qtbot.waitUntil(lambda: "painted pixels of 2 slices" in summary(dock))
    assert "mean" in summary(dock) and "Rand" not in summary(dock)
    viewer.dims.set_current_step(0, 3)
    assert on_canvas(viewer) == "slice 3   no labels"
    strokes.brush_size = 12
    strokes.selected_label = 2
    strokes.paint((3, 30, 60), 2)
    qtbot.waitUntil(lambda: column(dock, 0) == [2, 3, 5])
    viewer.add_labels(membrane.astype(np.uint8), name="finished")
    qtbot.waitUntil(lambda: column(dock, 0) == list(range(7)) and "…" not in column(dock, 1))
    assert table.model().columnCount() == 7


def test_held_out_slices_and_those_trained_on_are_marked(
    viewer: Viewer, mask: Labels, dock: EvaluateDock, truth: Labels, qtbot: QtBot
) -> None:
    mask.metadata[TRAINED_KEY] = [0, 1, 2, 3, 4]
    mask.events.data(value=mask.data)
    qtbot.waitUntil(lambda: "held out" in summary(dock))
    assert column(dock, 0) == [*(f"○ {index}" for index in range(5)), "● 5", "● 6"]
    dices = [float(dice(mask, truth, index)) for index in range(7)]
    for name, values in (("● held out 2", dices[5:]), ("○ training 5", dices[:5])):
        row = next(row for row in summary(dock).split("<tr>") if name in row)
        shown = float(row.split("<td")[2].partition(">")[2].partition("<")[0])
        assert shown == pytest.approx(np.mean(values), abs=0.001)
    table = dock.findChild(QTableView)
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert column(dock, 0)[0] == "● 6"


def test_an_export_replaces_nothing_unasked_and_says_what_is_missing(
    dock: EvaluateDock,
    button: Button,
    qtbot: QtBot,
    tmp_path: Path,
    in_dialogs: Callable[..., list[QDialog]],
) -> None:
    kept = tmp_path / "tissue-figures.csv"
    kept.write_text("mine")
    seen: list[str] = []

    def fill(dialog: QDialog) -> None:
        folder, _ = dialog.findChildren(QLineEdit)
        folder.setText(str(tmp_path / "nowhere"))
        assert not button(dialog, "Save").isEnabled()
        seen.extend(label.text() for label in dialog.findChildren(QLabel))
        seen.extend(box.text() for box in dialog.findChildren(QCheckBox))
        folder.setText(str(tmp_path))
        button(dialog, "Save").click()
        dialog.reject()

    def refuse(box: QDialog) -> None:
        assert "tissue-figures.csv exists already" in box.text()
        button(box, "Keep").click()

    answered = in_dialogs(fill, refuse)
    button(dock, "Export…").click()
    qtbot.waitUntil(lambda: len(answered) == 2)
    assert "There is no such folder." in seen and "Probability:  there is none" in seen
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert kept.read_text() == "mine"


def test_slices_that_were_never_predicted_are_not_exported_unasked(
    viewer: Viewer,
    dock: EvaluateDock,
    mask: Labels,
    button: Button,
    qtbot: QtBot,
    in_dialogs: Callable[..., list[QDialog]],
) -> None:
    mask.data[[2, 3]] = 0
    mask.metadata[UNPREDICTED_KEY] = [1, 2, 3]  # a person has painted on slice 1
    mask.events.data(value=mask.data)
    said = "Not counted, because it is not predicted: slice 2, 3."
    qtbot.waitUntil(lambda: said in summary(dock))
    assert column(dock, 0) == [0, 1, 4, 5, 6]
    viewer.dims.set_current_step(0, 3)
    assert on_canvas(viewer) == "slice 3   not predicted"

    def refuse(box: QDialog) -> None:
        assert box.text() == "5 of 7 slices are predicted."
        button(box, "Cancel").click()

    answered = in_dialogs(refuse)
    button(dock, "Export…").click()
    qtbot.waitUntil(lambda: len(answered) == 1)


@pytest.mark.parametrize("is_other_stack", [False, True])
def test_a_prediction_tells_which_slices_its_model_was_trained_on(
    viewer: Viewer,
    truth: Labels,
    images: np.ndarray,
    write_model: Callable[..., Path],
    button: Button,
    qtbot: QtBot,
    is_other_stack: bool,
) -> None:
    trained_on = images + 1 if is_other_stack else images
    model = write_model(train_slices=(0, 1, 4), fingerprint=fingerprint(trained_on))
    _, predict = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Predict")
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    predict.use_model(model)
    qtbot.waitUntil(button(predict, "Predict all slices").isEnabled)
    button(predict, "Predict all slices").click()
    qtbot.waitUntil(lambda: button(predict, "Predict all slices").isVisibleTo(predict))
    if is_other_stack:
        qtbot.waitUntil(lambda: "mean" in summary(dock) and column(dock, 0) == list(range(7)))
    else:
        marks = ["○ 0", "○ 1", "● 2", "● 3", "○ 4", "● 5", "● 6"]
        qtbot.waitUntil(lambda: column(dock, 0) == marks)
        qtbot.waitUntil(lambda: "held out 4" in summary(dock) and "training 3" in summary(dock))


def test_layers_that_do_not_fit_are_reported(
    viewer: Viewer, dock: EvaluateDock, button: Button, qtbot: QtBot
) -> None:
    del viewer.layers["truth"]
    viewer.add_labels(np.zeros((7, 9, 9), np.uint8), name="small")
    refusal = "'mask' has the shape (7, 61, 83), but 'small' has (7, 9, 9)"
    qtbot.waitUntil(lambda: refusal in summary(dock))
    assert not button(dock, "Worst").isEnabled()
    assert on_canvas(viewer) == ""


def test_a_prediction_that_comes_later_is_taken_for_the_mask(
    viewer: Viewer, truth: Labels, qtbot: QtBot
) -> None:
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    assert "Mask and truth are one layer: predict a mask" in summary(dock)
    add_mask(viewer, truth.data.copy(), viewer.layers["tissue"], "mask")
    qtbot.waitUntil(lambda: column(dock, 1) == ["1.000"] * 7)


def test_a_closed_dock_leaves_the_viewer_alone(
    viewer: Viewer, dock: EvaluateDock, mask: Labels, qtbot: QtBot
) -> None:
    assert on_canvas(viewer)
    with qtbot.waitSignal(dock.destroyed):
        QTimer.singleShot(0, lambda: viewer.window.remove_dock_widget(dock))
    assert on_canvas(viewer) == ""
    mask.paint((1, 30, 30), 1)
    viewer.dims.set_current_step(0, 3)
    viewer.layers.clear()


@pytest.mark.parametrize("work", ["update", "update_neurons"])
def test_after_a_failure_figures_follow_the_next_edit(
    dock: EvaluateDock, mask: Labels, truth: Labels, fail_once: FailOnce, qtbot: QtBot, work: str
) -> None:
    qtbot.waitUntil(lambda: "…" not in [*column(dock, 5), summary(dock)])
    is_reported = fail_once(Comparison, work)
    mask.data[:4] = 0
    mask.events.data(value=mask.data)
    qtbot.waitUntil(is_reported)
    mask.data[:] = truth.data
    mask.events.data(value=mask.data)
    qtbot.waitUntil(lambda: column(dock, 1) == ["1.000"] * 7)
    qtbot.waitUntil(lambda: column(dock, 5) == ["1.000"] * 7)


def test_ids_are_a_truth_of_borders_and_of_neurons(
    viewer: Viewer, dock: EvaluateDock, mask: Labels, truth: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    """The borders are those that the model of the mask was trained with."""
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", label_convention="instances", border=2))
    mask.metadata[MODEL_KEY] = str(run.path)
    neurons = np.stack([fill_neurons(label_neurons(page == 0)) for page in truth.data])
    viewer.layers.remove(truth)
    tissue = viewer.layers["tissue"]
    ids = neurons.astype(np.uint64) + np.uint64(2**60)
    viewer.add_labels(ids, name="ids", scale=tissue.scale, units=tissue.units)
    reading = LabelReading(LabelConvention.INSTANCES, ids=IdBorders(2))

    def expected(index: int) -> str:
        border = reading.read(ids[index]) == MEMBRANE
        return f"{overlap_figures(mask.data[index] != 0, border)['dice']:.3f}"

    qtbot.waitUntil(lambda: column(dock, 1) == [expected(index) for index in range(7)])
    rands = [
        f"{neuron_figures_of_mask(found != 0, page)['v_rand']:.3f}"
        for found, page in zip(mask.data, neurons, strict=True)
    ]
    within_2 = "'ids' holds ids of cells: 0 and what lies within 2 pixels"
    qtbot.waitUntil(lambda: column(dock, 5) == rands and within_2 in summary(dock))
    dock.findChild(EvaluateButtons).errors_toggled.emit(True)
    wrong = (mask.data[3] != 0) != (reading.read(ids[3]) == MEMBRANE)
    errors = viewer.layers["mask errors"]
    qtbot.waitUntil(lambda: np.array_equal(errors.data[3] != 0, wrong))
    width = dock.findChild(QSpinBox)
    assert width.isVisible() and width.value() == 2
    width.setFocus()
    width.stepUp()
    reading = LabelReading(LabelConvention.INSTANCES, ids=IdBorders(3))
    qtbot.waitUntil(lambda: "0 and what lies within 3 pixels" in summary(dock))
    assert column(dock, 1) == [expected(index) for index in range(7)]
    assert width.isVisible() and width.value() == 3
    qtbot.waitUntil(lambda: column(dock, 5) == rands)  # they are judged by the ids
    viewer.layers.remove("ids")
    qtbot.waitUntil(lambda: not width.isVisible())


def test_ids_are_not_taken_for_a_mask(viewer: Viewer, dock: EvaluateDock, qtbot: QtBot) -> None:
    ids = np.stack([1 + np.arange(61 * 83).reshape(61, 83) // 83 // 20] * 7)
    dock.choose_mask(viewer.add_labels(ids, name="cells"))
    refusal = "'cells' holds ids of cells, not a mask of membrane"
    qtbot.waitUntil(lambda: refusal in summary(dock))
    assert not dock.findChild(QSpinBox).isVisible()


def test_painting_never_waits_for_a_slice_of_a_slow_truth(
    viewer: Viewer, mask: Labels, truth: Labels, qtbot: QtBot
) -> None:
    """Nothing but napari's own drawing of a visible layer reads it in the window's thread."""
    window, readers = threading.get_ident(), set()

    class SlowPixels(IndexedPixels):
        def __getitem__(self, key: object) -> np.ndarray:
            readers.add(threading.get_ident())
            return super().__getitem__(key)

    ids = np.stack([fill_neurons(label_neurons(page == 0)) for page in truth.data])
    viewer.layers.remove(truth)
    place = {"scale": mask.scale, "units": mask.units}
    viewer.add_labels(SlowPixels(ids), name="slow", visible=False, **place)
    readers.clear()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Evaluate")
    dock.findChild(EvaluateButtons).errors_toggled.emit(True)
    qtbot.waitUntil(lambda: len(column(dock, 5)) == 7 and "…" not in column(dock, 5))
    former = column(dock, 1)[3]
    viewer.dims.set_current_step(0, 3)
    mask.paint((3, 30, 40), 1)
    qtbot.waitUntil(lambda: column(dock, 1)[3] != former)
    assert readers and window not in readers
