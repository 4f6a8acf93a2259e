"""What a training's setup lacks, and what it collects, without a window of napari."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_unet.runs.training_sources import FolderData, LayerData
from napari_unet.widgets.train.setup_control import SetupControl
from napari_unet.widgets.train.setup_view import TrainingSetupView
from training.errors import UserError
from training.label_convention import LabelConvention

TISSUE = np.random.default_rng(0).integers(0, 256, (4, 32, 32), np.uint8)
LABELS = (TISSUE > 200).astype(np.uint8)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def test_without_data_it_says_what_to_do(viewer: ViewerModel, control: SetupControl) -> None:
    with pytest.raises(UserError, match="Open a stack of images and its labels"):
        control.choices()
    viewer.add_image(TISSUE)
    with pytest.raises(UserError, match="Paint labels"):
        control.choices()


def test_two_layers_are_collected_with_what_their_labels_mean(
    viewer: ViewerModel, control: SetupControl, qtbot: QtBot
) -> None:
    viewer.add_image(TISSUE)
    with qtbot.waitSignal(control.obstacle_changed, check_params_cb=lambda reason: not reason):
        viewer.add_labels(LABELS)
    data, config = control.choices()
    assert isinstance(data, LayerData)
    assert config.label_convention == LabelConvention.MEMBRANE


def test_the_latest_of_several_choices_is_shown(
    viewer: ViewerModel,
    view: TrainingSetupView,
    control: SetupControl,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    """The layers are being read when the folder is chosen, which has nothing to train on."""
    viewer.add_image(TISSUE)
    viewer.add_labels(LABELS)
    reasons: list[str] = []
    control.obstacle_changed.connect(reasons.append)
    view.data.choose_folder(tmp_path)
    qtbot.waitUntil(lambda: bool(reasons and reasons[-1]))
    assert isinstance(control.choices()[0], FolderData)
    assert str(tmp_path) in reasons[-1]


def test_options_of_ids_are_for_ids_alone(
    viewer: ViewerModel, view: TrainingSetupView, control: SetupControl, qtbot: QtBot
) -> None:
    """They are kept for the next ids, and what they change is read again."""
    view.form.set_value("border", 3)
    viewer.add_image(TISSUE)
    labels = viewer.add_labels(LABELS)
    qtbot.waitUntil(lambda: view.data.pair.convention == LabelConvention.MEMBRANE)
    qtbot.waitUntil(lambda: view.data.pair.preview is not None)
    assert control.choices()[1].border == 1
    viewer.layers.remove(labels)
    viewer.add_labels(np.stack([np.arange(1024).reshape(32, 32) // 256 + 1] * 4))
    qtbot.waitUntil(lambda: view.data.pair.convention == LabelConvention.INSTANCES)
    config = control.choices()[1]
    assert (config.label_convention, config.border) == (LabelConvention.INSTANCES, 3)
    assert view.form.choices()["border"] == 3

    def share() -> float | None:
        shown = view.data.pair.preview
        return shown and shown.meanings[LabelConvention.INSTANCES].share

    qtbot.waitUntil(lambda: share() == 3 * 6 / 32)
    view.form.set_value("border", 1)
    qtbot.waitUntil(lambda: share() == 3 * 2 / 32)
    view.form.set_value("border", 0)
    qtbot.waitUntil(lambda: "no pixel is 0" in control.obstacle)
    view.form.set_value("border", 2)
    qtbot.waitUntil(lambda: share() == 3 * 4 / 32 and not control.obstacle)


def test_several_pairs_are_put_together_and_started_as_one(
    viewer: ViewerModel, view: TrainingSetupView, control: SetupControl, qtbot: QtBot
) -> None:
    view.data.choose_several()
    with pytest.raises(UserError, match="Add pairs"):
        control.choices()
    for size in (32, 24):
        images = viewer.add_image(TISSUE[:, :size], name=f"tissue {size}")
        view.data.pairs.add_layers(images, viewer.add_labels(LABELS[:, :size]))
    qtbot.waitUntil(lambda: view.data.pair.preview is not None and not control.obstacle)
    assert len(view.data.pair.preview.others) == 1
    data, _ = control.choices()
    assert [pair.name for pair in data.pairs()] == ["tissue 32", "tissue 24"]
    assert control.estimate() > 0
