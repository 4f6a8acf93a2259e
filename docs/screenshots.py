"""Makes the pictures of the window in docs/index.md, by clicks in a real one.

    xvfb-run -a -s "-screen 0 2560x1600x24" python docs/screenshots.py [FOLDER OF THE ISBI STACKS]

Without a folder, the synthetic stack is trained on. Settings and runs of the user are left
alone. Pictures go to docs/images, at twice the pixels of the window.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS

IMAGES = Path(__file__).parent / "images"
SIZE = (1280, 800)
SCALE = 2  # pixels of a picture for one of the window
COLOURS = 256  # of a picture, so that it takes half a megabyte
PLUGIN = "napari-unet-mindspore"
PATIENCE = 900  # seconds
EPOCHS = 12


def main() -> None:
    with open_stacks() as (viewer, _):
        train(viewer)
        predict_with_newest(viewer)
        close_docks(viewer)
        evaluate(viewer)


@contextmanager
def open_stacks(sample: str = "synthetic") -> Iterator[tuple[Any, Path]]:
    """Open the stacks of the command line in a window, with a home of its own for a while."""
    prefix = "screenshots-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as home:
        for name in ("CONFIG", "DATA", "CACHE"):
            os.environ[f"XDG_{name}_HOME"] = home
        os.environ["QT_SCALE_FACTOR"] = str(SCALE)
        IMAGES.mkdir(exist_ok=True)
        viewer = open_window()
        open_data(viewer, Path(sys.argv[1]) if len(sys.argv) > 1 else None, sample)
        yield viewer, Path(home)
        viewer.close()


def open_window() -> Any:
    """Open an empty viewer of the pictures' size, without napari's own notices."""
    import napari
    from napari.settings import get_settings

    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*SIZE)
    return viewer


def open_data(viewer: Any, folder: Path | None, sample: str) -> None:
    """Open volume and labels as a person does, and show all of the slice."""
    if folder is None:
        viewer.open_sample(PLUGIN, sample)
    else:
        paths = [str(folder / name) for name in (DEFAULT_IMAGES, DEFAULT_LABELS)]
        viewer.open(paths, plugin=PLUGIN)
    viewer.dims.set_current_step(0, 6)  # held out in fold 1
    viewer.reset_view()


def train(viewer: Any) -> None:
    """Train to the end; a picture near the end."""
    dock = open_dock(viewer, "Train")
    wait_until(lambda: "Membrane" in all_text(dock))
    dock.form.set_value("epochs", EPOCHS)
    dock.form.set_value("eval_interval", 1)
    click(dock, "Start")
    wait_until(lambda: f"{EPOCHS - 1} of {EPOCHS}" in all_text(dock))
    labels = viewer.layers[1]
    labels.visible = False
    save(viewer, "train.png")
    labels.visible = True
    wait_until(lambda: "Finished" in all_text(dock) and button(dock, "Start").isEnabled())
    viewer.layers.remove("training preview")
    close_docks(viewer)


def predict_with_newest(viewer: Any) -> Any:
    """Predict all slices with the model of the newest run; gives the dock."""
    from napari_unet.runs.run_list import list_runs
    from napari_unet.settings import load_settings

    newest = list_runs(Path(load_settings().runs_folder))[0]
    dock = open_dock(viewer, "Predict")
    dock.use_model(newest.run.path)
    click(dock, "Predict all slices")
    wait_until(lambda: "slices in" in all_text(dock))
    return dock


def evaluate(viewer: Any) -> None:
    """Compare, with the errors on the canvas."""
    dock = open_dock(viewer, "Evaluate")
    wait_until(lambda: "Dice" in viewer.canvas.overlays.text.text and "±" in all_text(dock))
    wait_until(lambda: "…" not in all_text(dock))
    click(dock, "Errors")
    for layer in viewer.layers:
        if layer.name.endswith(("mask", "labels")):
            layer.visible = False
    save(viewer, "evaluate.png")


def open_dock(viewer: Any, name: str) -> Any:
    """Choose a dock in the menu Plugins, as a click does, unless it is in front already."""
    docks = viewer.window.dock_widgets
    title = next(action.text() for action in menu_entries(viewer) if action.text().startswith(name))
    if title not in docks or docks[title].visibleRegion().isEmpty():
        next(action for action in menu_entries(viewer) if action.text() == title).trigger()
    wait_until(lambda: title in docks and not docks[title].visibleRegion().isEmpty())
    return docks[title]


def menu_entries(viewer: Any) -> Iterator[Any]:
    """All that the submenus of the menu Plugins offer."""
    for action in viewer.window.plugins_menu.actions():
        if action.menu() is not None:
            yield from action.menu().actions()


def close_docks(viewer: Any) -> None:
    viewer.window.remove_dock_widget("all")


def all_text(widget: Any) -> str:
    from qtpy.QtWidgets import QLabel

    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def button(widget: Any, text: str) -> Any:
    from qtpy.QtWidgets import QPushButton

    return next(found for found in widget.findChildren(QPushButton) if found.text() == text)


def click(widget: Any, text: str) -> None:
    from qtpy.QtCore import Qt

    wait_until(lambda: button(widget, text).isEnabled())
    hand().mouseClick(button(widget, text), Qt.MouseButton.LeftButton)


def hand() -> Any:
    """Give Qt's QTest, as what it is: a class of functions that need no object."""
    from qtpy.QtTest import QTest

    functions: Any = QTest  # PyQt5's types say that an object comes first
    return functions


def wait_until(is_so: Callable[[], bool]) -> None:
    """Keep the window alive until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("The window did not get there; see the run's train.log.")
        hand().qWait(50)


def save(viewer: Any, name: str, *, shows_all: bool = True) -> None:
    """Draw what is pending, and write the whole window in its usual size, with all of the slice.

    A dock that joins another's tabs may have made it higher.
    """
    hand().qWait(500)
    viewer.window.resize(*SIZE)
    hand().qWait(500)
    if shows_all:
        viewer.reset_view()
        hand().qWait(500)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    picture = Image.fromarray(pixels).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
