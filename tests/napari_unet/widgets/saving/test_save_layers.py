"""Saving by real dialogs, in which a test types and presses buttons."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers._source import Source
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton

from napari_unet.layers.plugin_layers import add_mask, add_probability
from napari_unet.widgets.saving.save_dialog import suggested_file
from napari_unet.widgets.saving.save_layers import PredictionSaving, SaveButtons

Answer = Callable[..., list[object]]


@pytest.fixture
def saving(viewer: Viewer, membrane: np.ndarray, qtbot: QtBot) -> PredictionSaving:
    tissue = viewer.layers["tissue"]
    probability = add_probability(viewer, membrane.astype(np.float32), tissue, "probability")
    mask = add_mask(viewer, membrane.astype(np.uint8), tissue, "tissue mask")
    buttons = SaveButtons()
    qtbot.addWidget(buttons)
    buttons.show()
    saving = PredictionSaving(viewer, buttons)
    saving.offer(mask, probability)
    return saving


@pytest.fixture
def press(saving: PredictionSaving, button: Callable[..., QPushButton]) -> Callable[[str], None]:
    return lambda text: button(saving.parent(), text).click()


@pytest.mark.parametrize(
    ("typed", "is_agreed"),
    [("mine.tif", False), ("mine", False), ("mine", True), ("mine.png", False)],
)
def test_a_file_is_never_replaced_unasked(
    press: Callable[[str], None],
    qtbot: QtBot,
    tmp_path: Path,
    save_as: Answer,
    typed: str,
    is_agreed: bool,
) -> None:
    target = tmp_path / ("mine.png.tif" if typed == "mine.png" else "mine.tif")
    target.write_text("mine")

    def reply(box: QMessageBox) -> None:
        assert target.name in box.text()
        roles = {box.buttonRole(button): button for button in box.buttons()}
        refusals = {QMessageBox.ButtonRole.RejectRole, QMessageBox.ButtonRole.NoRole}
        role = next(role for role in roles if (role not in refusals) == is_agreed)
        if not is_agreed:  # the dialog asks for another name; it is closed
            QTimer.singleShot(0, lambda: QApplication.activeModalWidget().reject())
        roles[role].click()

    answered = save_as(tmp_path / typed, "", reply)
    press("Save mask…")
    if is_agreed:
        qtbot.waitUntil(lambda: target.read_bytes() != b"mine")
        assert tifffile.imread(target).shape == (7, 61, 83)
    else:
        qtbot.waitUntil(lambda: len(answered) == 2 and QApplication.activeModalWidget() is None)
        assert target.read_text() == "mine"
    assert not (tmp_path / "mine.tif.tif").exists()


def test_slices_that_were_never_predicted_are_not_saved_unasked(
    viewer: Viewer,
    saving: PredictionSaving,
    press: Callable[[str], None],
    button: Callable[..., QPushButton],
    qtbot: QtBot,
    tmp_path: Path,
    in_dialogs: Answer,
    save_as: Answer,
) -> None:
    mask, probability = viewer.layers["tissue mask"], viewer.layers["probability"]
    mask.data[[1, 2, 4]] = 0
    probability.data[[1, 4]] = 0  # slice 2 is predicted, without any membrane
    asked: list[str] = []

    def answer(reply: str) -> Callable[[QMessageBox], None]:
        def click(box: QMessageBox) -> None:
            asked.append(f"{box.text()} {box.informativeText()}")
            button(box, reply).click()

        return click

    in_dialogs(answer("Predict the rest"))
    with qtbot.waitSignal(saving.rest_requested) as rest:
        press("Save mask…")
    assert rest.args == [[1, 4]]
    sentence = "5 of 7 slices are predicted. The others would be saved as if they had no membrane"
    assert asked == [f"{sentence}: 1, 4."]
    target = tmp_path / "saved.tif"

    def save_anyway(box: QMessageBox) -> None:
        save_as(target)  # the dialog that follows
        answer("Save anyway")(box)

    in_dialogs(save_anyway)
    press("Save mask…")
    qtbot.waitUntil(target.exists)
    probability.data[[1, 4]] = 0.1
    other = tmp_path / "other.tif"
    save_as(other)
    press("Save probability…")
    qtbot.waitUntil(other.exists)
    assert len(asked) == 2


def test_a_file_is_offered_beside_the_image(
    viewer: Viewer, saving: PredictionSaving, tmp_path: Path
) -> None:
    path = tmp_path / "stack" / "tissue.tif"
    path.parent.mkdir()
    image, mask = viewer.layers["tissue"], viewer.layers["tissue mask"]
    assert suggested_file(viewer, mask, ".tif") == Path.cwd() / "tissue-mask.tif"
    image._set_source(Source(path=str(path)))
    assert suggested_file(viewer, mask, ".tif") == path.parent / "tissue-mask.tif"
