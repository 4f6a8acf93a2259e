"""A drop-down of a viewer's layers that follows what is added, removed and renamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget
from superqt.utils import signals_blocked

from napari_unet.layers.image_names import ImageNames
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.eliding_combo import ElidingComboBox

Form = tuple[tuple[int, ...], Any]


class LayerChoice(ElidingComboBox):
    """Offers the layers that pass a test; a layer that a person chose stays while it is there.

    Parameters
    ----------
    viewer : ViewerModel
        Its layers are offered, the topmost last.
    accepts : callable
        Whether a layer is offered.
    prefers : callable, optional
        How much a layer is to be taken by itself, until a person chooses one: the first of those
        that it gives most for, from 0 (or False). All alike by default.
    nothing : str
        What to show where no layer is preferred, until a person chooses one; empty: any layer is
        taken then.
    """

    layer_changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        accepts: Callable[[Layer], bool],
        prefers: Callable[[Layer], int] = lambda _: 1,
        nothing: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._takes_any = not nothing
        self.setPlaceholderText(nothing)
        self._viewer, self._accepts, self._prefers = viewer, accepts, prefers
        self._chosen: Layer | None = None
        self._chosen_form: Form | None = None
        self._forms: dict[Layer, Form] = {}  # of the data of each layer
        self._watched = Connections(self)
        self._is_by_person = False
        self._image_names = ImageNames(viewer)
        self.setMinimumContentsLength(12)
        events, connections = viewer.layers.events, Connections(self)
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            connections.add(event, self.refresh)
        self.activated.connect(self._on_activated)
        self.refresh()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer; None if there is none to choose."""
        return self._chosen

    def choose(self, layer: Layer) -> None:
        """Choose a layer, if it is offered."""
        if layer in self._offered_layers():
            self._is_by_person = True
            self._take(layer)
            self.refresh()

    def _offered_layers(self) -> list[Layer]:
        return [layer for layer in self._viewer.layers if self._accepts(layer)]

    def refresh(self, event: object = None) -> None:
        """Offer what passes the test now."""
        self._image_names.follow()
        self._watched.clear()
        self._forms = {layer: _form(layer) for layer in self._viewer.layers}
        for layer in self._forms:
            self._watched.add(layer.events.data, self._on_data_changed)
        offered = self._offered_layers()
        with signals_blocked(self):
            self.clear()
            self.addItems([layer.name for layer in offered])
        chosen = self._chosen if self._stays(offered) else self._pick(offered)
        self.setCurrentIndex(offered.index(chosen) if chosen is not None else -1)
        self.setEnabled(bool(offered))
        self._take(chosen)

    def _stays(self, offered: list[Layer]) -> bool:
        if self._chosen is None or self._chosen not in offered:
            self._is_by_person = False
            return False
        return self._is_by_person or self._chosen in self._first_choices(offered)

    def _pick(self, offered: list[Layer]) -> Layer | None:
        return next(iter(self._first_choices(offered)), None)

    def _first_choices(self, offered: list[Layer]) -> list[Layer]:
        most = max(map(self._prefers, offered), default=0)
        if not (most or self._takes_any):
            return []
        return [layer for layer in offered if self._prefers(layer) == most]

    def _take(self, layer: Layer | None) -> None:
        form = None if layer is None else _form(layer)
        # napari may give each widget proxies of its own
        if layer != self._chosen or form != self._chosen_form:
            self._chosen, self._chosen_form = layer, form
            self.layer_changed.emit()

    def _on_data_changed(self, event: Any) -> None:
        """A layer whose data was replaced by data of another form is another layer."""
        if self._forms.get(event.source) != _form(event.source):
            self.refresh()

    def _on_activated(self, index: int) -> None:
        self._is_by_person = True
        self._take(self._offered_layers()[index])


def _form(layer: Layer) -> Form:
    """The shape of a layer's data, and their dtype."""
    return getattr(layer.data, "shape", ()), getattr(layer.data, "dtype", None)
