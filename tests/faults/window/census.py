"""What there is of this process: threads, files, children, objects and callbacks of ours."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

WORKER = "napari-unet"  # name of the threads of background.start


def wait_for_threads(qtbot: QtBot) -> None:
    """Until all work that docks began in threads is done."""
    qtbot.waitUntil(lambda: not any(thread.name == WORKER for thread in threading.enumerate()))


def take_census(viewer: Viewer, qtbot: QtBot) -> Counter[str]:
    """How many there are of each thing, by its name, once what nobody needs is deleted."""
    wait_for_threads(qtbot)
    for _ in range(3):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
    process = psutil.Process()
    found = Counter(f"object {kind}" for kind in _our_objects())
    found["Python thread"] = threading.active_count()
    found["thread"] = len(list(Path("/proc/self/task").iterdir()))
    found["file"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (counts its own once)
    found["child process"] = len(process.children(recursive=True))
    found["top-level widget"] = len(QApplication.topLevelWidgets())
    found["key"] = len(viewer.keymap)
    for name, group in _event_groups(viewer):
        for event, emitter in group.emitters.items():
            found[f"callback {name}.{event}"] = len(emitter.callbacks)
    return found


def growth(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """What there is more of."""
    return {name: after[name] - before[name] for name in after if after[name] > before[name]}


def _our_objects() -> Iterable[str]:
    for thing in gc.get_objects():
        kind = type(thing)
        if str(kind.__module__).partition(".")[0] in ("napari_unet", "training"):
            yield f"{kind.__module__}.{kind.__qualname__}"


def _event_groups(viewer: Viewer) -> Iterable[tuple[str, Any]]:
    yield "viewer", viewer.events
    yield "layers", viewer.layers.events
    yield "selection", viewer.layers.selection.events
    yield "dims", viewer.dims.events
    yield "camera", viewer.scene.camera.events
    for layer in viewer.layers:
        yield layer.name, layer.events
