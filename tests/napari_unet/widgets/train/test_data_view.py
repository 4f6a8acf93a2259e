"""The choice of what to train on."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QPushButton

from napari_unet.layers.plugin_layers import NEURONS, PROBABILITY, ROLE_KEY, add_sparse_labels
from napari_unet.runs.training_sources import FolderData, LayerData
from napari_unet.widgets.train.data_view import TrainingDataView
from training.label_convention import LabelConvention

STACK = np.zeros((6, 8, 9), np.uint8)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def view(viewer: ViewerModel, qtbot: QtBot) -> TrainingDataView:
    view = TrainingDataView(viewer)
    qtbot.addWidget(view)
    return view


@pytest.fixture
def changes(view: TrainingDataView) -> list[object]:
    """What the data were at each report of a change."""
    seen: list[object] = []
    view.data_changed.connect(lambda: seen.append(view.data()))
    return seen


def offered(view: TrainingDataView) -> set[tuple[str, ...]]:
    """Names in the drop-downs of images and of labels."""
    choices = view.findChildren(QComboBox)
    rows = {tuple(choice.itemText(row) for row in range(choice.count())) for choice in choices}
    return rows - {("Two layers", "A folder", "Several pairs")}


def test_two_layers_are_trained_on_as_soon_as_both_are_there(
    view: TrainingDataView, viewer: ViewerModel, changes: list[object]
) -> None:
    assert view.data() is None and view.images_layer is None
    image = viewer.add_image(STACK, name="tissue")
    labels = viewer.add_labels(STACK.copy(), name="labels")
    data = changes[-1]
    assert isinstance(data, LayerData)
    assert data.images.data is image.data and data.labels.data is labels.data
    assert view.images_layer is image


def test_only_what_can_be_labels_is_offered_and_labels_are_taken_first(
    view: TrainingDataView, viewer: ViewerModel
) -> None:
    viewer.add_image(STACK, name="tissue")
    labels = viewer.add_labels(STACK.copy(), name="labels")
    viewer.add_image(STACK.astype(np.float32), name="float labels")
    viewer.add_image(STACK / 9, name="probability", metadata={ROLE_KEY: PROBABILITY})
    viewer.add_labels(STACK.copy(), name="neurons", metadata={ROLE_KEY: NEURONS})
    viewer.add_labels([STACK, STACK[:, ::2, ::2]], name="pyramid", multiscale=True)
    assert offered(view) == {("tissue", "float labels"), ("tissue", "labels", "float labels")}
    data = view.data()
    assert isinstance(data, LayerData) and data.labels.data is labels.data


def test_an_image_is_not_taken_for_its_own_labels(
    view: TrainingDataView, viewer: ViewerModel, qtbot: QtBot
) -> None:
    image = viewer.add_image(STACK, name="tissue")
    assert view.data() is None and view.lacks_labels
    paint = next(button for button in view.findChildren(QPushButton) if "Paint" in button.text())
    assert not paint.isHidden()
    with qtbot.waitSignal(view.labels_wanted):
        paint.click()
    mask = viewer.add_image(STACK.copy(), name="mask opened as an image")
    assert view.data() is None
    view.choose_layers(image, mask)
    data = view.data()
    assert isinstance(data, LayerData) and data.labels.data is mask.data
    assert paint.isHidden()


def test_a_folder_takes_the_place_of_layers(
    view: TrainingDataView, viewer: ViewerModel, changes: list[object], tmp_path: Path
) -> None:
    image, labels = viewer.add_image(STACK), viewer.add_labels(STACK.copy())
    changes.clear()
    view.choose_folder(tmp_path)
    assert changes == [FolderData(tmp_path)]
    assert view.images_layer is None and view.known_convention is None
    view.choose_folder(tmp_path / "other")
    assert changes[1:] == [FolderData(tmp_path / "other")]
    view.choose_layers(image, labels)
    assert isinstance(view.data(), LayerData)


def test_strokes_say_that_labels_are_sparse(
    view: TrainingDataView, viewer: ViewerModel, tmp_path: Path
) -> None:
    image, labels = viewer.add_image(STACK), viewer.add_labels(STACK.copy())
    strokes = add_sparse_labels(viewer, STACK.copy(), image, "strokes")
    view.choose_layers(image, labels)
    assert view.known_convention is None
    view.choose_layers(image, strokes)
    assert view.known_convention == LabelConvention.SPARSE
    view.choose_folder(tmp_path)
    assert view.known_convention is None


def test_labels_that_were_painted_on_are_looked_at_again(
    view: TrainingDataView, viewer: ViewerModel, changes: list[object]
) -> None:
    image, labels = viewer.add_image(STACK), viewer.add_labels(STACK.copy())
    changes.clear()
    view.choose_layers(image, labels)
    view.look_again()
    assert changes == []
    labels.paint((1, 2, 2), 1)
    view.choose_layers(image, labels)
    view.look_again()
    assert len(changes) == 1


def test_why_an_image_can_t_be_trained_on_is_said(
    view: TrainingDataView, viewer: ViewerModel, changes: list[object]
) -> None:
    viewer.add_image(np.stack([STACK, STACK]), name="film")
    assert changes and view.unusable.startswith("'film' has 4 dimensions, 2 x 6 x 8 x 9: open")
    viewer.add_image(np.zeros((40, 40, 3), np.uint8), name="photograph")
    viewer.layers.remove("film")
    assert "'photograph' is a colour image" in view.unusable
    viewer.add_image(STACK)
    assert view.unusable == ""


def test_a_multiscale_image_is_trained_on_at_full_resolution(
    view: TrainingDataView, viewer: ViewerModel
) -> None:
    viewer.add_image([STACK, STACK[:, ::2, ::2]], name="pyramid", multiscale=True)
    viewer.add_labels(STACK.copy())
    data = view.data()
    assert isinstance(data, LayerData)
    np.testing.assert_array_equal(data.images.data, STACK)
