"""The list of operations of a layer of neurons, and the project that keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari.layers import Labels, Layer
from qtpy.QtWidgets import QMainWindow

from napari_unet.layers.followed_operations import LINES_KEY, SAVED_KEY
from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects.operation_list import OperationList
from napari_unet.projects.records import LABELS
from napari_unet.projects.saved_lists import new_list_name
from napari_unet.widgets.project.session import ProjectSession


def list_of(layer: Labels) -> OperationList:
    """Give the list of a layer; a new one where it has none."""
    lines: OperationList | None = layer.metadata.get(LINES_KEY)
    if lines is None:
        forget(layer)
        lines = layer.metadata[LINES_KEY] = OperationList()
    return lines


def take_apart(layer: Layer, others: Iterable[Layer]) -> None:
    """Give a layer a list of its own, with the same lines, if it has that of another one.

    So has a layer that was duplicated in the window, and such a one of a project.
    """
    lines, name = layer.metadata.get(LINES_KEY), layer.metadata.get(OPERATIONS_KEY)
    if lines is None or not any(
        other.metadata.get(LINES_KEY) is lines or other.metadata.get(OPERATIONS_KEY, "") == name
        for other in others
        if other != layer
    ):
        return
    layer.metadata[LINES_KEY] = lines.copy()
    if name is not None:
        layer.metadata[OPERATIONS_KEY] = new_list_name()
        saved: Any = layer.metadata.get(SAVED_KEY, {})
        layer.metadata[SAVED_KEY] = {name_of(layer): saved.get(name, 0)}


def name_of(layer: Layer) -> str:
    """The name of a layer's list, which is made now if there is none."""
    return str(layer.metadata.setdefault(OPERATIONS_KEY, new_list_name()))


def forget(layer: Labels) -> None:
    """Let a layer begin a new list; the former one's file is kept."""
    layer.metadata.pop(LINES_KEY, None)
    layer.metadata.pop(OPERATIONS_KEY, None)


def session_of(window: QMainWindow | None) -> ProjectSession | None:
    """That of the project which a window holds."""
    sessions = window.findChildren(ProjectSession) if window is not None else []
    return sessions[-1] if sessions and sessions[-1].is_held else None


def folder_of(session: ProjectSession | None) -> Path | None:
    """Where an open project keeps its lists of operations; None without one."""
    return None if session is None else Path(session.project.folder) / LABELS
