"""What the docks have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, overload

from napari import Viewer
from napari.layers import Image, Labels
from napari.plugins import menu_item_template
from npe2 import PluginManager
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QTabWidget, QWidget

from napari_unet.layers.colors import TRUTH_COLOR
from napari_unet.widgets.common.connections import when_deleted
from napari_unet.widgets.common.keyboard import ease_keyboard
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea
from napari_unet.widgets.common.wheel_guard import WheelGuard
from training.runs.run_directory import RunDirectory

WIDTH = 354  # pixels, at least: all alike, so that the canvas keeps its size from tab to tab
BESIDE = 650  # pixels that napari's own docks, the tabs and the narrowest canvas take
NARROWEST = 200  # pixels; a dock scrolls sideways then
# Tabs stand at the side: a row above docks of this width has no room for the names of all.
TAB_STYLE = """
QTabBar::tab {
    font-size: 11px; padding: 9px 0; margin: 0; min-height: 0; min-width: 0; max-width: 14px
}
QTabBar::tab:selected {font-weight: normal}
"""
# napari's style shows no focus; whoever uses the keyboard must see where it is.
FOCUS_STYLE = f"""
QPushButton:focus, QCheckBox:focus, QComboBox:focus, QAbstractSpinBox:focus, QLineEdit:focus,
QSlider:focus, QTableView:focus {{border: 1px solid {TRUTH_COLOR}}}
"""
_closed: set[Dock] = set()  # not to be collected by Python before they are deleted by Qt
PLUGIN = "napari-unet-mindspore"


class Dock(VerticalScrollArea):
    """A widget that shares its place with the other docks, and is deleted when it is closed.

    napari puts every dock below the last one, where two of them already leave too little
    height for each. And it only takes the widget out of a closed dock; it would go on listening
    to the viewer, unseen.

    Attributes
    ----------
    message : MessageLine
        Why something failed; each dock lays it out.
    content : QWidget
        Holds the views; scrolled where the window is too low for them or the screen too narrow,
        which the window would be larger than otherwise.
    """

    closed = Signal()  # the dock alone, not the window with it
    front_changed = Signal(bool)  # whether it is seen, and not behind another tab
    came_in_sight = Signal()  # opened, or brought to the front: Qt sends a tab no show event

    def __init__(self) -> None:
        super().__init__(QWidget())
        self.setStyleSheet(FOCUS_STYLE)
        self.message = MessageLine()
        self._is_in_front = self._is_hidden_from_behind = self._is_in_sight = False
        self._wheel_guard = WheelGuard(self)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)

    def report(self, error: Exception) -> None:
        """Say why something failed, until the next try."""
        self.message.tell_error(error)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        screen, wanted = self.screen(), self._wanted_size()
        room = wanted.width() if screen is None else screen.availableGeometry().width() - BESIDE
        return QSize(min(wanted.width(), max(room, NARROWEST)), wanted.height())

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(self._wanted_size().width(), self.content.sizeHint().height())

    def _wanted_size(self) -> QSize:
        """The least size in which all of its width is seen."""
        return super().minimumSizeHint().expandedTo(QSize(WIDTH, 0))

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        super().showEvent(event)
        self.ease_controls()
        self._note_sight(True)

    def ease_controls(self) -> None:
        """Keep the wheel off all controls, and let Tab go through them; call it for new ones."""
        self._wheel_guard.guard(self)
        ease_keyboard(self)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        super().changeEvent(event)
        if event is None or event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is None:
            self.closed.emit()
            _closed.add(self)
            when_deleted(self, partial(_closed.discard, self))
            self.deleteLater()
        else:
            self._attend()
            QTimer.singleShot(0, self._join_tabs)

    def _attend(self) -> None:
        frame = self.parent()
        if isinstance(frame, QDockWidget):
            frame.installEventFilter(self)
            frame.visibilityChanged.connect(self._on_visibility_changed)

    def eventFilter(self, frame: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Come to the front where napari's menu shows the dock, or hides it behind another tab."""
        kind = None if event is None or frame is not self.parent() else event.type()
        if kind == QEvent.Type.Hide:
            self._is_hidden_from_behind = not self._is_in_front
        elif kind == QEvent.Type.ShowToParent or (
            kind == QEvent.Type.HideToParent and self._is_hidden_from_behind
        ):
            QTimer.singleShot(0, self.come_to_front)
        return super().eventFilter(frame, event)

    def _on_visibility_changed(self, is_in_front: bool) -> None:
        self._is_in_front = is_in_front
        self.front_changed.emit(is_in_front)
        self._note_sight(is_in_front)

    def _note_sight(self, is_in_sight: bool) -> None:
        came, self._is_in_sight = is_in_sight and not self._is_in_sight, is_in_sight
        if came:
            self.came_in_sight.emit()

    def come_to_front(self) -> None:
        """Show the dock, before the others that share its place."""
        frame = self.parent()
        if isinstance(frame, QDockWidget):
            frame.show()
            frame.raise_()

    def _join_tabs(self) -> None:
        """Become the front tab beside another of the plugin's docks, if one is open.

        There is one dock of a kind. napari knows docks by their titles, which differ between its
        menu and a script, so it may open a second one: that gives way to the first.
        """
        frame: Any = self.parent()
        window = frame.parent() if frame is not None else None
        if not (isinstance(frame, QDockWidget) and isinstance(window, QMainWindow)):
            return
        # On a tab there is no room for the plugin's name, which napari adds in brackets.
        frame.setWindowTitle(frame.windowTitle().partition(" (")[0])
        others = [other for other in window.findChildren(QDockWidget) if other is not frame]
        for other in others:
            twin = other.widget()
            if isinstance(twin, Dock) and type(twin) is type(self):
                frame.destroyOnClose()
                twin.come_to_front()
                return
        for other in others:
            if isinstance(other.widget(), Dock) and other.isVisible() and not other.isFloating():
                area = window.dockWidgetArea(other)
                window.setTabPosition(area, QTabWidget.TabPosition.East)
                window.tabifyDockWidget(other, frame)
                frame.show()
                QTimer.singleShot(0, partial(_show_tab, window, frame))  # there are tabs only then
                return


def _show_tab(window: QMainWindow, frame: QDockWidget) -> None:
    """Bring a dock to the front, with room on the tabs for the names of all docks."""
    frame.raise_()
    for bar in window.findChildren(QTabBar):
        if frame.windowTitle() in [bar.tabText(index) for index in range(bar.count())]:
            bar.setStyleSheet(TAB_STYLE)
            bar.setElideMode(Qt.TextElideMode.ElideNone)


class Trains(Protocol):
    """What other docks ask of the Train dock."""

    def follow(self, run: RunDirectory) -> None:
        """Show the progress of a run."""

    def resume(self, run: RunDirectory) -> None:
        """Go on with a run."""

    def choose_layers(self, images: Image, labels: Labels) -> None:
        """Choose these layers as training data."""


class Predicts(Protocol):
    """What other docks ask of the Predict dock."""

    def use_model(self, path: Path) -> None:
        """Choose a model: folder of a run, or a file of a model."""

    def predict_all(
        self,
        model: Path,
        image: Image | None,
        on_done: Callable[[Labels], None] = ...,
        *,
        of_classes: bool = ...,
    ) -> None:
        """Predict every slice of an image, or of the chosen one; the layer is passed on then."""


class ListsRuns(Protocol):
    """What other docks ask of the Runs dock."""

    def choose(self, run: RunDirectory) -> None:
        """Choose a run of the list."""


class Evaluates(Protocol):
    """What other docks ask of the Evaluate dock."""

    def choose_mask(self, mask: Labels) -> None:
        """Judge this mask, or these classes."""


@overload
def open_dock(viewer: Viewer, name: Literal["Train"]) -> Trains: ...
@overload
def open_dock(viewer: Viewer, name: Literal["Predict"]) -> Predicts: ...
@overload
def open_dock(viewer: Viewer, name: Literal["Evaluate"]) -> Evaluates: ...
@overload
def open_dock(viewer: Viewer, name: Literal["Runs"]) -> ListsRuns: ...
@overload
def open_dock(viewer: Viewer, name: Literal["Annotate"]) -> Dock: ...
def open_dock(viewer: Viewer, name: str) -> Any:
    """Bring the dock of this name to the front, open it first if it is closed, and return it.

    Parameters
    ----------
    name : str
        As the manifest gives it.
    """
    kind, title = _contribution(name)
    docks = viewer.window.dock_widgets.values()
    dock: Any = next((dock for dock in docks if type(dock) is kind), None)
    if dock is None:
        dock = kind(viewer)
        viewer.window.add_dock_widget(dock, name=title)
    dock.come_to_front()
    return dock


def _contribution(name: str) -> tuple[Any, str]:
    """Find the class of a dock, and the title that napari's menu knows it by."""
    plugins = PluginManager.instance()
    for widget in plugins.iter_widgets():
        if widget.plugin_name == PLUGIN and widget.display_name == name:
            kind: Any = widget.get_callable()
            return kind, menu_item_template.format(plugins.get_manifest(PLUGIN).display_name, name)
    raise ValueError(f"The manifest has no dock {name!r}.")
