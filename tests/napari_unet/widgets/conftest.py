from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton, QWidget

Button = Callable[[QWidget, str], QPushButton]


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """Waits longer than five seconds: the machine that tests may be busy."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=60_000)
    return qtbot


@pytest.fixture
def button() -> Button:
    """``button(dock, text)`` finds the button that a person would click."""

    def find(dock: QWidget, text: str) -> QPushButton:
        return next(one for one in dock.findChildren(QPushButton) if one.text() == text)

    return find


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], images: np.ndarray) -> Viewer:
    """A window with the images of 7 slices in it."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(images, name="tissue", scale=(50, 4, 4), units=("nm",) * 3)
    return viewer
