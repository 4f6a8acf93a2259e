"""The curves of a training, as they are drawn."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph
import pytest
from pyqtgraph import PlotDataItem
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QCheckBox, QLabel

from napari_unet.runs.run_progress import ClassCurve, Curves
from napari_unet.widgets.train.curves_view import CurvesView

CURVES = Curves(
    steps=np.array([1.0, 2.0, 3.0, 4.0]),
    loss=np.array([1.0, 0.1, 0.01, 0.001]),
    smoothed_loss=np.array([1.0, 0.5, 0.2, 0.1]),
    evaluated_steps=np.array([2.0, 4.0]),
    dice=np.array([0.75, 0.7]),
    best=0,
    initial_dice=None,
)


@pytest.fixture
def view(qtbot: QtBot) -> CurvesView:
    view = CurvesView("dark", is_logarithmic=False)
    qtbot.addWidget(view)
    return view


def plots(view: CurvesView) -> list[Any]:
    """The plots of loss and of Dice."""
    return [plot.getPlotItem() for plot in view.findChildren(pyqtgraph.PlotWidget)]


def curves(view: CurvesView) -> dict[str, Any]:
    """The curves by their names in the legends."""
    items = [curve for plot in plots(view) for curve in plot.listDataItems()]
    return {curve.name(): curve for curve in items if curve.name()}


def stars(view: CurvesView) -> list[tuple[float, float]]:
    items = [item for plot in plots(view) for item in plot.items]
    marks = [item for item in items if isinstance(item, pyqtgraph.ScatterPlotItem)]
    return [(point.pos().x(), point.pos().y()) for mark in marks for point in mark.points()]


def beginning(view: CurvesView) -> Any:
    """The line at the Dice that a run began from."""
    items = [item for plot in plots(view) for item in plot.items]
    return next(item for item in items if isinstance(item, pyqtgraph.InfiniteLine))


def test_the_name_of_an_axis_has_room_beside_figures_of_three_decimals(
    view: CurvesView, qtbot: QtBot
) -> None:
    view.resize(370, 400)
    view.show()
    view.show_curves(dataclasses.replace(CURVES, dice=np.array([0.7936, 0.7863])))
    axis = plots(view)[1].getAxis("left")
    qtbot.waitUntil(lambda: axis.picture is not None and axis.textWidth > 30)
    name = axis.label.mapRectToParent(axis.label.boundingRect())
    assert name.right() <= axis.width() - axis.textWidth - axis.style["tickTextOffset"][0] + 1


def test_losses_and_figures_are_drawn_over_their_steps(view: CurvesView) -> None:
    view.show_curves(CURVES)
    drawn = {name: np.array(curve.getOriginalDataset()) for name, curve in curves(view).items()}
    expected = {
        "raw": (CURVES.steps, CURVES.loss),
        "smoothed": (CURVES.steps, CURVES.smoothed_loss),
        "Dice": (CURVES.evaluated_steps, CURVES.dice),
    }
    assert drawn.keys() == expected.keys()
    for name, points in expected.items():
        np.testing.assert_array_equal(drawn[name], points)


def test_each_class_has_a_line_in_its_colour_and_its_name_in_a_legend(
    view: CurvesView, shown: Callable[[QLabel], str], qtbot: QtBot
) -> None:
    steps = CURVES.evaluated_steps
    classes = (
        ClassCurve("membrane", "#E69F00", steps, np.array([0.8, 0.8])),
        ClassCurve("mitochondria", "#56B4E9", steps, np.array([0.6, 0.7])),
    )
    view.show_curves(CURVES)
    view.show_curves(dataclasses.replace(CURVES, classes=classes))
    view.show_curves(dataclasses.replace(CURVES, classes=classes))  # as it does every second
    lines = {curve.opts["pen"].color().name(): curve for curve in plots(view)[1].listDataItems()}
    for one in classes:
        np.testing.assert_array_equal(lines[one.color.lower()].getData()[1], one.dice)
    view.resize(354, 300)
    view.show()

    def named() -> str:
        """The names in the legend, which covers nothing."""
        legend = view.findChild(QLabel)
        assert all(
            not legend.geometry().intersects(plot.geometry())
            for plot in view.findChildren(pyqtgraph.PlotWidget)
        )
        return " ".join(shown(legend).split()) if legend.isVisible() else ""

    assert named() == "■ membrane ■ mitochondria"
    many = tuple(dataclasses.replace(classes[0], name=f"kind {n}") for n in range(9))
    view.show_curves(dataclasses.replace(CURVES, classes=many))
    qtbot.waitUntil(lambda: named().endswith("■ kind 8"))
    view.show_curves(CURVES)  # of another run
    assert named() == ""
    left = plots(view)[1].listDataItems()
    assert [curve.name() for curve in left if isinstance(curve, PlotDataItem)] == ["Dice"]


def test_the_best_validation_is_starred(view: CurvesView) -> None:
    view.show_curves(CURVES)
    assert stars(view) == [(2, 0.75)]
    view.show_curves(dataclasses.replace(CURVES, best=None))
    assert stars(view) == []


def test_a_line_shows_where_a_run_learned_on_from(view: CurvesView) -> None:
    view.show_curves(CURVES)
    assert not beginning(view).isVisible()
    view.show_curves(dataclasses.replace(CURVES, initial_dice=0.65))
    assert beginning(view).isVisible() and beginning(view).value() == 0.65


def test_the_validation_before_the_first_step_is_in_sight(view: CurvesView) -> None:
    begun = {"evaluated_steps": np.array([0.0, 4.0]), "best": 1}
    view.show_curves(dataclasses.replace(CURVES, **begun))
    for plot in plots(view):
        (first, last), _ = plot.getViewBox().viewRange()
        assert first <= 0 < 4 <= last


def test_the_scale_of_the_loss_is_chosen_and_reported(view: CurvesView, qtbot: QtBot) -> None:
    view.show_curves(CURVES)
    [choice] = view.findChildren(QCheckBox)
    with qtbot.waitSignal(view.scale_changed) as report:
        choice.click()
    assert report.args == [True]
    np.testing.assert_allclose(curves(view)["raw"].getData()[1], [0, -1, -2, -3])
    loss_axis, dice_axis = (plot.getAxis("left") for plot in plots(view))
    assert loss_axis.logMode and not dice_axis.logMode
    ticks = loss_axis.logTickStrings(np.log10([1, 2, 3, 5, 20, 70]), 1, 1)
    assert ticks == ["1", "2", "", "5", "20", ""]
