"""Projects in a real viewer, and in a process that is killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
import tifffile
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QLabel, QMessageBox, QProgressDialog, QPushButton

from napari_unet.layers.levels import add_level
from napari_unet.layers.plugin_layers import (
    add_mask,
    add_probability,
    add_sparse_labels,
    corrected_slices,
)
from napari_unet.layers.slices import full_resolution
from napari_unet.projects.project_writer import ProjectWriter, Snapshot
from napari_unet.settings import Settings, load_settings, remember
from napari_unet.widgets.project import session as session_module
from napari_unet.widgets.project.dock import ProjectDock
from training.masks.writer_choice import open_writer

PLUGIN = "napari-unet-mindspore"
Button = Callable[..., QPushButton]
MakeViewer = Callable[..., Viewer]
OpenDock = Callable[[Viewer], ProjectDock]


@pytest.fixture
def stack(tmp_path: Path, images: np.ndarray) -> Path:
    tifffile.imwrite(tmp_path / "stack.tif", images)
    return tmp_path / "stack.tif"


@pytest.fixture
def open_dock(qtbot: QtBot, button: Button) -> Iterator[OpenDock]:
    """Opens the dock; in the end the projects are closed, so that no thread saves any more."""
    docks: list[ProjectDock] = []

    def open_one(viewer: Viewer) -> ProjectDock:
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Project")
        docks.append(dock)
        return dock

    yield open_one
    for dock in docks:
        close = button(dock, "Close project")
        if close.isVisibleTo(dock):
            close.click()
    qtbot.waitUntil(lambda: not load_settings().project)


def text(dock: ProjectDock) -> str:
    return "\n".join(label.text() for label in dock.findChildren(QLabel))


def wait_for_pixels(qtbot: QtBot, path: Path, pixels: np.ndarray) -> None:
    qtbot.waitUntil(lambda: path.exists() and np.array_equal(tifffile.imread(path), pixels))


def test_a_project_opens_as_it_was_left(
    make_napari_viewer: MakeViewer,
    stack: Path,
    images: np.ndarray,
    membrane: np.ndarray,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
) -> None:
    folder = tmp_path / "my project"
    viewer = make_napari_viewer(show=True)
    (image,) = viewer.open(stack, plugin=PLUGIN)
    dock = open_dock(viewer)
    dock.new_project(folder)
    qtbot.waitUntil(lambda: "my project" in text(dock))
    strokes = add_sparse_labels(viewer, np.zeros(images.shape, np.uint8), image, "strokes", [4])
    probability = membrane.astype(np.float32) * 0.75
    add_probability(viewer, probability, image, "probability")
    mask = add_mask(viewer, membrane.astype(np.uint8), image, "mask")
    strokes.paint((2, 30, 30), 1)
    strokes.paint((5, 30, 60), 2)
    mask.visible, image.contrast_limits, strokes.brush_size = False, (20, 200), 7
    viewer.dims.set_current_step(0, 5)
    viewer.scene.camera.zoom = 3.25
    wait_for_pixels(qtbot, folder / "labels/strokes.tif", strokes.data)
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    assert not (folder / "images/stack.tif").exists()

    other = make_napari_viewer(show=True)
    again = open_dock(other)
    again.open_project(folder)
    qtbot.waitUntil(lambda: len(other.layers) == 4)
    assert [layer.name for layer in other.layers] == ["stack", "strokes", "probability", "mask"]
    np.testing.assert_array_equal(other.layers["strokes"].data, strokes.data)
    np.testing.assert_array_equal(other.layers["probability"].data, probability)
    np.testing.assert_array_equal(other.layers["mask"].data, mask.data)
    assert corrected_slices(other.layers["strokes"]) == [4]
    assert other.layers["strokes"].brush_size == 7
    assert not other.layers["mask"].visible and not other.layers["probability"].visible
    assert other.layers["stack"].contrast_limits == [20, 200]
    assert other.dims.current_step[0] == 5 and other.scene.camera.zoom == 3.25
    assert Path(load_settings().runs_folder) == folder / "runs"
    for name in ("strokes", "mask", "probability"):
        colors = [window.layers[name].colormap.map(np.arange(3)) for window in (viewer, other)]
        np.testing.assert_array_equal(*colors)

    other.layers["strokes"].paint((6, 10, 10), 1)  # it goes on in the same file
    wait_for_pixels(qtbot, folder / "labels/strokes.tif", other.layers["strokes"].data)


def pictures(folder: Path, images: np.ndarray) -> Path:
    path = folder / "slices"
    path.mkdir()
    for index, page in enumerate(images):
        PIL.Image.fromarray(page).save(path / f"{index}.png")
    return path


def dataset(folder: Path, images: np.ndarray) -> Path:
    with h5py.File(folder / "crop.h5", "w") as file:
        file["volumes/raw"], file["other"] = images // 2, images
    return folder / "crop.h5"


def pyramid(folder: Path, images: np.ndarray) -> Path:
    path = folder / "image.zarr"
    with open_writer(path, images.shape, images.dtype, is_label=False) as writer:
        for page in images:
            writer.write(page)
    return path


@pytest.mark.parametrize("make", [pictures, dataset, pyramid])
def test_a_project_points_to_stacks_of_every_format(
    make_napari_viewer: MakeViewer,
    images: np.ndarray,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
    make: Callable[[Path, np.ndarray], Path],
) -> None:
    """It copies none of them, for they may be large."""
    path, folder = make(tmp_path, images), tmp_path / "project"
    viewer = make_napari_viewer()
    *_, image = viewer.open(path, plugin=PLUGIN)
    shown = [(layer.name, np.asarray(full_resolution(layer))) for layer in viewer.layers]
    strokes = add_sparse_labels(viewer, np.zeros(images.shape, np.uint8), image, "strokes", [])
    strokes.paint((2, 30, 30), 1)
    dock = open_dock(viewer)
    dock.new_project(folder)
    wait_for_pixels(qtbot, folder / "labels/strokes.tif", strokes.data)
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    assert not list(folder.glob("images/*"))

    other = make_napari_viewer()
    open_dock(other).open_project(folder)
    qtbot.waitUntil(lambda: len(other.layers) == len(shown) + 1)
    for name, pixels in shown:
        np.testing.assert_array_equal(full_resolution(other.layers[name]), pixels)


def test_layers_with_axes_before_those_of_a_stack_come_back_but_no_sizes_of_an_image(
    make_napari_viewer: MakeViewer,
    images: np.ndarray,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
) -> None:
    viewer, folder = make_napari_viewer(), tmp_path / "project"
    image = viewer.add_image(images[np.newaxis], name="stack", scale=(1, 50, 4, 4))
    strokes = add_sparse_labels(viewer, np.zeros(image.data.shape, np.uint8), image, "strokes", [])
    strokes.paint((0, 2, 30, 30), 1)
    sizes = viewer.add_image([images, images[:, ::2, ::2]], name="sizes")
    add_level(viewer, sizes, 1)
    dock = open_dock(viewer)
    dock.new_project(folder)
    wait_for_pixels(qtbot, folder / "labels/strokes.tif", strokes.data[0])
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    other = make_napari_viewer()
    open_dock(other).open_project(folder)
    qtbot.waitUntil(lambda: len(other.layers) == 2)
    for name, layer in (("stack", image), ("strokes", strokes)):
        np.testing.assert_array_equal(other.layers[name].data, layer.data)
        np.testing.assert_array_equal(other.layers[name].scale, (1, 50, 4, 4))


def test_an_error_of_ours_is_not_called_a_damaged_project(
    make_napari_viewer: MakeViewer,
    open_dock: OpenDock,
    button: Button,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "mine")
    qtbot.waitUntil(lambda: "mine" in text(dock))
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("napari_unet.widgets.project.dock.restore_view", fail)
    monkeypatch.setattr("napari_unet.widgets.common.message_line.report", lambda _: None)
    dock.open_project(tmp_path / "mine")
    qtbot.waitUntil(lambda: "a mistake of ours" in text(dock))
    qtbot.waitUntil(lambda: not load_settings().project)


def test_an_undo_and_a_removed_layer_are_saved(
    viewer: Viewer, tmp_path: Path, open_dock: OpenDock, button: Button, qtbot: QtBot
) -> None:
    tissue = viewer.layers["tissue"]
    strokes = add_sparse_labels(viewer, np.zeros((7, 61, 83), np.uint8), tissue, "strokes")
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    file = tmp_path / "project/labels/strokes.tif"
    strokes.paint((2, 30, 30), 1)
    wait_for_pixels(qtbot, file, strokes.data)
    assert (tmp_path / "project/images/tissue.tif").exists()  # it has no file of its own
    viewer.dims.set_current_step(0, 6)
    strokes.undo()
    wait_for_pixels(qtbot, file, np.zeros_like(strokes.data))
    more = add_sparse_labels(viewer, np.zeros((7, 61, 83), np.uint8), tissue, "more")
    viewer.layers.remove(strokes)
    document = tmp_path / "project/project.json"
    qtbot.waitUntil(lambda: "strokes.tif" not in document.read_text())
    assert file.exists()  # nothing that was painted is deleted
    more.paint((3, 20, 20), 2)
    button(dock, "Close project").click()  # it waits for no second
    wait_for_pixels(qtbot, tmp_path / "project/labels/more.tif", more.data)


def test_saving_goes_on_after_an_error_and_the_dock_says_both(
    viewer: Viewer,
    tmp_path: Path,
    open_dock: OpenDock,
    fail_once: Callable[[object, str], Callable[[], bool]],
    qtbot: QtBot,
) -> None:
    strokes = add_sparse_labels(
        viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "a" * 260
    )
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    fail_once(session_module, "view_of")  # before the thread begins
    strokes.paint((2, 30, 30), 1)
    qtbot.waitUntil(lambda: "The disk is gone." in text(dock))
    [file] = (tmp_path / "project/labels").glob("*.tif")
    wait_for_pixels(qtbot, file, strokes.data)
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    shutil.rmtree(file.parent)
    strokes.paint((3, 30, 30), 1)
    qtbot.waitUntil(lambda: "Not saved:" in text(dock))
    file.parent.mkdir()
    wait_for_pixels(qtbot, file, strokes.data)  # without another stroke
    qtbot.waitUntil(lambda: "Saved at" in text(dock))


@pytest.mark.parametrize("change", ["is missing", "has changed"])
def test_a_stack_that_is_gone_or_changed_is_reported(
    make_napari_viewer: MakeViewer,
    stack: Path,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
    change: str,
) -> None:
    viewer = make_napari_viewer(show=True)
    (image,) = viewer.open(stack, plugin=PLUGIN)
    add_sparse_labels(viewer, np.ones(image.data.shape, np.uint8), image, "strokes")
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    if change == "is missing":
        stack.rename(tmp_path / "elsewhere.tif")
    else:
        tifffile.imwrite(stack, np.zeros(image.data.shape, np.uint8))
    other = make_napari_viewer(show=True)
    again = open_dock(other)
    again.open_project(tmp_path / "project")
    qtbot.waitUntil(lambda: change in text(again))
    assert other.layers["strokes"].data.all()
    button(again, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    assert str(stack) in (tmp_path / "project/project.json").read_text()  # it is not forgotten


def test_layers_that_can_not_be_shown_are_named_and_the_others_opened(
    viewer: Viewer,
    make_napari_viewer: MakeViewer,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
) -> None:
    """One file of the project is damaged, one stack beside it is no TIF any more."""
    stack = tmp_path / "beside.tif"
    tifffile.imwrite(stack, np.zeros((7, 61, 83), np.uint8))
    viewer.open(stack, plugin=PLUGIN)
    for name in ("strokes", "damaged"):
        add_sparse_labels(viewer, np.ones((7, 61, 83), np.uint8), viewer.layers[0], name)
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    button(dock, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    damaged = tmp_path / "project/labels/damaged.tif"
    for path in (stack, damaged):
        path.write_bytes(b"not a TIF" * 100)
    other = make_napari_viewer(show=True)
    again = open_dock(other)
    again.open_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "Saved at" in text(again))
    assert str(stack) in text(again) and str(damaged) in text(again)
    assert other.layers["strokes"].data.all()
    assert {"damaged", "beside"}.isdisjoint(layer.name for layer in other.layers)
    button(again, "Close project").click()
    qtbot.waitUntil(lambda: not load_settings().project)
    document = (tmp_path / "project/project.json").read_text()
    assert str(stack) in document and "labels/damaged.tif" in document  # to be mended
    assert damaged.read_bytes() == b"not a TIF" * 100


def test_opening_asks_before_it_closes_layers(
    viewer: Viewer,
    tmp_path: Path,
    open_dock: OpenDock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QMessageBox, "exec_", lambda box: None)  # no button: keep
    open_dock(viewer).open_project(tmp_path)
    assert "tissue" in viewer.layers


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``press(text)`` answers the questions from now on with the button of this text."""

    def answer(wanted: str) -> None:
        def press_button(box: QMessageBox) -> None:
            next(choice for choice in box.buttons() if choice.text() == wanted).click()

        monkeypatch.setattr(QMessageBox, "exec_", press_button)

    return answer


@pytest.fixture
def two_windows(
    viewer: Viewer,
    make_napari_viewer: MakeViewer,
    tmp_path: Path,
    open_dock: OpenDock,
    press: Callable[[str], None],
    qtbot: QtBot,
) -> tuple[Viewer, ProjectDock, Viewer, ProjectDock]:
    """A window with a project, and another one that looks at it."""
    add_sparse_labels(viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "strokes")
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    wait_for_pixels(qtbot, tmp_path / "project/labels/strokes.tif", viewer.layers["strokes"].data)
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    other = make_napari_viewer(show=True)
    looking = open_dock(other)
    press("Look only")
    looking.open_project(tmp_path / "project")
    qtbot.waitUntil(lambda: "Look only:" in text(looking))
    return viewer, dock, other, looking


def test_who_only_looks_saves_nothing_until_taking_over(
    two_windows: tuple[Viewer, ProjectDock, Viewer, ProjectDock],
    tmp_path: Path,
    button: Button,
    press: Callable[[str], None],
    qtbot: QtBot,
) -> None:
    viewer, _, other, looking = two_windows
    assert f"process {os.getpid()} on" in text(looking)
    file = tmp_path / "project/labels/strokes.tif"
    other.layers["strokes"].paint((1, 30, 30), 1)
    viewer.layers["strokes"].paint((2, 30, 30), 1)
    wait_for_pixels(qtbot, file, viewer.layers["strokes"].data)
    press("Close them and open")
    button(looking, "Take over").click()
    qtbot.waitUntil(lambda: "Saved at" in text(looking))
    taken = other.layers["strokes"].data
    assert taken[2, 30, 30] == 1 and taken[1, 30, 30] == 0  # as the first window saved it
    other.layers["strokes"].paint((3, 30, 30), 1)
    wait_for_pixels(qtbot, file, other.layers["strokes"].data)


def test_a_window_that_lost_its_project_says_so_and_takes_it_back_with_all_that_was_painted(
    two_windows: tuple[Viewer, ProjectDock, Viewer, ProjectDock],
    tmp_path: Path,
    button: Button,
    press: Callable[[str], None],
    qtbot: QtBot,
) -> None:
    viewer, dock, other, looking = two_windows
    labels = tmp_path / "project/labels"
    press("Close them and open")
    button(looking, "Take over").click()
    qtbot.waitUntil(lambda: "Saved at" in text(looking))
    theirs, mine = other.layers["strokes"], viewer.layers["strokes"]
    theirs.paint((3, 30, 30), 1)
    added = add_sparse_labels(other, np.ones((7, 61, 83), np.uint8), other.layers[0], "added")
    wait_for_pixels(qtbot, labels / "strokes.tif", theirs.data)
    wait_for_pixels(qtbot, labels / "added.tif", added.data)
    mine.paint((4, 30, 30), 1)
    qtbot.waitUntil(lambda: "was taken over by another window" in text(dock))
    assert "Not saved:" in text(dock)
    assert button(dock, "Save elsewhere…").isVisibleTo(dock)
    np.testing.assert_array_equal(tifffile.imread(labels / "strokes.tif"), theirs.data)

    button(dock, "Take it back").click()
    wait_for_pixels(qtbot, labels / "strokes-2.tif", mine.data)
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    np.testing.assert_array_equal(tifffile.imread(labels / "strokes.tif"), theirs.data)
    document = (tmp_path / "project/project.json").read_text()
    assert all(f"labels/{name}.tif" in document for name in ("strokes", "strokes-2", "added"))
    theirs.paint((5, 30, 30), 1)
    qtbot.waitUntil(lambda: "was taken over by another window" in text(looking))


def test_what_a_lost_window_holds_can_be_saved_elsewhere(
    two_windows: tuple[Viewer, ProjectDock, Viewer, ProjectDock],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    *_, other, looking = two_windows
    other.layers["strokes"].paint((1, 30, 30), 1)
    looking.new_project(tmp_path / "elsewhere")
    qtbot.waitUntil(lambda: "Saved at" in text(looking))
    wait_for_pixels(qtbot, tmp_path / "elsewhere/labels/strokes.tif", other.layers["strokes"].data)


def test_a_file_that_another_program_changed_is_kept_beside_ours(
    viewer: Viewer, tmp_path: Path, open_dock: OpenDock, button: Button, qtbot: QtBot
) -> None:
    strokes = add_sparse_labels(
        viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "strokes"
    )
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    file = tmp_path / "project/labels/strokes.tif"
    wait_for_pixels(qtbot, file, strokes.data)
    tifffile.imwrite(file, strokes.data + 2)
    strokes.paint((1, 30, 30), 1)
    qtbot.waitUntil(lambda: "strokes.tif was changed by another program" in text(dock))
    button(dock, "Keep both").click()
    wait_for_pixels(qtbot, file.with_name("strokes-2.tif"), strokes.data)
    assert (tifffile.imread(file) == 2).all()
    qtbot.waitUntil(lambda: "Saved at" in text(dock))


def test_a_project_is_saved_for_the_last_time_beside_the_window(
    viewer: Viewer,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strokes = add_sparse_labels(
        viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "strokes"
    )
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    file = tmp_path / "project/labels/strokes.tif"
    wait_for_pixels(qtbot, file, strokes.data)
    goes_on, threads, save = threading.Event(), [], ProjectWriter.save

    def save_slowly(writer: ProjectWriter, snapshot: Snapshot) -> None:
        threads.append(threading.current_thread())
        goes_on.wait(5)
        save(writer, snapshot)

    monkeypatch.setattr(ProjectWriter, "save", save_slowly)
    strokes.paint((1, 30, 30), 1)
    button(dock, "Close project").click()
    assert "Saving for the last time" in text(dock)
    assert not button(dock, "Close project").isEnabled()
    assert load_settings().project
    painted = strokes.data.copy()
    goes_on.set()
    qtbot.waitUntil(lambda: "No project is open" in text(dock))
    np.testing.assert_array_equal(tifffile.imread(file), painted)
    assert painted.any() and threading.main_thread() not in threads
    assert not (tmp_path / "project/lock").exists()


def test_napari_asks_before_it_closes_with_what_could_not_be_saved(
    viewer: Viewer,
    tmp_path: Path,
    open_dock: OpenDock,
    press: Callable[[str], None],
    qtbot: QtBot,
) -> None:
    strokes = add_sparse_labels(
        viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "strokes"
    )
    dock = open_dock(viewer)
    dock.new_project(tmp_path / "project")
    wait_for_pixels(qtbot, tmp_path / "project/labels/strokes.tif", strokes.data)
    shutil.rmtree(tmp_path / "project/labels")
    strokes.paint((1, 30, 30), 1)
    press("Don't close napari")
    window = viewer.window._qt_window
    assert not window.close() and window.isVisible()
    assert "Not saved:" in text(dock)
    (tmp_path / "project/labels").mkdir()
    wait_for_pixels(qtbot, tmp_path / "project/labels/strokes.tif", strokes.data)


class StaysOpen(QObject):
    """Keeps a window from closing, as a person does who is asked by something else."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Close:
            event.ignore()
        return event.type() == QEvent.Type.Close


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_window_that_closes_during_a_save_is_drawn_until_all_is_saved(
    viewer: Viewer,
    tmp_path: Path,
    open_dock: OpenDock,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    button: Button,
    is_cancelled: bool,
) -> None:
    save, window = ProjectWriter.save, viewer.window._qt_window
    is_slow, is_saving, goes_on = threading.Event(), threading.Event(), threading.Event()

    def save_slowly(writer: ProjectWriter, snapshot: Snapshot) -> None:
        if is_slow.is_set():
            is_saving.set()
            goes_on.wait(20)
        save(writer, snapshot)

    def use_the_window() -> None:
        """Happens in time if the window's thread waits for nothing."""
        if not is_saving.is_set():
            return
        timer.stop()
        [progress] = window.findChildren(QProgressDialog)
        assert progress.labelText() == "Saving project…"
        strokes.paint((5, 40, 40), 2)
        window.close()
        if is_cancelled:
            button(progress, "Don't close napari").click()
        else:
            goes_on.set()

    monkeypatch.setattr(ProjectWriter, "save", save_slowly)
    window.installEventFilter(other := StaysOpen(window))
    strokes = add_sparse_labels(
        viewer, np.zeros((7, 61, 83), np.uint8), viewer.layers[0], "strokes"
    )
    open_dock(viewer).new_project(tmp_path / "project")
    file = tmp_path / "project/labels/strokes.tif"
    wait_for_pixels(qtbot, file, strokes.data)
    is_slow.set()
    strokes.paint((1, 30, 30), 1)
    timer = QTimer()
    timer.timeout.connect(use_the_window)
    timer.start(10)
    assert not window.close() and window.isVisible()
    window.removeEventFilter(other)
    assert goes_on.is_set() != is_cancelled
    if not is_cancelled:
        np.testing.assert_array_equal(tifffile.imread(file), strokes.data)
    goes_on.set()
    wait_for_pixels(qtbot, file, strokes.data)
    assert set(np.unique(strokes.data)) == {0, 1, 2}


CHILD = """
import sys
import napari
import numpy as np
from napari_unet.layers.plugin_layers import add_sparse_labels

viewer = napari.Viewer(show=True)
(image,) = viewer.open(sys.argv[1], plugin="napari-unet-mindspore")
labels = add_sparse_labels(viewer, np.zeros(image.data.shape, np.uint8), image, "strokes")
_, dock = viewer.window.add_plugin_dock_widget("napari-unet-mindspore", "Project")
dock.new_project(__import__("pathlib").Path(sys.argv[2]))

from qtpy.QtCore import QEvent, QObject, QTimer
def paint(places=iter([(2, 30, 30), (2, 30, 50), (4, 20, 20)])):
    place = next(places, None)
    if place is not None:
        labels.paint(place, 1 + place[0] // 4)
timer = QTimer()
timer.timeout.connect(paint)
timer.start(1500)
napari.run()
"""


def test_strokes_survive_a_killed_window(
    make_napari_viewer: MakeViewer,
    stack: Path,
    tmp_path: Path,
    open_dock: OpenDock,
    button: Button,
    qtbot: QtBot,
) -> None:
    folder = tmp_path / "project"
    command = [sys.executable, "-c", CHILD, str(stack), str(folder)]
    log = (tmp_path / "child.log").open("w")
    child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    file = folder / "labels/strokes.tif"

    def is_painted() -> bool:
        assert child.poll() is None, (tmp_path / "child.log").read_text()
        return file.exists() and bool(tifffile.imread(file)[4].any())

    qtbot.waitUntil(is_painted)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    log.close()
    assert load_settings().projects == [str(folder)]
    assert load_settings().runs_folder != str(folder / "runs")  # it is not open here

    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    button(dock, "Reopen 'project'").click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    strokes = viewer.layers["strokes"].data
    assert strokes[2, 30, 30] == strokes[2, 30, 50] == 1 and strokes[4, 20, 20] == 2
    assert viewer.layers["stack"].data.shape == strokes.shape


def test_recent_projects_are_offered_newest_first_and_keep_their_settings(
    viewer: Viewer, tmp_path: Path, open_dock: OpenDock, button: Button, qtbot: QtBot
) -> None:
    remember(Settings(training={"preset": "compact", "epochs": 5}, runs_folder="/runs"))
    dock = open_dock(viewer)
    for name, epochs in (("first", 60), ("second", 70)):
        dock.new_project(tmp_path / name)
        qtbot.waitUntil(lambda: "Saved at" in text(dock))
        remember(Settings(training={"preset": "compact", "epochs": epochs}))
        button(dock, "Close project").click()
        qtbot.waitUntil(lambda: not load_settings().project)
        assert (load_settings().training["epochs"], load_settings().runs_folder) == (5, "/runs")
    assert button(dock, "Reopen 'second'").isVisibleTo(dock)
    [first] = button(dock, "Recent projects").menu().actions()
    assert first.text() == str(tmp_path / "first")
    viewer.layers.clear()
    first.trigger()
    qtbot.waitUntil(lambda: "Saved at" in text(dock))
    assert load_settings().training["epochs"] == 60
    assert load_settings().runs_folder == str(tmp_path / "first/runs")
