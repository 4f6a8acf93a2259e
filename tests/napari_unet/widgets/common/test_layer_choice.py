"""Which layer is chosen while layers come and go."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from pytestqt.qtbot import QtBot

from napari_unet.widgets.common.layer_choice import LayerChoice


@pytest.fixture
def model() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def choice(qtbot: QtBot, model: ViewerModel) -> LayerChoice:
    """Offers images, and prefers one whose name ends in an exclamation mark."""
    choice = LayerChoice(model, is_image, prefers=lambda layer: layer.name.endswith("!"))
    qtbot.addWidget(choice)
    return choice


def is_image(layer: Layer) -> bool:
    return isinstance(layer, Image)


def add(model: ViewerModel, name: str) -> Image:
    return model.add_image(np.zeros((4, 4)), name=name)


def names(choice: LayerChoice) -> list[str]:
    return [choice.itemText(index) for index in range(choice.count())]


def test_only_layers_that_are_accepted_are_offered(model: ViewerModel, choice: LayerChoice) -> None:
    assert choice.layer is None and not choice.isEnabled()
    first = add(model, "first")
    model.add_labels(np.zeros((4, 4), int), name="labels")
    assert names(choice) == ["first"] and choice.layer == first and choice.isEnabled()


def test_a_preferred_layer_is_taken_until_a_person_chooses(
    model: ViewerModel, choice: LayerChoice
) -> None:
    add(model, "first")
    better = add(model, "better!")
    assert choice.layer == better
    choice.setCurrentIndex(0)
    choice.activated.emit(0)
    add(model, "best!")
    assert choice.layer == model.layers["first"] and choice.currentText() == "first"


def test_a_chosen_layer_stays_when_renamed_and_moved(
    model: ViewerModel, choice: LayerChoice
) -> None:
    chosen = add(model, "chosen")
    choice.choose(chosen)
    add(model, "other!")
    chosen.name = "renamed"
    model.layers.move(0, 2)
    assert choice.layer == chosen
    assert names(choice) == ["other!", "renamed"] and choice.currentText() == "renamed"


def test_a_removed_layer_is_replaced_and_preferences_hold_again(
    model: ViewerModel, choice: LayerChoice
) -> None:
    chosen, other = add(model, "chosen"), add(model, "other")
    choice.choose(chosen)
    model.layers.remove(chosen)
    assert choice.layer == other
    assert add(model, "new!") == choice.layer
    model.layers.clear()
    assert choice.layer is None


def test_a_change_is_signalled_once(model: ViewerModel, choice: LayerChoice, qtbot: QtBot) -> None:
    changes = []
    choice.layer_changed.connect(lambda: changes.append(choice.layer))
    first, second = add(model, "first"), add(model, "second")
    choice.choose(second)
    choice.choose(second)
    assert changes == [first, second]


def test_a_layer_that_is_not_offered_is_not_chosen(model: ViewerModel, choice: LayerChoice) -> None:
    first = add(model, "first")
    choice.choose(model.add_labels(np.zeros((4, 4), int)))
    assert choice.layer == first
