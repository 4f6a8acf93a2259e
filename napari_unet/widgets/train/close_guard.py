"""A question before napari is closed while a training goes on."""

from __future__ import annotations

import weakref

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_unet.widgets.common.messages import ask, inform
from napari_unet.widgets.train.run_control import RunControl


class CloseGuard(QObject):
    """Keeps a window open until it is clear what becomes of the training.

    Parameters
    ----------
    control : RunControl
        Control of the training.
    parent : QWidget
        Part of the window, which is found when the part is first shown.
    """

    def __init__(self, control: RunControl, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._part = parent
        self._is_closing = False  # True from "Stop it" until the place has taken the request
        control.stop_sent.connect(self._on_stop_sent)
        control.followed.connect(self._on_followed)
        # Weak: the guard must not keep a closed window in memory.
        self._window: weakref.ref[QMainWindow] | None = None
        parent.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is None:
            return False
        if event.type() == QEvent.Type.Show and self._window is None:
            self._guard_window(watched)
        if event.type() != QEvent.Type.Close or not isinstance(watched, QMainWindow):
            return False
        is_refused = _is_whole(watched) and not self._may_close()
        if is_refused:
            event.ignore()
        return is_refused

    def _guard_window(self, widget: QObject | None) -> None:
        while widget is not None and not isinstance(widget, QMainWindow):
            widget = widget.parent()
        if widget is not None:
            self._window = weakref.ref(widget)
            widget.installEventFilter(self)

    def _may_close(self) -> bool:
        run = self._control.watched
        if run is None:
            return True
        if self._is_closing:
            return False
        answer = ask_to_leave(self._part, run.name)
        if answer == "leave":
            self._control.leave_running()
        elif answer == "stop":
            # A server may take seconds to answer; the window must not wait for it.
            self._is_closing = True
            inform(f"napari closes when the training has been asked to stop ({run.name}).")
            self._control.stop()
        return answer == "leave"

    def _on_stop_sent(self) -> None:
        window = self._window() if self._window is not None else None
        if self._is_closing and window is not None:
            window.removeEventFilter(self)
            window.close()

    def _on_followed(self, _: object) -> None:
        self._is_closing = False  # the request to stop failed, or another run is followed


def ask_to_leave(parent: QWidget, run_name: str) -> str:
    """Ask what becomes of a training when napari is closed: "leave", "stop" or "stay"."""
    roles = QMessageBox.ButtonRole
    answer = ask(
        parent,
        f"'{run_name}' is still training.",
        "Left running, it can be followed when napari is opened again. Stopped, it ends after "
        "its current step and keeps its model.",
        {
            "Leave it running": roles.AcceptRole,
            "Stop it": roles.AcceptRole,
            "Don't close napari": roles.RejectRole,
        },
        default="Leave it running",
    )
    return {"Leave it running": "leave", "Stop it": "stop"}.get(answer, "stay")


def _is_whole(window: QMainWindow) -> bool:
    """Return whether there is still a canvas: a program's ``viewer.close()`` removes it first."""
    center = window.centralWidget()
    parts = center.findChildren(QWidget) if center is not None else []
    return any(part.isVisible() for part in parts)
