"""The samples of File > Open Sample: synthetic stacks with their labels, for trying things."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from napari.utils import progress
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_unet.layers.class_layers import CLASSES_KEY, class_look
from napari_unet.layers.colormaps import mask_colormap
from napari_unet.layers.colors import TRUTH_COLOR
from napari_unet.layers.plugin_layers import AXIS_LABELS, CONVENTION_KEY, MASK_OPACITY
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.synthetic import synthetic_classes, synthetic_stack

LayerTuple = tuple[Any, dict[str, Any], str]
POLL_INTERVAL = 20  # milliseconds
NANOMETRES = 50.0, 4.0, 4.0  # what such slices and pixels measure


def open_synthetic() -> list[LayerTuple]:
    """Draw cells with membranes: images and ground truth (Z, Y, X) = (30, 256, 256) of uint8."""
    images, labels = wait_in_thread(synthetic_stack, "Drawing cells")
    membrane = (labels == 0).astype(np.uint8)
    volume = {"name": "synthetic-volume", "axis_labels": AXIS_LABELS}
    truth = {
        "name": "synthetic-labels",
        "axis_labels": AXIS_LABELS,
        "colormap": mask_colormap(TRUTH_COLOR),
        "opacity": MASK_OPACITY,
        "metadata": {CONVENTION_KEY: LabelConvention.ISBI},
    }
    return [(images, volume, "image"), (membrane, truth, "labels")]


def open_synthetic_classes() -> list[LayerTuple]:
    """Draw cells with mitochondria: images and classes (Z, Y, X) = (12, 512, 512) of uint8."""
    draw = partial(synthetic_classes, slices=12, size=512)
    images, labels = wait_in_thread(draw, "Drawing cells with mitochondria")
    classes = LabelClasses.parse("membrane,mitochondria")
    place = {"axis_labels": AXIS_LABELS, "scale": NANOMETRES, "units": ("nm",) * 3}
    truth = {
        "name": "mitochondria-labels",
        "opacity": MASK_OPACITY,
        "metadata": {CLASSES_KEY: classes.text},
        **class_look(classes),
    }
    volume = {"name": "mitochondria-volume"}
    return [(images, volume | place, "image"), (labels, truth | place, "labels")]


def wait_in_thread(function: Callable[[], Any], description: str) -> Any:
    """Call a function that takes seconds, and return its result, while the window stays alive.

    It is for callers that must return the result, such as napari's hooks. Without a window the
    function is just called.

    Parameters
    ----------
    function : callable
        Must touch no widget and no layer.
    description : str
        Shown beside napari's progress bar.
    """
    if QApplication.instance() is None:
        return function()
    loop = QEventLoop()
    with ThreadPoolExecutor(1) as executor, progress(total=0, desc=description):
        future = executor.submit(function)
        timer = QTimer()
        timer.timeout.connect(lambda: loop.quit() if future.done() else None)
        timer.start(POLL_INTERVAL)
        loop.exec_()
        return future.result()
