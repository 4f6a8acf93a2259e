"""The correct dock: mend a predicted mask, say which slices are right, train on with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari import Viewer
from napari.layers import Labels
from qtpy.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet.layers.layer_search import image_under, labels_over, probability_of
from napari_unet.layers.plugin_layers import (
    CORRECTED_KEY,
    corrected_slices,
    is_paintable_mask,
    is_predicted_mask,
)
from napari_unet.layers.slices import displayed_slice, edited_slices, show_slice
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.correct.corrected_view import CorrectedView
from napari_unet.widgets.correct.label_outlines import LabelOutlines
from napari_unet.widgets.correct.learn_on_view import LearnOnView
from napari_unet.widgets.correct.learning import Learning
from napari_unet.widgets.correct.next_region_view import NextRegionView
from napari_unet.widgets.correct.region_tour import RegionTour
from napari_unet.widgets.correct.speck_removal import SpeckRemoval
from napari_unet.widgets.correct.specks_view import SpecksView
from napari_unet.widgets.correct.tools import CorrectTools
from napari_unet.widgets.correct.truth_making import TruthMaking
from training.errors import UserError


class CorrectDock(Dock):
    """Coordinates the tools and views below with the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose masks are corrected; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._edited: set[int] = set()
        self._events = Connections(self)
        self._mask = LayerChoice(self._viewer, is_paintable_mask, prefers=is_predicted_mask)
        self._tools = CorrectTools(self._viewer)
        self._specks_view, self._next_view = SpecksView(), NextRegionView()
        self._learn_view = LearnOnView()
        self._specks = SpeckRemoval(self._viewer, self._specks_view)
        self._corrected = CorrectedView()
        self._truth = TruthMaking(self._viewer, self)
        self._tour = RegionTour(self._viewer, self._next_view)
        self._outlines, self._is_seen = LabelOutlines(self), False
        self._learning = Learning(self._viewer, self._learn_view)
        self._lay_out()
        self._connect()
        self._on_mask_changed()

    def _lay_out(self) -> None:
        self._mask.setToolTip("The mask to correct: a prediction.")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Mask", self._mask)
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._tools)
        layout.addWidget(self._specks_view)
        for title, view in (
            ("Corrected slices", self._corrected),
            ("Where to look next", self._next_view),
            ("Keep training", self._learn_view),
        ):
            layout.addWidget(_box(title, view))
        layout.addStretch(1)
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self._mask.layer_changed.connect(self._on_mask_changed)
        self._corrected.mark_toggled.connect(self._mark)
        self._corrected.slice_requested.connect(self._show_slice)
        self._corrected.truth_requested.connect(self._on_truth_requested)
        self._learn_view.learn_requested.connect(self._on_learn_requested)
        self._truth.failed.connect(self.report)
        self._truth.ended.connect(self._on_truth_ended)
        self._tools.failed.connect(self.report)
        self._specks.failed.connect(self.report)
        self._tour.failed.connect(self.report)
        self.front_changed.connect(self._on_front_changed)
        self.came_in_sight.connect(self._learning.look_for_model)
        self.closed.connect(partial(self._on_front_changed, False))
        events = Connections(self)
        events.add(self._viewer.dims.events.current_step, self._show_slices)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            events.add(event, self._on_layers_changed)

    def _on_mask_changed(self) -> None:
        layer: Any = self._mask.layer
        self._events.clear()
        self.message.tell("")
        self._edited = set()
        self._tools.hold(layer)
        self._specks.watch(layer)
        if layer is not None:
            self._events.add(layer.events.paint, self._on_painted)
            self._events.add(layer.events.data, self._tour.rank_again)
            self._events.bind_key(layer, "c", self._on_mark_key)
        self._on_layers_changed()

    def _on_layers_changed(self, event: Any = None) -> None:
        """The image and the probability of the mask may have come or gone."""
        layer: Any = self._mask.layer
        image = image_under(self._viewer, layer) if layer is not None else None
        probability = probability_of(self._viewer, layer) if layer is not None else None
        self._tools.follow(image, probability)
        self._tour.watch(probability)
        self._outline_labels()
        self._show_slices()

    def _on_front_changed(self, is_seen: bool) -> None:
        self._is_seen = is_seen
        self._outline_labels()
        if not is_seen:
            self._tour.hide()

    def _outline_labels(self) -> None:
        """Labels over the mask would hide it, and the image under it."""
        mask = self._mask.layer if self._is_seen else None
        self._outlines.outline(None if mask is None else labels_over(self._viewer, mask))

    def _on_painted(self, event: Any) -> None:
        self._edited |= edited_slices(event)
        self._show_slices()

    def _on_mark_key(self, _: object) -> None:
        layer: Any = self._mask.layer
        self._mark(displayed_slice(self._viewer, layer) not in corrected_slices(layer))

    def _mark(self, is_right: bool) -> None:
        layer: Any = self._mask.layer
        index = displayed_slice(self._viewer, layer) if layer is not None else None
        if index is not None:
            others = set(corrected_slices(layer)) - {index}
            layer.metadata[CORRECTED_KEY] = sorted(others | ({index} if is_right else set()))
        self._show_slices()

    def _show_slices(self, event: Any = None) -> None:
        layer = self._mask.layer
        if layer is None:
            self._corrected.show_slices(None, [], set())
        else:
            shown = displayed_slice(self._viewer, layer)
            self._corrected.show_slices(shown, corrected_slices(layer), self._edited)

    def _show_slice(self, index: int) -> None:
        if self._mask.layer is not None:
            show_slice(self._viewer, self._mask.layer, index)

    def _on_truth_requested(self) -> None:
        self._make_truth(self._on_truth_made)

    def _make_truth(self, on_made: Callable[[Labels], None]) -> None:
        mask: Any = self._mask.layer
        if mask is not None:
            self.message.tell("")
            self._set_waiting(True)
            self._truth.make(mask, on_made)

    def _on_truth_made(self, labels: Labels) -> None:
        count = len(corrected_slices(labels))
        slices = "1 corrected slice" if count == 1 else f"{count} corrected slices"
        self.message.tell(f"'{labels.name}' has {slices} now; Train can take it.")

    def _on_truth_ended(self) -> None:
        self._set_waiting(False)

    def _set_waiting(self, is_waiting: bool) -> None:
        """Let no slices be asked for while some are being read."""
        for view in (self._corrected, self._learn_view):
            view.setDisabled(is_waiting)

    def _on_learn_requested(self) -> None:
        mask: Any = self._mask.layer
        if mask is None:
            return
        if image_under(self._viewer, mask) is None:
            problem = f"The image that '{mask.name}' is of is not open."
            self._learn_view.show_failure(UserError(problem, "Open it first."))
        elif not corrected_slices(mask) and labels_over(self._viewer, mask) is None:
            problem = f"No slice of '{mask.name}' is marked as correct."
            remedy = "Mark those that are, or paint a few labels in Annotate."
            self._learn_view.show_failure(UserError(problem, remedy))
        else:
            self._make_truth(self._learn_on)

    def _learn_on(self, labels: Labels) -> None:
        image = image_under(self._viewer, labels)
        if image is not None:
            self._learning.start(image, labels)


def _box(title: str, view: QWidget) -> QGroupBox:
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 4, 6, 4)
    layout.addWidget(view)
    return box
