"""How long interpolation and copies take on large labels, and how near the truth they come.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/less_painting.py [FOLDER]

From the key to the pixels on the canvas, and the longest that the window's event loop waits
meanwhile, on labels of 50 x 2048 x 2048. FOLDER holds train-labels.tif, such as ISBI's: its
neurons, linked over the slices by their largest overlap, are interpolated from every third slice
to the second and the fourth after it, and compared with those in between.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import disk

from benchmarks.hand import hand
from napari_unet.labelling.interpolation import interpolate
from training.opening import open_stack

SHAPE = 50, 2048, 2048
REPETITIONS = 5
TICK = 5  # milliseconds
LEAST = 50  # pixels of a neuron on a slice
PATIENCE = 60  # seconds


def main() -> None:
    print(f"{'what':<34}{'answer':>8}{'stall':>8}  ms, median of {REPETITIONS}")
    for name, radius, key in (
        ("a dab of napari's brush", 100, ""),
        ("interpolation, 200 across", 100, "I"),
        ("interpolation, 1000 across", 500, "I"),
        ("copy, 1000 across", 500, "C"),
    ):
        answer, stall = measure(radius, key)
        print(f"{name:<34}{1000 * answer:>8.0f}{1000 * stall:>8.0f}", flush=True)
    if len(sys.argv) > 1:
        neurons = linked_neurons(Path(sys.argv[1]) / "train-labels.tif")
        for gap in (2, 4):
            found = list(agreements(neurons, gap))
            print(f"{len(found)} neurons in gaps of {gap - 1}: Dice {np.mean(found):.4f}")


def measure(radius: int, key: str) -> tuple[float, float]:
    """Seconds from a key until its pixels are there, and the longest between two ticks."""
    import napari
    from qtpy.QtCore import Qt, QTimer

    from napari_unet.widgets.common.message_line import MessageLine
    from napari_unet.widgets.painting.less_painting import LessPainting

    labels = np.zeros(SHAPE, np.int32)
    for index in (20, 25):
        labels[(index, *disk((1000, 900 + 10 * index), radius))] = 7  # type: ignore[no-untyped-call]
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    layer = viewer.add_labels(labels)
    layer.selected_label = 7
    less = LessPainting(viewer)
    less.hold(layer)
    message: Any = less.findChild(MessageLine)
    viewer.dims.set_current_step(0, 21)
    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(TICK)
    answers, stalls = [], []
    canvas: Any = viewer.window._qt_viewer.canvas.native
    for _ in range(REPETITIONS):
        hand().qWait(500)
        ticks.clear()
        start = time.perf_counter()
        if key:
            hand().keyClick(canvas, getattr(Qt.Key, f"Key_{key}"))
        else:
            layer.paint((21, 1000, 1000), 7)
        while key and "filled" not in message.text() and time.perf_counter() < start + PATIENCE:
            hand().qWait(1)
        hand().qWait(TICK)  # until it is drawn
        answers.append(time.perf_counter() - start)
        hand().qWait(100)
        stalls.append(max(np.diff([start, *ticks])))
        layer.undo()
        less.hold(layer)
    viewer.close()
    return statistics.median(answers), statistics.median(stalls)


def linked_neurons(path: Path) -> NDArray[np.int32]:
    """Number the regions of a mask's slices as those under them that they mostly cover."""
    with open_stack(path) as stack:
        regions = [ndimage.label(page != 0)[0] for page in stack]
    linked = [regions[0]]
    count = int(regions[0].max())
    for page in regions[1:]:
        numbers = np.zeros(page.max() + 1, np.int32)
        for region in np.argsort(-np.bincount(page.ravel())[1:]) + 1:
            below = np.bincount(linked[-1][page == region])
            below[0] = 0
            best = int(below.argmax())
            covers_most = 2 * below[best] > np.count_nonzero(page == region)
            if not covers_most or best in numbers:
                best = count = count + 1
            numbers[region] = best
        linked.append(numbers[page])
    return np.array(linked)


def agreements(neurons: NDArray[np.int32], gap: int) -> Iterator[float]:
    """Dice of every neuron on every slice of a gap with what is interpolated there."""
    for start in range(0, len(neurons) - gap, 3):
        pages = neurons[start : start + gap + 1]
        for neuron in np.unique(pages[0])[1:]:
            truth = pages == neuron
            if truth.sum(axis=(1, 2)).min() <= LEAST:
                continue
            painted = truth.astype(np.uint8)
            painted[1:-1] = 0
            painted[interpolate(painted, 1, 1, "a neuron").indices] = 1
            for found, wanted in zip(painted[1:-1], truth[1:-1], strict=True):
                yield float(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


if __name__ == "__main__":
    main()
