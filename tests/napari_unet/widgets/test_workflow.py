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
from qtpy.QtWidgets import QFileDialog, QTableView
from sklearn.metrics import f1_score

PLUGIN = "napari-unet-mindspore"
WriteModel = Callable[..., Path]
Button = Callable[..., object]


def napari_unet(*arguments: object) -> None:
    command = [Path(sys.executable).with_name("napari-unet"), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


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
    button: Button,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = write_model(fold=1)
    exported, expected, figures = (tmp_path / name for name in ("a.tif", "b.tif", "f.json"))
    viewer = make_napari_viewer()
    viewer.open(data, plugin=PLUGIN)
    _, predict = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    _, evaluate = viewer.window.add_plugin_dock_widget(PLUGIN, "Evaluate")
    predict.use_model(model)
    button(predict, "Predict all slices").click()
    table = evaluate.findChild(QTableView).model()

    def shown() -> list[float]:
        return [float(table.index(row, 1).data() or 0) for row in range(table.rowCount())]

    qtbot.waitUntil(lambda: len(shown()) == 7 and min(shown()) > 0.8, timeout=30_000)
    form = "Mask, 0 = membrane as ISBI (*.tif)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(exported), form))
    button(predict, "Save mask…").click()
    qtbot.waitUntil(exported.exists)

    napari_unet("predict", model, data / "train-volume.tif", "-o", expected)
    mask, truth = tifffile.imread(exported), tifffile.imread(data / "train-labels.tif")
    np.testing.assert_array_equal(mask, tifffile.imread(expected))
    dice = [f1_score(truth[i].ravel() == 0, mask[i].ravel() == 0) for i in range(7)]
    np.testing.assert_allclose(shown(), dice, atol=6e-4)
    napari_unet("evaluate", exported, "--data", data, "--json", figures)
    told = [one["dice"] for one in json.loads(figures.read_text())["slices"]]
    np.testing.assert_allclose(told, dice, rtol=1e-12)


@pytest.mark.isbi
def test_isbis_own_stack(
    make_napari_viewer: Callable[..., Viewer],
    isbi: Path,
    write_model: WriteModel,
    qtbot: QtBot,
    button: Button,
) -> None:
    viewer = make_napari_viewer()
    viewer.open(isbi, plugin=PLUGIN)
    assert [layer.name for layer in viewer.layers] == ["train-volume", "train-labels"]
    _, predict = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    predict.use_model(write_model())
    button(predict, "Predict all slices").click()
    qtbot.waitUntil(lambda: button(predict, "Save mask…").isEnabled())
    qtbot.waitUntil(
        lambda: button(predict, "Predict all slices").isVisibleTo(predict), timeout=60_000
    )
    assert all(page.any() for page in viewer.layers["train-volume mask"].data)
