"""Training on classes from the dock: what is offered, refused, written and started."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_unet.layers.class_layers import CLASSES_KEY
from napari_unet.widgets.train.setup_control import SetupControl
from napari_unet.widgets.train.setup_view import TrainingSetupView
from training.dataset.training_pair import open_pair
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention

TISSUE = np.random.default_rng(0).integers(0, 256, (4, 32, 32), np.uint8)
LABELS = np.digitize(TISSUE, (120, 180, 230)).astype(np.uint8)  # 0 to 3
NAMES = "membrane,mitochondria,vesicle"


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(TISSUE)
    return viewer


def _is_read(view: TrainingSetupView, reason: str, fits: bool) -> bool:
    return view.data.pair.preview is not None and bool(reason) != fits


def add_labels(
    viewer: ViewerModel, view: TrainingSetupView, control: SetupControl, qtbot: QtBot, fits: bool
) -> Labels:
    """Add labels of four values, and wait until it is known whether they can be trained on."""
    classes = {"metadata": {CLASSES_KEY: LabelClasses.parse(NAMES).text}} if fits else {}
    with qtbot.waitSignal(
        control.obstacle_changed, check_params_cb=lambda reason: _is_read(view, reason, fits)
    ):
        return viewer.add_labels(LABELS, **classes)


def test_values_without_names_are_refused_and_named_in_the_options(
    viewer: ViewerModel, view: TrainingSetupView, control: SetupControl, qtbot: QtBot
) -> None:
    add_labels(viewer, view, control, qtbot, fits=False)
    assert "name what the values are, as classes" in control.obstacle
    with qtbot.waitSignal(control.obstacle_changed, check_params_cb=lambda reason: not reason):
        view.form.set_value("classes", NAMES)
    _, config = control.choices()
    assert (config.label_convention, config.num_classes) == (LabelConvention.CLASSES, 4)
    assert "classes" not in view.form.choices(), "another day's labels have others"
    view.form.set_value("classes", "<b>")
    assert "'<b>' is not a class" in control.obstacle


def test_classes_of_a_layer_are_filled_in_and_go_with_it(
    viewer: ViewerModel, view: TrainingSetupView, control: SetupControl, qtbot: QtBot
) -> None:
    labels = add_labels(viewer, view, control, qtbot, fits=True)
    assert view.form.classes == LabelClasses.parse(NAMES) and not control.obstacle
    viewer.layers.remove(labels)
    assert not view.form.classes


def test_what_is_written_for_the_run_has_the_same_values_and_names(
    viewer: ViewerModel,
    view: TrainingSetupView,
    control: SetupControl,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    add_labels(viewer, view, control, qtbot, fits=True)
    data, config = control.choices()
    [pair] = data.pairs()
    meaning = pair.check(config.label_convention, config.ids, config.label_classes)
    files = pair.prepare(tmp_path / "data", meaning).files
    assert files.convention == LabelConvention.CLASSES
    with open_pair(Path(files.image), Path(files.labels), None) as opened:
        assert opened.meaning.classes == config.label_classes
        np.testing.assert_array_equal(opened.labels[2], LABELS[2])
