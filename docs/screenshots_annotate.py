"""Makes the pictures of docs/annotate.md, in a real window, with a script that plays the person.

    xvfb-run -a -s "-screen 0 2560x1600x24" python docs/screenshots_annotate.py [FOLDER OF ISBI]

Without a folder, the synthetic stack is annotated. Settings and runs of the user are left alone.
Pictures go to docs/images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from screenshots import (
    all_text,
    click,
    close_docks,
    open_dock,
    open_stacks,
    predict_with_newest,
    save,
    wait_until,
)

ANNOTATED = (3, 12, 21)
CORRECTED = (8, 16)
EPOCHS = 5
BORDER = 16


def main() -> None:
    with open_stacks() as (viewer, home):
        truth = np.asarray(viewer.layers[1].data) == 1
        viewer.layers.remove(viewer.layers[1])
        project(viewer, home / "my neurons")
        strokes = annotate(viewer, truth)
        train(viewer)
        strokes.visible = False
        predict_with_newest(viewer)
        close_docks(viewer)
        correct(viewer, truth)


def project(viewer: Any, folder: Path) -> None:
    """Make a project, so that all that follows is saved."""
    dock = open_dock(viewer, "Project")
    dock.new_project(folder)
    wait_until(lambda: "Saved at" in all_text(dock))
    save(viewer, "project.png")
    close_docks(viewer)


def annotate(viewer: Any, truth: Any) -> Any:
    """Paint strokes on a few slices, along what the ground truth says."""
    dock = open_dock(viewer, "Annotate")
    click(dock, "New")
    strokes = viewer.layers[-1]
    for index in ANNOTATED:
        viewer.dims.set_current_step(0, index)
        for label, place in scribbles(truth[index]):
            strokes.brush_size = 4 if label == 1 else 8
            strokes.paint((index, *place), label)
    viewer.dims.set_current_step(0, ANNOTATED[1])
    wait_until(lambda: "on 3 slices" in all_text(dock))
    save(viewer, "annotate.png")
    click(dock, "Train on these")
    return strokes


def train(viewer: Any) -> None:
    """Train on the strokes, to the end."""
    dock = open_dock(viewer, "Train")
    wait_until(lambda: "of what is labelled" in all_text(dock))
    dock.form.set_value("epochs", EPOCHS)
    click(dock, "Start")
    wait_until(lambda: "Finished" in all_text(dock))
    viewer.layers.remove("training preview")
    close_docks(viewer)


def correct(viewer: Any, truth: Any) -> None:
    """Correct two slices, and go to an uncertain region."""
    dock = open_dock(viewer, "Correct")
    mask = next(layer for layer in viewer.layers if layer.name.endswith("mask"))
    for index in CORRECTED:
        viewer.dims.set_current_step(0, index)
        wrong = np.nonzero(mask.data[index] != truth[index])
        values = truth[index][wrong].astype(np.uint8)
        mask.data_setitem((np.full(len(wrong[0]), index), *wrong), values)
        click(dock, f"Mark slice {index} as correct")
    click(dock, "Next region  (N)")
    wait_until(lambda: "1 of" in all_text(dock))
    save(viewer, "correct.png", shows_all=False)


def scribbles(truth: Any) -> list[tuple[int, tuple[int, int]]]:
    """Places along two lines of a slice, each with the label that the truth has there.

    A person would follow a membrane; a script paints where a line crosses it and where it lies
    deep inside.
    """
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(~truth)
    height, width = truth.shape
    places = []
    for row in (height // 3, 2 * height // 3):
        for column in range(BORDER, width - BORDER, 2):
            if truth[row, column]:
                places += [(1, (row + shift, column)) for shift in (-2, 0, 2)]
            elif depth[row, column] > 7:
                places.append((2, (row, column)))
    return [(label, place) for label, place in places if truth[place] == (label == 1)]


if __name__ == "__main__":
    main()
