from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
)

from napari_unet.widgets.train.form import TrainingForm
from napari_unet.widgets.train.weights_choice import WeightsChoice
from training.config import TrainingConfig, preset_config
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.presets.registry import list_presets

# Chosen by other views, derived from another option, or with one value alone.
ELSEWHERE = {
    "data_url",
    "image",
    "labels",
    "pairs",
    "hold_out",
    "label_convention",
    "num_classes",
    "num_channels",
}


def make_form(qtbot: QtBot, remembered: Mapping[str, Any] | None = None) -> TrainingForm:
    form = TrainingForm(remembered or {})
    qtbot.addWidget(form)
    return form


def test_every_option_that_a_person_decides_is_offered(qtbot: QtBot) -> None:
    options = {option.name for option in fields(TrainingConfig)}
    assert set(make_form(qtbot).values()) == options - ELSEWHERE


def test_titles_and_helps_are_those_of_the_configuration(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    labels = {label.text(): label.toolTip() for label in form.findChildren(QLabel)}
    for option in fields(TrainingConfig):
        if option.name in {"preset", "lr", "epochs", "valid_slices"}:
            assert labels[option.metadata["title"]] == option.metadata["help"]


@pytest.mark.parametrize("preset", list(list_presets()))
def test_a_preset_brings_its_own_values(preset: str, qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.set_value("seed", 7)
    for name in [*list_presets(), preset]:
        form.set_value("preset", name)
    assert form.config() == preset_config(preset, seed=7)


def test_sparse_labels_bring_their_recipe_and_take_it_away(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.follow_convention(LabelConvention.SPARSE)
    recipe = preset_config("compact", label_convention=LabelConvention.SPARSE)
    assert form.config().replace(label_convention=LabelConvention.SPARSE) == recipe
    form.follow_convention(LabelConvention.MEMBRANE)
    assert form.config() == preset_config("compact")


def test_a_person_s_values_stay_while_the_convention_is_of_the_same_kind(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.set_value("epochs", 3)
    form.follow_convention(LabelConvention.MEMBRANE)
    assert form.config().epochs == 3


def test_what_is_remembered_and_still_valid_is_restored(qtbot: QtBot) -> None:
    remembered = {"preset": "medical", "lr": 0.003, "steps": -1, "gone": 1}
    form = make_form(qtbot, remembered)
    assert form.config() == preset_config("medical", lr=0.003)
    assert make_form(qtbot, form.choices()).config() == form.config()
    assert make_form(qtbot, {"preset": "gone"}).config() == preset_config("compact")


def test_the_chosen_device_stays_while_it_is_there(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.set_devices(["ascend:0", "cpu"])
    form.set_value("device", "ascend:0")
    form.set_devices(["ascend:0", "ascend:1", "cpu"])
    assert form.config().device == "ascend:0"
    form.set_devices(["cpu"])
    assert form.config().device == "auto"


def test_a_training_starts_from_the_starter_none_or_what_is_opened(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = make_form(qtbot)
    choice = form.findChild(WeightsChoice)
    box = choice.findChild(QComboBox)
    assert [box.itemText(index) for index in range(box.count())] == ["Starter", "None"]
    assert form.config().weights == "starter"
    box.setCurrentText("None")
    assert form.config().weights == "none"
    best = "/runs/first/checkpoints/best.safetensors"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (best, ""))
    _, open_file = choice.findChild(QMenu).actions()
    open_file.trigger()
    assert (box.currentText(), form.config().weights) == ("checkpoints/best.safetensors", best)
    assert make_form(qtbot, form.choices()).config().weights == best
    form.set_value("preset", "medical")  # which has no starter
    assert form.config().weights == "none"
    assert "Starter" not in [box.itemText(index) for index in range(box.count())]


@pytest.mark.parametrize("written", ["quick", "{[]}", "-" * 20_000 + "1"])
def test_a_number_that_isn_t_one_is_refused_by_its_title(written: str, qtbot: QtBot) -> None:
    form = make_form(qtbot)
    title = next(label for label in form.findChildren(QLabel) if label.text() == "Learning rate")
    rows = title.parent().layout()
    row, _ = rows.getWidgetPosition(title)
    field = rows.itemAt(row, QFormLayout.ItemRole.FieldRole).widget()
    field.setText(written)
    with pytest.raises(UserError, match="Learning rate"):
        form.config()


def test_opening_the_advanced_options_is_reported(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    with qtbot.waitSignal(form.advanced_toggled) as toggled:
        form.open_advanced(True)
    assert toggled.args == [True]


def test_options_that_are_folded_away_do_not_take_the_keyboard(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.show()
    fields = [field for field in form.findChildren(QWidget) if field.focusPolicy()]
    folded = [field for field in fields if not field.isVisible()]
    form.open_advanced(True)
    assert folded and all(field.isVisible() for field in folded)


def test_what_is_chosen_for_few_labels_is_kept_apart_from_the_rest(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.set_value("seed", 7)
    form.set_value("gamma", 0.1)
    form.follow_convention(LabelConvention.SPARSE)
    form.set_value("epochs", 60)
    assert form.config().gamma == preset_config("compact", label_convention="sparse").gamma
    again = make_form(qtbot, form.choices())
    assert again.config() == preset_config("compact", seed=7, gamma=0.1)
    again.follow_convention(LabelConvention.SPARSE)
    assert again.config() == form.config()
    again.follow_convention(LabelConvention.ISBI)
    assert again.config() == preset_config("compact", seed=7, gamma=0.1)


def test_values_of_a_recipe_are_not_remembered(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.follow_convention(LabelConvention.SPARSE)
    assert form.choices() == {"preset": "compact", "for_few_labels": {}}


def test_what_the_training_chooses_is_called_auto(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    edits = [edit for edit in form.findChildren(QLineEdit) if edit.text() == "auto"]
    config = form.config()
    assert (config.steps, config.lr, config.eval_interval) == (0, 0, 0)
    for edit in edits:
        edit.setText("2")
    config = form.config()
    assert (config.steps, config.lr, config.eval_interval) == (2, 2, 2)
    assert config.preview_slice == 2
    for edit in edits:
        edit.clear()
    assert form.config() == preset_config("compact")


def test_the_slice_previewed_is_called_auto_until_one_is_written(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    edits = form.findChildren(QLineEdit)
    (edit,) = (found for found in edits if "Labelled slice" in found.toolTip())
    assert (edit.text(), form.config().preview_slice) == ("auto", -1)
    for text, chosen in (("7", 7), ("auto", -1), ("0", 0)):
        edit.selectAll()
        qtbot.keyClicks(edit, text)
        assert form.config().preview_slice == chosen
    remembered = make_form(qtbot, form.choices())
    assert remembered.config().preview_slice == 0


def test_the_names_of_classes_are_seen_before_their_colours(qtbot: QtBot) -> None:
    form = make_form(qtbot)
    form.offer_classes(LabelClasses.parse("membrane=1#E69F00,mitochondria=2#56B4E9"))
    field = next(e for e in form.findChildren(QLineEdit) if "mitochondria" in e.text())
    assert field.cursorPosition() == 0
