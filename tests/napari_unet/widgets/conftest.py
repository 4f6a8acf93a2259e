import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
import pytest
from napari import Viewer
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QTextDocumentFragment
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_unet.launchers.local_launcher import kill_tree
from training.errors import UserError

PATIENCE = 120_000  # milliseconds; the machine that tests may be busy
MOST_OF_A_WORKER = 60  # seconds, in which it gives up a server that is gone
FAILURE = "The disk is gone."
Button = Callable[[QWidget, str], QPushButton]
Pixel = tuple[float, float]


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """End the trainings that a test leaves, whose failure would else be that of those after it."""
    before = threading.enumerate()
    yield
    for worker in _threads("napari-unet", before):  # they may be about to start a training
        worker.join(MOST_OF_A_WORKER)
    for waiting in _threads("wait-", before):  # one for each process that outlives the window
        with suppress(psutil.NoSuchProcess):
            kill_tree(psutil.Process(int(waiting.name.removeprefix("wait-"))))
        waiting.join(MOST_OF_A_WORKER)
    assert _threads("napari-unet", before) + _threads("wait-", before) == []


def _threads(name: str, before: list[threading.Thread]) -> list[threading.Thread]:
    now = [thread for thread in threading.enumerate() if thread.name.startswith(name)]
    return [thread for thread in now if thread not in before]


@pytest.fixture
def qtbot(qtbot: QtBot, request: pytest.FixtureRequest) -> QtBot:
    """Waits longer than five seconds, but not for what an error in a slot has prevented."""
    for name in ("waitUntil", "waitSignal", "waitSignals"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=PATIENCE))
    wait, raised = qtbot.waitUntil, request.node.qt_exception_capture_manager.exceptions

    def wait_until(is_so: Callable[[], bool | None], **options: int) -> None:
        def look() -> bool | None:
            if raised:
                pytest.fail("An error was raised while it was waited for this.")
            return is_so()

        wait(look, **options)

    qtbot.waitUntil = wait_until
    return qtbot


@pytest.fixture
def button() -> Button:
    """``button(dock, text)`` finds the button that a person would click."""

    def find(dock: QWidget, text: str) -> QPushButton:
        return next(found for found in dock.findChildren(QPushButton) if found.text() == text)

    return find


@pytest.fixture
def in_dialogs() -> Callable[..., list[QDialog]]:
    """``in_dialogs(first, second)`` has each function answer the next dialog that opens.

    It gives the list of those that were answered.
    """

    def answer(*functions: Callable[[Any], None]) -> list[QDialog]:
        waiting, answered = list(functions), []

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if isinstance(dialog, QDialog) and dialog not in answered:
                answered.append(dialog)
                QTimer.singleShot(20, look) if waiting[1:] else None
                waiting.pop(0)(dialog)
            elif waiting:
                QTimer.singleShot(20, look)

        QTimer.singleShot(0, look)
        return answered

    return answer


@pytest.fixture
def save_as(in_dialogs: Callable[..., list[QDialog]]) -> Callable[..., list[QDialog]]:
    """``save_as(path, form, *more)`` types a path in the next dialog, and presses Save.

    ``more`` answer the dialogs that follow.
    """

    def fill(path: object, form: str = "", *more: Callable[[Any], None]) -> list[QDialog]:
        def save(dialog: Any) -> None:
            if form:
                dialog.selectNameFilter(
                    next(offered for offered in dialog.nameFilters() if form in offered)
                )
            dialog.findChild(QLineEdit).setText(str(path))
            dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save).click()

        return in_dialogs(save, *more)

    return fill


@pytest.fixture
def shown() -> Callable[[QLabel], str]:
    """``shown(label)`` gives the words that a person reads, without the markup."""

    def read(label: QLabel) -> str:
        rich = Qt.TextFormat.RichText
        if label.textFormat() == Qt.TextFormat.AutoText and Qt.mightBeRichText(label.text()):
            rich = label.textFormat()
        if label.textFormat() != rich:
            return label.text()
        return QTextDocumentFragment.fromHtml(label.text()).toPlainText()

    return read


@pytest.fixture
def fail_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Callable[[], bool]]:
    """``fail_once(owner, name)`` lets the next call of a function fail.

    It gives a function that says whether a window tells the failure.
    """

    def break_next_call(owner: Any, name: str) -> Callable[[], bool]:
        function, failures = getattr(owner, name), [UserError(FAILURE)]

        def fail_or_call(*arguments: Any, **options: Any) -> Any:
            if failures:
                raise failures.pop()
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, fail_or_call)
        return lambda: any(FAILURE in label.text() for label in labels())

    return break_next_call


def labels() -> list[QLabel]:
    """All labels of all windows."""
    return [widget for widget in QApplication.allWidgets() if isinstance(widget, QLabel)]


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], images: np.ndarray) -> Viewer:
    """A window with the images of 7 slices in it."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(images, name="tissue", scale=(50, 4, 4), units=("nm",) * 3)
    return viewer


@pytest.fixture
def drag(viewer: Viewer, qtbot: QtBot) -> Callable[..., None]:
    """``drag(layer, (y, x), (y, x))`` moves the pressed mouse over the canvas in pixels of a layer.

    Through all places, of which there may be more. A click where both are the same.
    """

    def press_move_release(layer: Layer, *pixels: Pixel) -> None:
        canvas = viewer.window._qt_viewer.canvas
        native = canvas.native
        left = Qt.MouseButton.LeftButton
        places = [on_canvas(viewer, layer, pixel) for pixel in pixels]
        qtbot.mouseMove(native, places[0])
        qtbot.mousePress(native, left, pos=places[0])
        way = [
            former + (latter - former) * float(step)
            for former, latter in pairwise(places)
            for step in np.linspace(0, 1, 6)
        ]
        for middle in way:
            qtbot.wait(15)  # vispy passes over movements within 10 ms of another
            event = QMouseEvent(
                QEvent.Type.MouseMove,
                QPointF(middle),
                QPointF(native.mapToGlobal(middle)),
                left,
                left,
                Qt.KeyboardModifier.NoModifier,
            )
            QApplication.sendEvent(native, event)
        qtbot.mouseRelease(native, left, pos=places[-1])

    return press_move_release


def on_canvas(viewer: Viewer, layer: Layer, pixel: Pixel) -> QPoint:
    """Where a pixel of the displayed slice is on the canvas."""
    native = viewer.window._qt_viewer.canvas.native
    point = list(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    point[-2:] = pixel
    y, x = layer.data_to_world(point)[-2:]
    zoom = viewer.scene.camera.zoom / native.devicePixelRatioF()
    _, center_y, center_x = viewer.scene.camera.center
    middle = native.rect().center()
    return QPoint(
        round(middle.x() + (x - center_x) * zoom), round(middle.y() + (y - center_y) * zoom)
    )
