"""Which slices are reported after strokes, undos, movements of the slider and new pixels."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, QTimer

from napari_unet.widgets.common.edit_watch import EditWatch

Reports = list[set[int] | None]


@pytest.fixture
def model() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def labels(model: ViewerModel) -> Labels:
    layer = model.add_labels(np.zeros((6, 20, 20), np.uint8))
    model.dims.set_current_step(0, 1)
    return layer


@pytest.fixture
def parent() -> QObject:
    return QObject()


@pytest.fixture
def watch(model: ViewerModel, labels: Labels, parent: QObject, qtbot: QtBot) -> EditWatch:
    """A watch that has reported, at first, that all slices are to be looked at."""
    watch = EditWatch(model, 20, parent)
    with qtbot.waitSignal(watch.edited) as first:
        watch.watch(labels)
    assert first.args == [None]
    return watch


@pytest.fixture
def reports(watch: EditWatch) -> Reports:
    reports: Reports = []
    watch.edited.connect(reports.append)
    return reports


def test_strokes_on_several_slices_are_reported_together(
    labels: Labels, reports: Reports, qtbot: QtBot
) -> None:
    labels.paint((3, 5, 5), 1)
    labels.paint((5, 5, 5), 1)
    qtbot.waitUntil(lambda: reports != [])
    assert reports[0] is not None and {3, 5} <= reports[0] <= {1, 3, 5}


def test_a_stroke_is_reported_when_its_pixels_are_there(
    labels: Labels, watch: EditWatch, qtbot: QtBot
) -> None:
    """napari reports it before it changes them."""
    seen: list[bool] = []
    watch.edited.connect(lambda _: seen.append(bool(labels.data[3, 5, 5])))
    delay = watch.findChild(QTimer)
    qtbot.waitUntil(lambda: not delay.isActive())  # that of the first report
    labels.paint((3, 5, 5), 1)
    qtbot.waitUntil(lambda: seen != [])
    assert all(seen)


def test_the_slider_reports_only_its_slice(
    model: ViewerModel, labels: Labels, reports: Reports, qtbot: QtBot
) -> None:
    model.dims.set_current_step(0, 4)
    qtbot.waitUntil(lambda: reports != [])
    assert reports == [{4}]


def test_an_undo_reports_all_slices(
    model: ViewerModel, labels: Labels, watch: EditWatch, reports: Reports, qtbot: QtBot
) -> None:
    labels.paint((3, 5, 5), 1)
    watch.flush()
    labels.undo()
    watch.flush()
    assert reports[-1] is None


def test_new_pixels_report_all_slices(labels: Labels, watch: EditWatch, reports: Reports) -> None:
    labels.data = np.ones_like(labels.data)
    watch.flush()
    assert reports == [None]


def test_what_waits_is_reported_at_once_and_only_once(
    labels: Labels, watch: EditWatch, reports: Reports, qtbot: QtBot
) -> None:
    labels.paint((3, 5, 5), 1)
    watch.flush()
    watch.flush()
    assert len(reports) == 1


def test_a_layer_that_is_no_longer_watched_reports_nothing(
    labels: Labels, watch: EditWatch, reports: Reports
) -> None:
    labels.paint((3, 5, 5), 1)
    watch.watch(None)
    labels.paint((2, 5, 5), 1)
    watch.flush()
    assert reports == []
