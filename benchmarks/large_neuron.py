"""How long the window waits while a neuron of tens of millions of pixels is mended.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/large_neuron.py

Labels of 50 x 2048 x 2048: a neuron whose border wanders, among others of 128 pixels across, is
merged into a small one, deleted, and split in two, by clicks, strokes and keys. Printed are the
time until the displayed slice shows it, until all slices have it, and the longest that the
window's event loop waits, drawing included; medians of three, and the longest of all waits. For
comparison, a move of the slider.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hand import hand

SLICES, SIZE, CELL = 50, 2048, 128
RADII = 437, 618  # pixels of a neuron: 30 and 60 million in all slices
REPETITIONS = 3
TICK = 5  # milliseconds
PATIENCE = 120  # seconds
LARGE, SMALL = 1000, 2


def volume(radius: int) -> NDArray[np.int32]:
    """A large neuron with a ragged border, in the middle of small ones."""
    rows, columns = np.indices((SIZE, SIZE)) - SIZE // 2
    distance, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    page = ((rows + SIZE) // CELL * 40 + (columns + SIZE) // CELL + 1).astype(np.int32)
    labels = np.empty((SLICES, SIZE, SIZE), np.int32)
    for index in range(SLICES):
        ragged = radius * (1 + 0.05 * np.sin(40 * angle + index / 5))
        labels[index] = np.where(distance < ragged, LARGE, page)
    labels[:, :CELL, :CELL] = SMALL
    return labels


def main() -> None:
    for radius in RADII:
        measure(radius)


def measure(radius: int) -> None:
    """Open a window, and print what each operation takes."""
    import napari
    from qtpy.QtCore import Qt, QTimer

    from napari_unet.layers.plugin_layers import add_neurons
    from napari_unet.widgets.proofread.dock import NeuronsDock

    labels = volume(radius)
    pixels = np.count_nonzero(labels == LARGE)
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    image = viewer.add_image(np.zeros((SLICES, SIZE, SIZE), np.uint8), name="image")
    layer = add_neurons(viewer, labels, image, "neurons")
    dock = NeuronsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Neurons")
    viewer.dims.set_current_step(0, SLICES // 2)
    window = Window(viewer, layer, dock)
    window.wait(lambda: "Click a neuron" in window.text())
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: window.ticks.append(time.perf_counter()))
    timer.start(TICK)
    print(f"{pixels / 1e6:.0f} million pixels: at once, all, longest wait (of all), ms", flush=True)
    control = Qt.KeyboardModifier.ControlModifier
    middle = SIZE // 2

    def choose() -> None:
        window.click((CELL // 2, CELL // 2))

    def both() -> None:
        window.click((CELL // 2, CELL // 2))
        window.click((middle, middle), shift=True)

    def large() -> None:
        window.click((middle, middle))

    def first_stroke() -> None:
        window.key(Qt.Key.Key_K)
        window.drag((middle - 200, middle - 100), (middle - 200, middle + 100))

    def second_stroke() -> None:
        window.drag((middle + 200, middle - 100), (middle + 200, middle + 100))

    def move() -> None:
        index = viewer.dims.current_step[0]
        viewer.dims.set_current_step(0, SLICES // 2 + (index == SLICES // 2))

    undo = lambda: window.key(Qt.Key.Key_Z, control)  # noqa: E731
    redo = lambda: window.key(Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)  # noqa: E731
    choose()
    hand().qWait(1000)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    lower = (middle + 200, middle)
    for _ in range(REPETITIONS):
        for name, prepare, act, place in (
            ("the slider", None, move, None),
            ("choose the large one", choose, large, None),
            ("merge", both, lambda: window.key(Qt.Key.Key_J), (middle, middle)),
            ("undo merge", None, undo, (middle, middle)),
            ("redo merge", None, redo, (middle, middle)),
            ("(undo)", None, undo, (middle, middle)),
            ("delete", large, lambda: window.key(Qt.Key.Key_R), (middle, middle)),
            ("undo delete", None, undo, (middle, middle)),
            ("split", first_stroke, second_stroke, lower),
            ("undo split", None, undo, lower),
        ):
            if prepare is not None:
                viewer.dims.set_current_step(0, SLICES // 2)
                prepare()
                hand().qWait(1500)
            rows.setdefault(name, []).append(window.time(act, place))
    for name, found in rows.items():
        first, rest, wait = (
            1000 * statistics.median(column) for column in zip(*found, strict=True)
        )
        most = 1000 * max(row[2] for row in found)
        print(f"{name:<22}{first:>8.0f}{rest:>8.0f}{wait:>8.0f} ({most:.0f})", flush=True)
    timer.stop()
    viewer.close()


class Window:
    """A viewer with the dock, and what is done in it."""

    def __init__(self, viewer: Any, layer: Any, dock: Any) -> None:
        self._viewer, self._layer, self._dock = viewer, layer, dock
        self._canvas = viewer.window._qt_viewer.canvas.native
        self.ticks: list[float] = []

    def text(self) -> str:
        from qtpy.QtWidgets import QLabel

        return "\n".join(label.text() for label in self._dock.findChildren(QLabel))

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.perf_counter() + PATIENCE
        while not is_so() and time.perf_counter() < deadline:
            hand().qWait(1)

    def key(self, key: Any, held: Any = None) -> None:
        from qtpy.QtCore import Qt

        hand().keyClick(self._canvas, key, held or Qt.KeyboardModifier.NoModifier)

    def click(self, place: tuple[int, int], *, shift: bool = False) -> None:
        from qtpy.QtCore import Qt

        held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        hand().mouseMove(self._canvas, self._point(place))
        hand().mouseClick(self._canvas, Qt.MouseButton.LeftButton, held, self._point(place))

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        from qtpy.QtCore import Qt

        hand().mousePress(self._canvas, Qt.MouseButton.LeftButton, pos=self._point(start))
        for step in range(1, 5):
            place = tuple(a + (b - a) * step // 4 for a, b in zip(start, end, strict=True))
            hand().mouseMove(self._canvas, self._point((place[0], place[1])))
            hand().qWait(10)
        hand().mouseRelease(self._canvas, Qt.MouseButton.LeftButton, pos=self._point(end))

    def _point(self, place: tuple[int, int]) -> Any:
        from tests.napari_unet.widgets.conftest import on_canvas

        return on_canvas(self._viewer, self._layer, place)

    def time(
        self, act: Callable[[], None], place: tuple[int, int] | None
    ) -> tuple[float, float, float]:
        """Seconds until the displayed slice is changed, and all are, and the longest wait."""
        data, middle = self._layer.data, SLICES // 2
        at = [(z, *place) for z in range(SLICES)] if place is not None else []
        before = [int(data[pixel]) for pixel in at]
        hand().qWait(300)
        self.ticks.clear()
        start = time.perf_counter()
        act()
        if at:
            self.wait(lambda: int(data[at[middle]]) != before[middle])
        hand().qWait(1)
        first = time.perf_counter() - start
        self.wait(lambda: all(int(data[p]) != b for p, b in zip(at, before, strict=True)))
        rest = time.perf_counter() - start
        hand().qWait(1500)
        return first, rest, float(max(np.diff([start, *self.ticks])))


if __name__ == "__main__":
    main()
