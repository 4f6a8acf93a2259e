"""Callbacks for the end of a widget."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from napari.utils.events import EventEmitter
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_unet.widgets.common.connections import Connections, when_deleted


class Owner(QObject):
    """With a part; refers to itself, as widgets do: only the collector can free the two."""

    def __init__(self, callback: Callable[[], None]) -> None:
        super().__init__()
        self.itself = self
        self.part = QObject(self)
        when_deleted(self.part, callback)


@pytest.mark.parametrize("is_collected", [False, True])
def test_the_callback_outlives_a_widget_that_python_collects_before_qt_deletes_it(
    qtbot: QtBot, is_collected: bool
) -> None:
    called: list[str] = []
    owner = Owner(lambda: called.append("end"))
    owner.deleteLater()
    if is_collected:
        del owner
        gc.collect()
    qtbot.waitUntil(lambda: called == ["end"])


def test_a_method_is_not_kept_beyond_its_object(qtbot: QtBot) -> None:
    class Listener:
        def hear(self) -> None:
            raise AssertionError("is gone")

    owner, listener = Owner(lambda: None), Listener()
    when_deleted(owner.part, listener.hear)
    del listener
    with qtbot.waitSignal(owner.part.destroyed):
        owner.deleteLater()


def test_connections_that_nobody_keeps_end_with_their_widget(qtbot: QtBot) -> None:
    emitter, owner = EventEmitter(type_name="moved"), Owner(lambda: None)
    Connections(owner).add(emitter, lambda: None)
    assert len(emitter.callbacks) == 1
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    assert len(emitter.callbacks) == 0
