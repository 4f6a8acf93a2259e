"""Makes the pictures of docs/ten-minutes.md, in a real window, with a script that plays the person.

    xvfb-run -a -s "-screen 0 2560x1600x24" python docs/screenshots_classes.py

Settings and runs of the user are left alone. Pictures go to docs/images.
"""

from __future__ import annotations

from typing import Any

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


def main() -> None:
    with open_stacks("synthetic-classes") as (viewer, _):
        train(viewer)
        predict(viewer)
        measure(viewer)
        mend(viewer)


def train(viewer: Any) -> None:
    """Train on the sample's classes, to the end."""
    dock = open_dock(viewer, "Train")
    wait_until(lambda: "mitochondria" in all_text(dock))
    save(viewer, "classes-train.png")
    click(dock, "Start")
    wait_until(lambda: "Finished" in all_text(dock))
    viewer.layers.remove("training preview")
    close_docks(viewer)


def predict(viewer: Any) -> None:
    """Predict all classes, and find neurons."""
    dock = predict_with_newest(viewer)
    click(dock, "Find neurons")
    wait_until(lambda: "regions in" in all_text(dock))
    click(dock, "Predict all classes")
    wait_until(lambda: "All classes of" in all_text(dock))
    for layer in viewer.layers:
        layer.visible = layer.name.endswith(("volume", "classes"))
    save(viewer, "classes-predict.png")
    close_docks(viewer)


def measure(viewer: Any) -> None:
    """Measure each mitochondrion."""
    dock = open_dock(viewer, "Measure")
    choose(dock, "mitochondria-volume classes")
    click(dock, "Measure")
    wait_until(lambda: "Objects:" in all_text(dock))
    save(viewer, "classes-measure.png")
    close_docks(viewer)


def choose(dock: Any, text: str) -> None:
    """Choose this in the drop-down that offers it."""
    from qtpy.QtWidgets import QComboBox

    for box in dock.findChildren(QComboBox):
        if (place := box.findText(text)) >= 0:
            box.setCurrentIndex(place)
            box.activated.emit(place)


def mend(viewer: Any) -> None:
    """Go to the first neuron that looks wrong."""
    for layer in viewer.layers:
        layer.visible = layer.name.endswith(("volume", "neurons"))
    dock = open_dock(viewer, "Neurons")
    click(dock, "Next  (N)")
    wait_until(lambda: "Place 1 of" in all_text(dock))  # not of the slices that are looked at
    save(viewer, "neurons.png", shows_all=False)


if __name__ == "__main__":
    main()
