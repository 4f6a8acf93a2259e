from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_unet.runs.run_list import RunSummary
from napari_unet.widgets.runs.model import SORT_ROLE, RunsModel, describe
from training.runs.run_directory import RunDirectory

NAME = "<b>x<b>&amp;"
OLD = RunSummary(
    run=RunDirectory(Path("/runs/old")),
    status="failed",
    preset="medical",
    device="cpu",
    best_dice=None,
    best_soft_dice=None,
    seconds=None,
    date=datetime(2024, 3, 5, 14, 7),
    is_running=False,
    problem="The disk is <full>.",
    title="tissue",
)
NEW = replace(
    OLD,
    run=RunDirectory(Path("/runs") / NAME),
    status="running",
    best_dice=0.81234,
    best_soft_dice=0.91234,
    seconds=65.0,
    is_running=True,
    problem="",
    title=NAME,
)


@pytest.fixture
def model(qtbot: QtBot) -> RunsModel:
    model = RunsModel()
    model.show_runs([NEW, OLD])
    return model


def row(model: RunsModel, index: int, role: int = Qt.ItemDataRole.DisplayRole) -> list[object]:
    return [model.index(index, column).data(role) for column in range(model.columnCount())]


def test_a_row_shows_a_run(model: RunsModel) -> None:
    assert row(model, 0) == ["05 Mar 2024", NAME, "0.812", "running"]
    assert row(model, 1) == ["05 Mar 2024", "tissue", "", "failed"]


def test_figures_are_sorted_as_numbers(model: RunsModel) -> None:
    assert row(model, 0, SORT_ROLE)[2] == 0.81234
    assert row(model, 1, SORT_ROLE)[2] == 0.0


def test_only_rows_that_changed_are_reported(model: RunsModel, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(model.dataChanged):
        assert not model.show_runs([NEW, OLD])
    with qtbot.waitSignal(model.dataChanged) as change, qtbot.assertNotEmitted(model.modelReset):
        assert model.show_runs([NEW, replace(OLD, status="stopped")])
    assert (change.args[0].row(), change.args[1].row()) == (1, 1)
    assert row(model, 1)[3] == "stopped"


def test_another_list_replaces_the_rows(model: RunsModel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(model.modelReset):
        assert model.show_runs([OLD])
    assert model.rowCount() == 1
    assert model.summary(0) == OLD


def test_a_tooltip_shows_names_and_problems_as_they_are(
    model: RunsModel, qtbot: QtBot, shown: Callable[[QLabel], str]
) -> None:
    for index, summary in enumerate((NEW, OLD)):
        tooltip = QLabel(row(model, index, Qt.ItemDataRole.ToolTipRole)[0])
        qtbot.addWidget(tooltip)
        # Qt separates the lines of a document by U+2028.
        assert shown(tooltip).replace("\u2028", "\n") == describe(summary)
    assert "The disk is <full>." in describe(OLD)
    assert "best Dice 0.8123, soft Dice 0.9123" in describe(NEW)
