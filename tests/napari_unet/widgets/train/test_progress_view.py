from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_progress import ProgressReader, RunProgress
from napari_unet.widgets.common.dock import WIDTH
from napari_unet.widgets.train.progress_view import TrainingProgressView
from training.runs.run_directory import RunDirectory

from .conftest import NAME, report


@pytest.fixture
def view(qtbot: QtBot) -> TrainingProgressView:
    view = TrainingProgressView("dark", is_logarithmic=True)
    qtbot.addWidget(view)
    return view


def read_progress(run: RunDirectory) -> RunProgress:
    follower = RunFollower(run, LocalLauncher(run.path.parent))
    follower.update()
    return ProgressReader(follower).read()


@pytest.mark.parametrize("width", [300, 330, 400])
def test_it_fits_into_a_low_window_with_the_dock_s_buttons(
    view: TrainingProgressView, width: int, make_run: Callable[..., RunDirectory]
) -> None:
    view.show_progress(read_progress(make_run("old")))
    assert view.heightForWidth(width) < 620  # pixels, of the 800 of a small screen


def test_no_figure_is_cut_off(
    view: TrainingProgressView, make_run: Callable[..., RunDirectory], qtbot: QtBot
) -> None:
    run = make_run("old")
    mean = {"soft_dice": 0.9347, "dice": 0.8161}
    report(run, "step", step=57599, epoch=400, loss=0.2336, images_per_second=140.4, lr=1e-4)
    report(run, "evaluated", step=57599, epoch=400, slices=[], mean=mean)
    started = {"device": "CPU", "world_size": 1, "total_steps": 57600, "total_epochs": 400}
    report(run, "started", **started, first_step=57599, valid_slices=[2])
    view.resize(WIDTH - 24, 600)
    view.show()
    view.show_progress(read_progress(run))
    qtbot.waitUntil(lambda: "57599 of 57600" in texts(view))
    for label in view.findChildren(QLabel):
        if not label.wordWrap():
            assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width(), (
                label.text()
            )


def texts(view: TrainingProgressView) -> list[str]:
    return [label.text() for label in view.findChildren(QLabel)]


def test_the_classes_of_a_run_have_curves(make_run: Callable[..., RunDirectory]) -> None:
    run = make_run("classes", classes="membrane,mitochondria#00FF00")
    mean = {"soft_dice": 0.9, "dice": 0.7, "dice_membrane": 0.8, "dice_mitochondria": 0.6}
    report(run, "evaluated", step=3, epoch=1, mean=mean | {"dice_<b>elsewhere": 0.1})
    found = [(one.name, one.color, one.dice[-1]) for one in read_progress(run).curves.classes]
    assert found == [("membrane", "#E69F00", 0.8), ("mitochondria", "#00FF00", 0.6)]


def test_a_run_and_what_is_done_with_it_are_named_as_they_are(
    view: TrainingProgressView,
    make_run: Callable[..., RunDirectory],
    shown: Callable[[QLabel], str],
) -> None:
    run = make_run(NAME)
    headline = view.findChildren(QLabel)[0]
    view.show_progress(read_progress(run))
    assert shown(headline).splitlines() == [NAME, "Stopped"]
    view.show_headline(f"Deleting '{NAME}'")
    assert shown(headline).splitlines() == [NAME, f"Deleting '{NAME}'"]
    view.forget(f"'{NAME}' is deleted.")
    assert shown(headline) == f"'{NAME}' is deleted."
