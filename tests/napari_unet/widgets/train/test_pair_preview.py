from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_unet.runs.training_preview import preview
from napari_unet.runs.training_sources import FolderData, LayerData, LayerStack
from napari_unet.widgets.train.pair_preview import PairPreview
from training.errors import UserError
from training.label_convention import LabelConvention
from training.stacks.synthetic import synthetic_stack

NAME = "<b>x</b>&amp;"
Button = Callable[[QWidget, str], QPushButton]


@pytest.fixture
def view(qtbot: QtBot) -> PairPreview:
    view = PairPreview()
    qtbot.addWidget(view)
    return view


@pytest.fixture
def text(view: PairPreview, shown: Callable[[QLabel], str]) -> Callable[[], str]:
    return lambda: "\n".join(shown(label) for label in view.findChildren(QLabel))


def layers(labels: np.ndarray, images: np.ndarray) -> LayerData:
    return LayerData(LayerStack(NAME, images), LayerStack(f"labels of {NAME}", labels))


def test_a_pair_is_described_and_drawn(view: PairPreview, text: Callable[[], str]) -> None:
    images, labels = synthetic_stack(slices=6, size=64)
    view.show_preview(preview(layers(labels, images)))
    assert "6 x 64 x 64 pixels" in text()
    assert view.convention == LabelConvention.ISBI
    assert not view.findChildren(QLabel)[0].pixmap().isNull()


def test_invert_takes_the_other_pixels_for_membrane(
    view: PairPreview, text: Callable[[], str], button: Button
) -> None:
    images, labels = synthetic_stack(slices=6, size=64)
    view.show_preview(preview(layers(labels, images)))
    button(view, "Invert").click()
    assert view.convention == LabelConvention.MEMBRANE
    assert "a lot of membrane" in text()
    button(view, "Invert").click()
    assert view.convention == LabelConvention.ISBI
    assert "much" not in text()


def test_sparse_labels_have_nothing_to_invert(
    view: PairPreview, text: Callable[[], str], button: Button
) -> None:
    images, labels = synthetic_stack(slices=6, size=64)
    sparse = np.zeros_like(labels)
    sparse[[1, 4], 10:20] = 1
    sparse[[1, 4], 30:40] = 2
    view.show_preview(preview(layers(sparse, images), LabelConvention.SPARSE))
    assert view.convention == LabelConvention.SPARSE
    assert "of what is labelled" in text()
    assert button(view, "Invert").isHidden()


def test_names_of_layers_are_shown_as_they_are(view: PairPreview, text: Callable[[], str]) -> None:
    images, labels = synthetic_stack(slices=6, size=64)
    view.show_preview(preview(layers(labels[:4], images)))
    assert f"'labels of {NAME}'" in text()


def test_paths_are_shown_as_they_are(
    view: PairPreview, text: Callable[[], str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refusal:
        preview(FolderData(tmp_path / NAME.replace("/", "")))
    view.show_preview(None, str(refusal.value))
    assert NAME.replace("/", "") in text()
