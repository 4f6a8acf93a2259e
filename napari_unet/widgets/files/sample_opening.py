"""The samples of napari's File menu: they are drawn in a thread, with progress."""

from __future__ import annotations

from collections.abc import Callable

from napari_unet.stacks.sample_data import LayerTuple, draw_classes, draw_membranes
from napari_unet.widgets.common.background import Progress
from napari_unet.widgets.files.long_task import do_and_wait
from training.errors import UserError


def open_synthetic() -> list[LayerTuple]:
    """Make the layers of :func:`draw_membranes`; napari's hook."""
    return _open(draw_membranes)


def open_synthetic_classes() -> list[LayerTuple]:
    """Make the layers of :func:`draw_classes`; napari's hook."""
    return _open(draw_classes)


def _open(draw: Callable[[Progress], list[LayerTuple]]) -> list[LayerTuple]:
    layers: list[LayerTuple] | None = do_and_wait("Drawing the sample", draw)
    if layers is None:  # napari takes no sample without layers
        raise UserError("The sample was not drawn: you cancelled that.")
    return layers
