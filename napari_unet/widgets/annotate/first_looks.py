"""Which labels of napari's own may be strokes: some of their pixels are read, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari import Viewer
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from napari_unet.layers.label_values import some_values
from napari_unet.layers.plugin_layers import are_new_labels
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.latest_work import LatestWork
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN


class FirstLooks(QObject):
    """Looks at labels that only this viewer has, whenever layers come, go or are chosen.

    Parameters
    ----------
    viewer : Viewer
    parent : QObject
        The looks end with it.
    on_error : callable
        Called on the window's thread with what keeps labels from being read.
    """

    looked = Signal()

    def __init__(
        self, viewer: Viewer, parent: QObject, on_error: Callable[[Exception], None]
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._values: Mapping[Layer, frozenset[int]] = {}
        self._painted: dict[Layer, frozenset[int]] = {}  # since the last look was asked for
        self._is_done = True
        self._reading = LatestWork(self, _read, self._on_read, on_error)
        self._painting, events = Connections(self), Connections(self)
        layers = viewer.layers
        # napari makes a new layer the active one after it was added
        active = layers.selection.events.active
        for event in (layers.events.inserted, layers.events.removed, active):
            events.add(event, self.look)
        self.look()

    def may_be_strokes(self, layer: Layer) -> bool:
        """Return whether a layer was seen to have no other values than 0, 1 and 2."""
        return layer in self._values and self._values[layer] <= {UNKNOWN, MEMBRANE, INSIDE}

    def is_empty(self, layer: Layer) -> bool:
        """Return whether nothing is painted on a layer, by a look after the last event."""
        return self._is_done and self._values.get(layer) == frozenset({UNKNOWN})

    def look(self, event: object = None) -> None:
        """Look at all of them again; ``looked`` says when that is done."""
        new: list[Any] = [layer for layer in self._viewer.layers if are_new_labels(layer)]
        self._painting.clear()
        self._painted = {}
        for layer in new:
            self._painting.add(layer.events.paint, self._on_painted)
            self._painting.add(layer.events.data, self.look)
        self._is_done = not new
        if new:
            self._reading.request([(layer, layer.data) for layer in new])
        else:
            self._reading.drop()
            self._show({})

    def _on_painted(self, event: Any) -> None:
        layer = event.source
        painted = {int(layer.selected_label)}
        self._painted[layer] = self._painted.get(layer, frozenset()) | painted
        if layer in self._values and not painted <= self._values[layer]:
            self._show({**self._values, layer: self._values[layer] | painted})

    def _on_read(self, values: dict[Layer, frozenset[int]]) -> None:
        self._is_done = True
        nothing: frozenset[int] = frozenset()
        self._show({layer: values[layer] | self._painted.get(layer, nothing) for layer in values})

    def _show(self, values: Mapping[Layer, frozenset[int]]) -> None:
        self._values = values
        self.looked.emit()


def _read(layers: list[tuple[Layer, Any]]) -> dict[Layer, frozenset[int]]:
    return {layer: some_values(data) for layer, data in layers}
