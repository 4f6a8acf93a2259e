"""How long the window's event loop is held up: bare, beside busy processes, while predicting.

    xvfb-run -a -s "-screen 0 1280x800x24" python tools/measure_stalls.py MODEL VOLUME

MODEL is the folder of a run or an ONNX file, VOLUME a TIF stack. The slider moves all the time.
Prints milliseconds between two turns of the event loop: median, 99th percentile, longest.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QPushButton

from napari_unet.layers import add_mask, add_probability

SECONDS = 15.0
SLIDER_INTERVAL = 50  # milliseconds
LOAD_PROCESSES = 2
PLUGIN = "napari-unet-mindspore"


def measure(viewer: napari.Viewer, seconds: float, keep_busy: object = None) -> list[float]:
    """Milliseconds between turns of the event loop, while the slider moves for some seconds."""
    turns: list[float] = []
    loop = QEventLoop()
    beat, slider, end = QTimer(), QTimer(), QTimer()
    beat.setTimerType(Qt.TimerType.PreciseTimer)
    last = time.perf_counter()

    def on_beat() -> None:
        nonlocal last
        now = time.perf_counter()
        turns.append(1000 * (now - last))
        last = now

    def on_slider() -> None:
        length = viewer.dims.nsteps[0]
        viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % length)
        if callable(keep_busy):
            keep_busy()

    beat.timeout.connect(on_beat)
    slider.timeout.connect(on_slider)
    end.timeout.connect(loop.quit)
    beat.start(1)
    slider.start(SLIDER_INTERVAL)
    end.start(round(1000 * seconds))
    loop.exec_()
    for timer in (beat, slider, end):
        timer.stop()
    return turns


@contextmanager
def busy_processes() -> Iterator[None]:
    """Processes at nice 10 that keep all cores busy."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_spin, daemon=True) for _ in range(LOAD_PROCESSES)]
    for process in processes:
        process.start()
    try:
        time.sleep(1)
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _spin() -> None:
    os.nice(10)
    while True:
        np.random.default_rng(0).random((256, 256)).sum()


def report(name: str, turns: list[float]) -> None:
    p50, p99 = np.percentile(turns, [50, 99])
    print(
        f"{name:<34} median {p50:5.1f}  99 % {p99:6.1f}  longest {max(turns):6.1f} ms", flush=True
    )


def main(model: Path, volume: Path) -> None:
    viewer = napari.Viewer()
    [image] = viewer.open(volume, plugin=PLUGIN)
    probability = add_probability(viewer, np.zeros(image.data.shape, np.float32), image, "p")
    mask = add_mask(viewer, (np.asarray(image.data) < 90).astype(np.uint8), image, "m")
    measure(viewer, 3)  # the first draws are slow
    report("bare napari, idle", measure(viewer, SECONDS))
    with busy_processes():
        report("bare napari, two busy processes", measure(viewer, SECONDS))
    viewer.layers.remove(probability)
    viewer.layers.remove(mask)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    dock.use_model(model)
    button = next(one for one in dock.findChildren(QPushButton) if "all" in one.text())

    def predict_again() -> None:
        if button.isVisible():
            button.click()

    report("first prediction, model loaded", measure(viewer, 3, predict_again))
    report("predicting all the time", measure(viewer, SECONDS, predict_again))
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
