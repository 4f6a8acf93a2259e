"""How long the window's event loop is blocked while training, predicting and painting.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/event_loop.py [FOLDER]

The slider moves ten times a second through a stack with its labels. Each case runs in a
process of its own, and is compared with bare napari: the same layers, the same work done by a
process beside it, and no dock of ours. The longest stall and the 99th percentile of the gaps
between two ticks of a timer are printed, in milliseconds above the timer's interval.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.hand import hand
from training.dataset.pair_search import DEFAULT_IMAGES, DEFAULT_LABELS
from training.presets.registry import DEFAULT_PRESET

SECONDS = 20
PATIENCE = 300  # seconds
TICK = 5  # milliseconds
SLIDER = 100  # milliseconds
PLUGIN = "napari-unet-mindspore"
LIMIT = 30  # milliseconds above bare napari
PAIRS = (("train", "train-bare"), ("predict", "predict-bare"), ("paint", "paint-bare"))


def main() -> None:
    if len(sys.argv) == 4:
        measure_case(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
        return
    with tempfile.TemporaryDirectory(prefix="event-loop-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        for kind in ("CONFIG", "DATA", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = name
        data = Path(sys.argv[1]) if len(sys.argv) > 1 else write_data(home / "data")
        train_model(home, data)
        cases = ("idle", *(case for pair in PAIRS for case in pair))
        results = {case: run_case(case, data, home) for case in cases}
    print(f"{'case':<14}{'longest':>9}{'99th':>7}  milliseconds")
    for case, result in results.items():
        print(f"{case:<14}{result['longest']:>9.0f}{result['p99']:>7.0f}")
    for case, bare in PAIRS:
        above = {key: results[case][key] - results[bare][key] for key in ("longest", "p99")}
        verdict = "kept" if max(above.values()) <= LIMIT else "exceeded"
        print(
            f"{case}: {above['longest']:+.0f} (longest), {above['p99']:+.0f} (99th) against bare "
            f"napari; the limit of {LIMIT} is {verdict}"
        )


def write_data(folder: Path) -> Path:
    from training.stacks.synthetic import write_synthetic

    write_synthetic(folder)
    return folder


def train_model(home: Path, data: Path) -> None:
    """A short training, for the cases that predict."""
    from training.config import preset_config
    from training.runs.run_directory import RunDirectory

    run = RunDirectory(home / "model")
    run.create(preset_config(DEFAULT_PRESET, data_url=str(data), steps=12, device="cpu"))
    command = [sys.executable, "-P", "-m", "training.train", "--run_dir", str(run.path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run_case(case: str, data: Path, home: Path) -> dict[str, float]:
    command = [sys.executable, __file__, case, str(data), str(home)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def measure_case(case: str, data: Path, home: Path) -> None:
    """Measure one case in this process; the result is the last line that is printed."""
    import napari

    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(1280, 800)
    paths = [str(data / name) for name in (DEFAULT_IMAGES, DEFAULT_LABELS)]
    viewer.open(paths, plugin=PLUGIN)
    with CASES[case](viewer, data, home):
        gaps = measure(viewer)
    print(json.dumps({"longest": float(gaps.max()), "p99": float(np.percentile(gaps, 99))}))
    viewer.close()


def measure(viewer: Any) -> np.ndarray[Any, Any]:
    """Gaps between ticks above their interval, in milliseconds, with the slider moving."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    ticks: list[float] = []
    loop, ticker, slider = QEventLoop(), QTimer(), QTimer()
    ticker.setTimerType(Qt.TimerType.PreciseTimer)
    ticker.timeout.connect(lambda: ticks.append(time.perf_counter()))
    slider.timeout.connect(
        lambda: viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % 30)
    )
    QTimer.singleShot(SECONDS * 1000, loop.quit)
    ticker.start(TICK)
    slider.start(SLIDER)
    loop.exec_()
    ticker.stop()
    slider.stop()
    return np.maximum(np.diff(ticks) * 1000 - TICK, 0)


@contextmanager
def idle(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    yield


@contextmanager
def train(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """Our dock starts a training and watches it."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    dock.form.set_value("steps", 100_000)
    dock.form.set_value("eval_interval", 1)
    wait_until(lambda: "Membrane" in all_text(dock))
    click(dock, "Start")
    wait_until(lambda: "of 100000" in all_text(dock))
    try:
        yield
    finally:
        click(dock, "Stop")
        wait_until(lambda: button(dock, "Start").isEnabled())


@contextmanager
def train_bare(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """The same training, without a dock; the layer of its preview is there too."""
    from napari_unet.launchers.local_launcher import LocalLauncher
    from training.config import preset_config
    from training.runs.run_state import load_state

    images = viewer.layers[0]
    viewer.add_image(
        np.zeros((1, *images.data.shape[1:]), np.uint8), scale=images.scale, opacity=0.5
    )
    launcher = LocalLauncher(home / "bare")
    config = preset_config(DEFAULT_PRESET, data_url=str(data), steps=100_000, eval_interval=1)
    run = launcher.start(config, "bare")
    wait_until(lambda: load_state(run.events).step > 0)
    try:
        yield
    finally:
        launcher.cancel(run, delete=True)


@contextmanager
def predict(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """Our dock predicts all slices, again and again."""
    from qtpy.QtCore import QTimer

    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Predict")
    dock.use_model(home / "model")
    start = button(dock, "Predict all slices")
    wait_until(start.isEnabled)
    again = QTimer()  # the button is hidden while a prediction goes on
    again.timeout.connect(lambda: start.click() if start.isVisible() else None)
    start.click()
    again.start(50)
    yield
    again.stop()
    wait_until(start.isVisible)


@contextmanager
def predict_bare(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """The same prediction in a process beside, again and again; the same layers."""
    images = viewer.layers[0]
    viewer.add_image(np.zeros(images.data.shape, np.float32), scale=images.scale, visible=False)
    viewer.add_labels(np.zeros(images.data.shape, np.uint8), scale=images.scale)
    code = (
        "import sys; from pathlib import Path\n"
        "from napari_unet.prediction.predictor import load_predictor\n"
        "from training.opening import read_stack\n"
        "predictor, stack = load_predictor(Path(sys.argv[1])), read_stack(sys.argv[2])\n"
        "while True:\n    list(predictor.predict(stack))\n"
    )
    paths = [str(home / "model"), str(data / DEFAULT_IMAGES)]
    process = subprocess.Popen([sys.executable, "-c", code, *paths])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def paint(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """Our dock compares a mask that is painted on with ids in a file, and shows its errors."""
    with paint_bare(viewer, data, home):
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Evaluate")
        dock.choose_mask(viewer.layers["mask"])
        wait_until(lambda: "holds ids" in all_text(dock))
        click(dock, "Errors")
        yield


@contextmanager
def paint_bare(viewer: Any, data: Path, home: Path) -> Iterator[None]:
    """A dab five times a second on a mask; ids of the same shape are read from a file."""
    import h5py
    from qtpy.QtCore import QTimer

    from napari_unet.stacks.lazy_pixels import lazy_pixels
    from training.opening import open_stack

    shape, path = (30, 1024, 1024), home / "ids.h5"
    rows, columns = np.ogrid[: shape[1], : shape[2]]
    page = (1 + rows // 40 * 100 + columns // 40).astype(np.uint32)
    with h5py.File(path, "w") as file:
        ids = file.create_dataset("ids", shape, np.uint32, chunks=(1, *shape[1:]))
        for index in range(shape[0]):
            ids[index] = page
    place = {"scale": viewer.layers[0].scale / [1, 4, 4], "units": viewer.layers[0].units}
    viewer.add_labels(lazy_pixels(open_stack(path)), name="ids", **place)
    mask = viewer.add_labels((page % 7 == 0) * np.ones(shape, np.uint8), name="mask", **place)
    dabs = QTimer()
    dabs.timeout.connect(lambda: mask.paint((viewer.dims.current_step[0], 500, 500), 1))
    dabs.start(200)
    yield
    dabs.stop()


CASES: dict[str, Any] = {
    "idle": idle,
    "train": train,
    "train-bare": train_bare,
    "predict": predict,
    "predict-bare": predict_bare,
    "paint": paint,
    "paint-bare": paint_bare,
}


def all_text(widget: Any) -> str:
    from qtpy.QtWidgets import QLabel

    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def button(widget: Any, text: str) -> Any:
    from qtpy.QtWidgets import QPushButton

    return next(found for found in widget.findChildren(QPushButton) if found.text() == text)


def click(widget: Any, text: str) -> None:
    wait_until(button(widget, text).isEnabled)
    button(widget, text).click()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("The window did not get there.")
        hand().qWait(50)


if __name__ == "__main__":
    main()
