"""Where the operations on a layer of neurons are kept: with the layer, and in its project."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_unet.layers.followed_operations import saved_count
from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects.layer_records import check_operations_name
from napari_unet.projects.records import LABELS
from napari_unet.proofreading.history import append_lines, read_lines
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.project.dock import main_window
from napari_unet.widgets.project.session import ProjectSession

# In a layer's metadata: the lines themselves, for as long as the layer is in the window.
LINES_KEY = "operation_lines"
Lines = list[dict[str, Any]]


class OperationFile(QObject):
    """Appends to the file of operations what is not in it yet, in a thread.

    Parameters
    ----------
    widget : QWidget
        Its window has the project, if one is open.
    on_failed : callable
        Called with what went wrong; what was not written is tried again with the next operation.
    """

    def __init__(self, widget: QWidget, on_failed: Any) -> None:
        super().__init__(widget)
        self._widget = widget
        self._written: dict[Path, int] = {}
        self._writing = LatestWork(self, self._append, lambda _: None, on_failed)

    def path_of(self, layer: Labels) -> Path | None:
        """The layer's file in the project that this window holds; None without one."""
        session, name = self._session, layer.metadata.get(OPERATIONS_KEY)
        if session is None or name is None:
            return None
        check_operations_name(name)
        return Path(session.project.folder) / LABELS / str(name)

    @property
    def _session(self) -> ProjectSession | None:
        """That of the project which this window holds."""
        window = main_window(self._widget)
        sessions = window.findChildren(ProjectSession) if window is not None else []
        return sessions[-1] if sessions and sessions[-1].is_held else None

    def name_of(self, layer: Labels) -> str:
        """The name of the layer's list, which is made now if there is none."""
        name = f"operations-{secrets.token_hex(8)}.jsonl"
        return str(layer.metadata.setdefault(OPERATIONS_KEY, name))

    def read(self, layer: Labels, path: Path | None) -> tuple[Lines, int | None]:
        """What was done to a layer so far, in any thread; a UserError if its file is damaged.

        Of a file it also gives how many of its lines the pixels had when they were saved.
        """
        lines: Lines | None = layer.metadata.get(LINES_KEY)
        if path is None or lines is not None:
            return lines or [], None
        found = read_lines(path)
        self._written[path] = len(found)
        return found, saved_count(layer, path.name) or 0

    def save(self, layer: Labels, lines: Lines) -> None:
        """Keep the lines with the layer, write those that are new, and which layers have them."""
        layer.metadata[LINES_KEY] = lines
        self.name_of(layer)
        path, session = self.path_of(layer), self._session
        if path is not None and session is not None:
            self._writing.request((path, list(lines)))
            session.save()

    def forget(self, layer: Labels) -> None:
        """Begin a new list; the former file is kept."""
        layer.metadata.pop(LINES_KEY, None)
        layer.metadata.pop(OPERATIONS_KEY, None)

    def _append(self, request: tuple[Path, Lines]) -> None:
        path, lines = request
        if path not in self._written:
            self._written[path] = len(read_lines(path))
        append_lines(path, lines[self._written[path] :], path.parent.parent)
        self._written[path] = len(lines)
