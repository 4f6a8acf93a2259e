"""From files to figures by clicks alone, and the same from the command line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QTableView, QWidget
from sklearn.metrics import f1_score

PLUGIN = "napari-unet-mindspore"
WriteModel = Callable[..., Path]
Click = Callable[[QWidget, str], None]
Save = Callable[[QWidget], Path]


def napari_unet(*arguments: object) -> None:
    command = [Path(sys.executable).with_name("napari-unet"), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def command_dice(mask: Path, data: Path) -> list[float]:
    """Evaluate a mask on the command line: the Dice of every slice."""
    figures = mask.with_suffix(".json")
    napari_unet("evaluate", mask, "--data", data, "--json", figures)
    return [figure["dice"] for figure in json.loads(figures.read_text())["slices"]]


def shown_dice(evaluate: QWidget) -> list[float]:
    """What the evaluate dock's table shows; 0 where nothing is computed yet."""
    table = evaluate.findChild(QTableView).model()
    return [float(table.index(row, 1).data() or 0) for row in range(table.rowCount())]


def text(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


@pytest.fixture
def click(qtbot: QtBot, button: Callable[[QWidget, str], QPushButton]) -> Click:
    """``click(dock, text)`` presses a button with the mouse, once it can be pressed."""

    def press(dock: QWidget, name: str) -> None:
        qtbot.waitUntil(button(dock, name).isEnabled)
        qtbot.mouseClick(button(dock, name), Qt.MouseButton.LeftButton)

    return press


@pytest.fixture
def save_mask(click: Click, qtbot: QtBot, tmp_path: Path, save_as: Callable[..., object]) -> Save:
    """``save_mask(dock)`` exports by the button, and gives the file."""

    def save(predict: QWidget) -> Path:
        exported = tmp_path / "exported.tif"
        save_as(exported, "0 = membrane as ISBI")
        click(predict, "Save mask…")
        qtbot.waitUntil(exported.exists)
        return exported

    return save


@pytest.fixture
def data(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    tifffile.imwrite(folder / "train-volume.tif", images)
    tifffile.imwrite(folder / "train-labels.tif", np.where(membrane, 0, 255).astype(np.uint8))
    return folder


def test_open_predict_compare_export(
    make_napari_viewer: Callable[..., Viewer],
    data: Path,
    write_model: WriteModel,
    qtbot: QtBot,
    click: Click,
    save_mask: Save,
    tmp_path: Path,
) -> None:
    model, expected = write_model(fold=1), tmp_path / "expected.tif"
    viewer = make_napari_viewer(show=True)
    viewer.open(data, plugin=PLUGIN)
    _, predict = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    _, evaluate = viewer.window.add_plugin_dock_widget(PLUGIN, "Evaluate")
    predict.use_model(model)
    click(predict, "Predict all slices")
    qtbot.waitUntil(lambda: len(shown_dice(evaluate)) == 7 and min(shown_dice(evaluate)) > 0.8)
    exported = save_mask(predict)

    napari_unet("predict", model, data / "train-volume.tif", "-o", expected)
    mask, truth = tifffile.imread(exported), tifffile.imread(data / "train-labels.tif")
    np.testing.assert_array_equal(mask, tifffile.imread(expected))
    dice = [f1_score(truth[i].ravel() == 0, mask[i].ravel() == 0) for i in range(7)]
    np.testing.assert_allclose(shown_dice(evaluate), dice, atol=6e-4)
    np.testing.assert_allclose(command_dice(exported, data), dice, rtol=1e-12)


@pytest.mark.isbi
def test_isbi_by_clicks_open_train_predict_compare_export(
    make_napari_viewer: Callable[..., Viewer],
    isbi: Path,
    qtbot: QtBot,
    click: Click,
    save_mask: Save,
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open(isbi, plugin=PLUGIN)
    assert [layer.name for layer in viewer.layers] == ["train-volume", "train-labels"]

    _, train = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    qtbot.waitUntil(lambda: "Membrane" in text(train))
    train.form.set_value("steps", 40)
    click(train, "Start")
    qtbot.waitUntil(lambda: "Finished" in text(train))

    _, predict = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    click(predict, "Predict all slices")
    qtbot.waitUntil(lambda: "30 slices in" in text(predict))

    _, evaluate = viewer.window.add_plugin_dock_widget(PLUGIN, "Evaluate")
    qtbot.waitUntil(lambda: len(shown_dice(evaluate)) == 30 and min(shown_dice(evaluate)) > 0)
    shown = shown_dice(evaluate)
    click(evaluate, "Worst")
    worst = int(np.argmin(shown))
    assert viewer.dims.current_step[0] == worst
    assert viewer.canvas.overlays.text.text == f"slice {worst}   Dice {shown[worst]:.3f}"
    click(evaluate, "Side by side")
    click(evaluate, "Side by side")

    printed = command_dice(save_mask(predict), isbi)
    np.testing.assert_allclose(shown, printed, atol=6e-4)
    assert f"{np.mean(printed):.3f}" in text(evaluate)
