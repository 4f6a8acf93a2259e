from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject, QPoint
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QAction,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QMenu,
    QScrollBar,
    QTabBar,
    QWidget,
)

from napari_unet.widgets.common import dock as common_dock
from napari_unet.widgets.common.dock import PLUGIN, WIDTH, Dock, open_dock
from tests.napari_unet.widgets.layout_faults import tab_faults

NAMES = ("Project", "Annotate", "Train", "Runs", "Predict", "Correct", "Evaluate")
CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
)


@pytest.fixture
def usual_window(viewer: Viewer, membrane: np.ndarray) -> Viewer:
    """1280 x 800 pixels, with an image and a mask."""
    viewer.add_labels(membrane.astype(np.uint8), name="mask")
    viewer.window.resize(1280, 800)
    return viewer


def test_docks_are_tabs_of_one_place_with_the_newest_in_front(
    usual_window: Viewer, qtbot: QtBot
) -> None:
    for name in NAMES:
        frame, _ = usual_window.window.add_plugin_dock_widget(PLUGIN, name)
    window = frame.parent()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(frame)) == len(NAMES) - 1)

    def front() -> list[str]:
        bars = [bar for bar in window.findChildren(QTabBar) if bar.count() == len(NAMES)]
        return [bar.tabText(bar.currentIndex()) for bar in bars]

    qtbot.waitUntil(lambda: front() == [NAMES[-1]])
    assert (window.width(), window.height()) == (1280, 800), "no dock makes the window larger"


def test_the_side_has_room_for_the_names_of_more_docks(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    """On a low window, beside docks whose width has no room for a row of them."""
    viewer = make_napari_viewer(show=True)
    names = [*NAMES, "Neurons", "Measures"]
    for name in names:
        viewer.window.add_dock_widget(type(name, (Dock,), {})(), name=name)
    window = viewer.window._qt_window
    window.resize(1024, 700)

    def bars() -> list[QTabBar]:
        found = window.findChildren(QTabBar)
        return [bar for bar in found if bar.count() == len(names) and bar.isVisible()]

    qtbot.waitUntil(lambda: len(bars()) == 1)
    qtbot.waitUntil(lambda: window.size().height() == 700)
    assert tab_faults(bars()[0]) == []


def test_docks_at_rest_leave_the_window_at_rest(usual_window: Viewer, qtbot: QtBot) -> None:
    """The window is laid out again when something has changed, and not for ever."""
    for name in NAMES:
        usual_window.window.add_plugin_dock_widget(PLUGIN, name)
    counter = LayoutCounter()
    for frame in usual_window.window._qt_window.findChildren(QDockWidget):
        frame.installEventFilter(counter)

    def is_at_rest() -> bool:
        counter.requests = 0
        for _ in range(20):
            QApplication.processEvents()
        return counter.requests == 0

    qtbot.waitUntil(is_at_rest, timeout=20_000)


class LayoutCounter(QObject):
    """Counts how often docks are asked to lay themselves out."""

    requests = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        self.requests += event.type() == QEvent.Type.LayoutRequest
        return False


def choose(viewer: Viewer, name: str) -> None:
    """Choose a dock in the Plugins menu, as a click does."""
    next(
        action for action in actions(viewer.window.plugins_menu) if name in action.text()
    ).trigger()


def actions(menu: QMenu) -> Iterator[QAction]:
    for action in menu.actions():
        submenu = action.menu()
        if submenu is None:
            yield action
        else:
            yield from actions(submenu)


def frames_of(viewer: Viewer, name: str) -> list[QDockWidget]:
    frames = viewer.window._qt_window.findChildren(QDockWidget)
    return [frame for frame in frames if frame.windowTitle().startswith(name)]


def is_in_front(viewer: Viewer, name: str) -> bool:
    (frame,) = frames_of(viewer, name)
    return not frame.visibleRegion().isEmpty()


OPENERS = {
    "menu": choose,
    "button": open_dock,
    "script": lambda viewer, name: viewer.window.add_plugin_dock_widget(PLUGIN, name),
}


@pytest.mark.parametrize(("first", "second"), [*permutations(OPENERS, 2)])
def test_there_is_one_dock_of_a_kind_however_it_is_opened(
    usual_window: Viewer, first: str, second: str, qtbot: QtBot
) -> None:
    OPENERS[first](usual_window, "Train")
    (frame,) = frames_of(usual_window, "Train")
    qtbot.waitUntil(lambda: is_in_front(usual_window, "Train"))
    choose(usual_window, "Predict")
    qtbot.waitUntil(lambda: is_in_front(usual_window, "Predict"))
    OPENERS[second](usual_window, "Train")
    qtbot.waitUntil(lambda: frames_of(usual_window, "Train") == [frame])
    qtbot.waitUntil(lambda: is_in_front(usual_window, "Train"))


def test_the_menu_hides_the_dock_in_front_and_shows_it_again(
    usual_window: Viewer, qtbot: QtBot
) -> None:
    for name in ("Train", "Predict"):
        choose(usual_window, name)
        qtbot.waitUntil(partial(is_in_front, usual_window, name))
    choose(usual_window, "Predict")
    qtbot.waitUntil(lambda: is_in_front(usual_window, "Train"))
    assert frames_of(usual_window, "Predict")[0].isHidden()
    choose(usual_window, "Predict")
    qtbot.waitUntil(lambda: is_in_front(usual_window, "Predict"))


def test_every_control_tells_what_it_does_and_has_room(usual_window: Viewer, qtbot: QtBot) -> None:
    silent = []
    for name in NAMES:
        frame, dock = usual_window.window.add_plugin_dock_widget(PLUGIN, name)
        qtbot.waitUntil(dock.isVisible)
        qtbot.waitUntil(partial(assert_nothing_is_cut_off, dock))
        silent += [
            describe(control) for control in controls(dock) if not has_tooltip(control, dock)
        ]
        frame.close()
    assert not silent


def assert_nothing_is_cut_off(dock: QWidget) -> None:
    room = range(dock.viewport().width() + 1)
    for control in controls(dock):
        left = control.mapTo(dock, QPoint(0, 0)).x()
        has_room = left in room and left + control.width() in room
        assert has_room or not control.isVisible(), describe(control)


def describe(control: QWidget) -> str:
    return f"{type(control).__name__} {getattr(control, 'text', str)()!r}"


def controls(dock: QWidget) -> Iterator[QWidget]:
    """What a person clicks, without the parts that Qt makes of it."""
    for widget in dock.findChildren(QWidget):
        is_control = isinstance(widget, CONTROLS) and not isinstance(widget, QScrollBar)
        if is_control and not isinstance(widget.parent(), (*CONTROLS, QTabBar)):
            yield widget


def has_tooltip(widget: QWidget, dock: QWidget) -> bool:
    """Its own, or that of what it is a part of, which Qt shows then."""
    while widget is not dock:
        if widget.toolTip():
            return True
        widget = widget.parentWidget()
    return False


def test_a_dock_scrolls_sideways_where_the_screen_is_narrow(
    usual_window: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dock = usual_window.window.add_plugin_dock_widget(PLUGIN, "Train")
    assert dock.minimumSizeHint().width() >= WIDTH
    screen = usual_window.window._qt_window.screen().availableGeometry().width()
    monkeypatch.setattr(common_dock, "BESIDE", screen - 260)  # as if no more were left of it
    assert dock.minimumSizeHint().width() == 260 and dock.sizeHint().width() >= WIDTH
    dock.updateGeometry()
    usual_window.window.resize(900, 700)
    qtbot.waitUntil(lambda: dock.width() < WIDTH)
    bar = dock.horizontalScrollBar()
    qtbot.waitUntil(bar.isVisible)

    def is_seen_to_its_end() -> bool:
        bar.setValue(bar.maximum())
        right = dock.content.mapTo(dock.viewport(), QPoint(dock.content.width(), 0)).x()
        return right == dock.viewport().width()

    qtbot.waitUntil(is_seen_to_its_end)
