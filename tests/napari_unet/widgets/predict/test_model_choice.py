from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel

from napari_unet.runs.model_list import ModelList
from napari_unet.widgets.predict.model_choice import ModelChoice

FIRST, SECOND = Path("/runs/<b>x&amp;"), Path("/runs/second")
MODELS = ModelList({FIRST: "<b>x</b>&amp; · compact", SECOND: "second · medical"}, SECOND)


@pytest.fixture
def view(qtbot: QtBot) -> ModelChoice:
    view = ModelChoice()
    qtbot.addWidget(view)
    return view


@pytest.fixture
def models(view: ModelChoice) -> QComboBox:
    return view.findChild(QComboBox)


def test_the_preferred_model_is_chosen_unless_a_person_chose(
    view: ModelChoice, qtbot: QtBot
) -> None:
    assert view.model is None
    with qtbot.waitSignal(view.model_changed):
        view.show_models(MODELS)
    assert view.model == SECOND
    view.choose(FIRST)
    view.show_models(MODELS)
    assert view.model == FIRST


def test_a_model_from_elsewhere_is_added_once(
    view: ModelChoice, models: QComboBox, tmp_path: Path
) -> None:
    view.show_models(MODELS)
    for _ in range(2):
        view.choose(tmp_path / "model.onnx")
    assert [models.itemText(index) for index in range(models.count())] == [
        *MODELS.titles.values(),
        f"{tmp_path.name}/model.onnx",
    ]


@pytest.mark.parametrize("suffix", ["onnx", "ckpt", "safetensors"])
def test_a_model_s_file_of_any_kind_can_be_opened(
    view: ModelChoice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"zoo.{suffix}"

    def choose(*arguments: str) -> tuple[str, str]:
        assert f"*.{suffix}" in arguments[-1].removesuffix(")").split("(")[1].split()
        return str(path), arguments[-1]

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    [action] = [action for action in view.findChildren(QAction) if action.text() == "Model file…"]
    action.trigger()
    assert view.model == path


def test_a_model_takes_its_newest_title(view: ModelChoice, models: QComboBox) -> None:
    view.show_models(MODELS)
    view.show_models(ModelList({SECOND: "second · medical · 0.912"}, SECOND))
    assert models.count() == 2
    assert models.currentText() == "second · medical · 0.912"


def test_names_and_paths_are_shown_as_they_are(
    view: ModelChoice, models: QComboBox, qtbot: QtBot, shown: Callable[[QLabel], str]
) -> None:
    view.show_models(MODELS)
    assert models.itemText(0) == "<b>x</b>&amp; · compact"
    tooltip = QLabel(models.itemData(0, Qt.ItemDataRole.ToolTipRole))
    qtbot.addWidget(tooltip)
    assert shown(tooltip) == str(FIRST)
