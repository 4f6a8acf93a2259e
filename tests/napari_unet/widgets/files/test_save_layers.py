"""Saving by real dialogs, in which a test types and presses buttons."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers._source import Source
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog, QPushButton

from napari_unet.layers.plugin_layers import add_mask, add_probability
from napari_unet.layers.unpredicted import UNPREDICTED_KEY, note_unpredicted
from napari_unet.stacks.napari_writer import OnSlice, write_labels
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.files.save_dialog import suggested_file
from napari_unet.widgets.files.save_layers import PredictionSaving, SaveButtons
from training.errors import UserError
from training.opening import open_stack

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
    [("mine.tif", False), ("mine", False), ("mine", True), ("mine.zarr", False)],
)
def test_a_file_is_never_replaced_unasked(
    press: Callable[[str], None],
    qtbot: QtBot,
    tmp_path: Path,
    save_as: Answer,
    typed: str,
    is_agreed: bool,
) -> None:
    target = (tmp_path / typed).with_suffix(Path(typed).suffix or ".tif")
    is_folder = target.suffix == ".zarr"
    kept = target / "zarr.json" if is_folder else target
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")

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
        assert kept.read_text() == "mine"
    assert not (tmp_path / "mine.tif.tif").exists()


@pytest.mark.parametrize("name", ["mask.zarr", "mask.h5"])
def test_a_mask_is_saved_and_replaced_by_the_ending_of_its_name(
    saving: PredictionSaving,
    press: Callable[[str], None],
    qtbot: QtBot,
    tmp_path: Path,
    membrane: np.ndarray,
    save_as: Answer,
    name: str,
) -> None:
    target = tmp_path / name

    def pixels() -> np.ndarray | None:
        try:
            with open_stack(target, "labels") as stack:
                return np.stack([*stack])
        except UserError:  # it is being replaced
            return None

    save_as(target)
    press("Save mask…")
    qtbot.waitUntil(lambda: np.array_equal(pixels(), np.where(membrane, 0, 255)))
    save_as(target, "255", _replace)
    press("Save mask…")
    qtbot.waitUntil(lambda: np.array_equal(pixels(), np.where(membrane, 255, 0)))


def _replace(box: QMessageBox) -> None:
    roles = {box.buttonRole(button): button for button in box.buttons()}
    refusals = {QMessageBox.ButtonRole.RejectRole, QMessageBox.ButtonRole.NoRole}
    next(button for role, button in roles.items() if role not in refusals).click()


def test_another_ending_is_refused_and_a_message_names_those_that_are_written(
    saving: PredictionSaving,
    press: Callable[[str], None],
    qtbot: QtBot,
    tmp_path: Path,
    save_as: Answer,
) -> None:
    save_as(tmp_path / "probability.npy")
    with qtbot.waitSignal(saving.failed) as failed:
        press("Save probability…")
    assert ".tif, .tiff, .zarr, .h5, .hdf5 or .mrc" in str(failed.args[0])
    assert not list(tmp_path.iterdir())


def test_saving_shows_how_far_it_is_and_leaves_nothing_where_it_is_cancelled(
    viewer: Viewer, qtbot: QtBot, tmp_path: Path, membrane: np.ndarray
) -> None:
    layer = viewer.add_labels(membrane.astype(np.uint8))
    data, attributes, _ = layer.as_layer_data_tuple()
    is_cancelled = threading.Event()

    def save(on_slice: OnSlice) -> list[str]:
        def wait_after_the_first(done: int, total: int) -> None:
            on_slice(done, total)
            if done == 1:
                is_cancelled.wait(60)

        return write_labels(str(tmp_path / "mask.zarr"), data, attributes, wait_after_the_first)

    def progress() -> QProgressDialog:
        return viewer.window._qt_window.findChild(QProgressDialog)

    def cancel() -> None:
        progress().canceled.emit()
        is_cancelled.set()

    task, told = LongTask("Saving mask.zarr", save, viewer.window._qt_window), []
    task.done.connect(told.append)
    task.failed.connect(told.append)
    task.start()
    qtbot.waitUntil(lambda: "Slice 1 of 14" in progress().labelText())
    qtbot.waitUntil(lambda: progress().isVisible())
    with qtbot.waitSignal(task.ended):
        cancel()
    assert not told and not list(tmp_path.iterdir())


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
    mask = viewer.layers["tissue mask"]
    mask.data[[1, 2, 4]] = 0  # slice 2 is predicted, without any membrane
    mask.metadata[UNPREDICTED_KEY] = [0, 1, 4]  # a person has painted on slice 0
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
    note_unpredicted(mask, 7, range(7))
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
