"""The dock Neurons: choose, merge, split, delete and add neurons, and go from doubt to doubt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
)

from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import (
    IMAGE_KEY,
    NEURONS,
    PROBABILITY,
    is_neurons,
    placement,
    role,
)
from napari_unet.layers.slices import (
    displayed_slice,
    pixels_in_world,
    show_slice,
    slider_in_pixels,
    stack_shape,
)
from napari_unet.proofreading.history import Step
from napari_unet.proofreading.operations import Kind, Operation, Stroke
from napari_unet.proofreading.suspicion import Suspicion
from napari_unet.stacks.napari_writer import OnSlice
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.common.steady_label import SteadyLabel
from napari_unet.widgets.files.long_task import LongTask
from napari_unet.widgets.painting.less_painting import LessPainting
from napari_unet.widgets.proofread.copying import CopyButton, copy_pixels
from napari_unet.widgets.proofread.doubts import Doubts
from napari_unet.widgets.proofread.looking import LookRow
from napari_unet.widgets.proofread.mask_walls import MaskWalls
from napari_unet.widgets.proofread.mendable import why_not_mendable
from napari_unet.widgets.proofread.mending import Mending
from napari_unet.widgets.proofread.outlines import ChosenOutline, ChosenSurface
from napari_unet.widgets.proofread.strokes import ClickChooser, StrokeTool
from napari_unet.widgets.proofread.wording import ACTIONS, UNLINKED, chosen_text, done_text

LISTS = "Operations on neurons (*.jsonl)"
KEYS = {"Undo": "Control-Z", "Redo": "Control-Shift-Z"}  # as napari writes them


class NeuronsDock(Dock):
    """Coordinates clicks, strokes, operations and the viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose neurons are mended; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._chosen: list[int] = []
        self._doubts = Doubts()
        self._labels = LayerChoice(
            self._viewer,
            is_neurons,
            prefers=lambda layer: 1 + (role(layer) == NEURONS),
            nothing="No neurons yet",
        )
        self._membrane = LayerChoice(
            self._viewer,
            self._is_membrane,
            prefers=lambda layer: role(layer) == PROBABILITY,
            nothing="None",
        )
        self._buttons = {name: QPushButton(f"{name}  ({key})") for name, key, _ in ACTIONS}
        self._learn = QPushButton("Use as labels to learn from")
        self._replay = QPushButton("Replay…")
        self._hint, self._doubt = SteadyLabel(2), SteadyLabel(2)
        self._walls, self._look = MaskWalls(self._viewer, self), LookRow()
        self._mending, self._copy = (
            Mending(self._viewer, self._walls, self),
            CopyButton(self._viewer),
        )
        self._less = LessPainting(self._viewer)
        self._chooser, self._tool = ClickChooser(self), StrokeTool(self._viewer, self)
        self._outline = ChosenOutline(self._viewer, self)
        self._surface = ChosenSurface(self._viewer, self)
        self._following = QTimer(self)
        self._following.setSingleShot(True)
        self._on_drawn: Callable[[tuple[Stroke, ...]], None] = lambda _: None
        self._layer_events = Connections(self)
        self._lay_out()
        self._connect()
        self._on_layer_changed()

    def _lay_out(self) -> None:
        self._labels.setToolTip("The layer of neurons to mend: each has a number.")
        self._membrane.setToolTip("Probability of membrane: a split follows it.")
        self._learn.setToolTip(
            "Add a copy of the neurons to train on: the borders between them are membrane."
        )
        self._replay.setToolTip(
            "Do the operations of a list again on these neurons, such as the list that a project "
            "has of others of the same image. Each is one step of undo."
        )
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Neurons", self._labels)
        form.addRow("Membrane", self._membrane)
        form.addRow(self._walls.check, self._walls.choice)
        grid = QGridLayout()
        place = 0
        for name, key, tip in ACTIONS:
            self._buttons[name].setToolTip(f"{tip} {key} on the canvas.")
            width = 2 if name == "Next" else 1
            grid.addWidget(self._buttons[name], place // 2, place % 2, 1, width)
            place += width
        layout = QVBoxLayout(self.content)
        layout.addLayout(form)
        layout.addWidget(self._hint)
        layout.addWidget(self._copy)
        layout.addLayout(grid)
        layout.addWidget(self._doubt)
        layout.addWidget(self._less)
        row = QHBoxLayout()
        row.addWidget(self._learn, 1)
        row.addWidget(self._replay)
        layout.addLayout(row)
        layout.addWidget(self._look)  # below, because it comes and goes
        layout.addStretch(1)
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self._labels.layer_changed.connect(self._on_layer_changed)
        self._membrane.layer_changed.connect(self._on_layer_changed)
        for name, action in self._actions().items():
            self._buttons[name].clicked.connect(lambda _=False, act=action: act())
        self._learn.clicked.connect(lambda: self._mending.when_done(self._copy_to_learn))
        self._replay.clicked.connect(lambda: self._ask_list())
        self._chooser.chosen.connect(self._on_clicked)
        self._tool.drawn.connect(lambda strokes: self._on_drawn(strokes))
        self._tool.said.connect(self._hint.setText)
        self._tool.failed.connect(self.report)
        self._tool.dropped.connect(self._show_state)
        self._mending.looking.connect(self._look.follow)
        self._mending.rested.connect(self._look.rest)
        self._mending.stopped.connect(self._on_stopped)
        self._look.again_requested.connect(self._on_layer_changed)
        self._mending.loaded.connect(self._on_loaded)
        self._mending.seen.connect(self._show_outline)
        self._mending.changed.connect(self._on_changed)
        self._mending.went_back.connect(self._show_one_of)
        self._mending.failed.connect(self._on_failed)
        self._mending.ranked.connect(self._on_ranked)
        self._mending.replayed.connect(self._on_replayed)
        self._copy.looking.connect(self._look.follow)
        self._copy.rested.connect(self._look.rest)
        self._copy.copied.connect(self._on_copied)
        self._copy.failed.connect(self.report)
        self._surface.failed.connect(self.report)
        self.closed.connect(self._on_closed)
        self._following.timeout.connect(self._show_outline)
        events = Connections(self)
        events.add(self._viewer.dims.events.current_step, self._follow_slider)
        events.add(self._viewer.dims.events.ndisplay, self._show_chosen)

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "Merge": self._merge,
            "Split": self._split,
            "Cut": self._cut,
            "Delete": partial(self._do_to_chosen, "delete"),
            "New": self._add_new,
            "Done": partial(self._do_to_chosen, "done"),
            "Next": self._go_to_next,
            "Undo": self._undo,
            "Redo": self._redo,
        }

    def _is_membrane(self, layer: Layer) -> bool:
        """Whether a layer is a probability of the size of the neurons."""
        neurons = self._labels.layer
        is_probability = isinstance(layer, Image) and role(layer) == PROBABILITY
        return is_probability and neurons is not None and stack_shape(layer) == stack_shape(neurons)

    @property
    def _layer(self) -> Any:
        return self._labels.layer

    def _on_layer_changed(self) -> None:
        self._membrane.refresh()
        layer: Any = self._layer
        self.message.tell("")
        self._layer_events.clear()
        self._tool.drop()
        self._chosen, self._doubts = [], Doubts()
        self._doubt.setText("")
        self._show_chosen()
        membrane: Any = self._membrane.layer
        is_mendable = layer is not None and not why_not_mendable(layer)
        self._chooser.watch(layer if is_mendable else None)
        self._walls.hold(layer)
        self._mending.hold(layer, membrane)
        self._copy.hold(layer)
        if layer is not None:
            self._layer_events.add(layer.events.data, self._on_data_replaced)
        self._less.hold(layer if is_mendable else None)
        if is_mendable:
            actions = self._actions()
            for name, key, _ in ACTIONS:
                press = _on_key(actions[name])
                self._layer_events.bind_key(layer, KEYS.get(name, key.lower()), press)
        self._show_state()

    def _on_data_replaced(self, event: Any = None) -> None:
        """A script or a new search gave the layer other neurons: what was done is not of these."""
        self._mending.forget(self._layer)
        self._on_layer_changed()

    def _on_loaded(self) -> None:
        self._activate()
        self._show_state()
        self._show_chosen()
        if not self._mending.are_slices_linked:
            self.message.tell(UNLINKED)

    def _on_copied(self, neurons: Labels) -> None:
        self._labels.choose(neurons)
        self.message.tell(
            f"Mend '{neurons.name}', and save it under another name: the file that was copied "
            "stays as it is."
        )

    def _on_stopped(self, is_first: bool) -> None:
        if is_first:
            self._look.offer_again()
        else:
            self._doubt.setText("Stopped. Next looks again.")
        self._show_state()

    def _activate(self) -> None:
        """Let the canvas give clicks and keys to the neurons."""
        layer = self._layer
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"

    def _on_clicked(self, body: int, is_added: bool) -> None:
        self.message.tell("")
        if not body:
            self._chosen = self._chosen if is_added else []
        elif not is_added:
            self._chosen = [body]
        elif body in self._chosen:
            self._chosen.remove(body)
        else:
            self._chosen.append(body)
        self._show_chosen()
        self._show_state()

    def _merge(self) -> None:
        if len(self._chosen) > 1:
            self.message.tell("")
            self._mending.request_for("merge", self._chosen)
        else:
            self._ask_stroke(1, "merge", "Draw a stroke across the neurons to merge.")

    def _split(self) -> None:
        self._ask_stroke(2, "split", "Draw a stroke on one part of the neuron to split.")

    def _cut(self) -> None:
        self._ask_stroke(1, "cut", "Draw a line across the neuron, from outside to outside.")

    def _add_new(self) -> None:
        self._ask_stroke(1, "new", "Draw a stroke where no neuron is.")

    def _ask_stroke(self, count: int, kind: Kind, hint: str) -> None:
        """Take strokes; the same key again puts the tool down."""
        if self._mending.history is None:
            return
        if self._tool.is_in_hand:
            self._tool.drop()
            return
        if self._viewer.dims.ndisplay == 3:
            self.message.tell("Strokes are drawn on a slice: leave the 3-D view first.")
            return
        self._activate()
        self._on_drawn = partial(self._request, kind)
        self._tool.ask(self._layer, count)
        self._hint.setText(hint)

    def _do_to_chosen(self, kind: Kind) -> None:
        if len(self._chosen) != 1:
            self.message.tell("Click one neuron first.")
            return
        self.message.tell("")
        self._mending.request_for(kind, self._chosen)

    def _request(self, kind: Kind, strokes: tuple[Stroke, ...]) -> None:
        self.message.tell("")
        if all(strokes):
            self._mending.request(Operation(kind=kind, strokes=strokes))

    def _undo(self) -> None:
        self.message.tell("")
        self._mending.undo()

    def _redo(self) -> None:
        self.message.tell("")
        self._mending.redo()

    def _on_changed(self, step: Step | None, said: str, is_undo: bool) -> None:
        history = self._mending.history
        if history is not None and step is not None:
            bodies = [body for body in step.bodies if history.neurons.index.sections(body)]
            is_there = bool({*self._chosen} & {*bodies})
            self._chosen = bodies[:1] if is_there or not self._chosen else self._chosen
            self._chosen = [body for body in self._chosen if history.neurons.index.sections(body)]
            done = f"Undone: {step.operation.kind}." if is_undo else done_text(step)
            self.message.tell(done + said)
        self._show_chosen()
        self._show_state()

    def _show_one_of(self, slices: list[int]) -> None:
        """Go to the nearest of these slices, unless one of them is displayed."""
        layer: Any = self._layer
        if not slices or layer not in self._viewer.layers or self._viewer.dims.ndisplay == 3:
            return
        shown = displayed_slice(self._viewer, layer)
        if shown not in slices:
            shown = slices[0] if shown is None else shown
            show_slice(self._viewer, layer, min(slices, key=lambda index: abs(index - shown)))

    def _on_failed(self, error: Exception) -> None:
        self.report(error)
        self._doubt.setText("")
        self._show_state()

    def _go_to_next(self) -> None:
        history = self._mending.history
        if history is None:
            return
        item = self._doubts.go_on(history)
        if item is None:
            self._doubt.setText("Looking for suspicious neurons…")
            self._mending.rank()
        else:
            self._look_at(item)

    def _on_ranked(self, found: list[Suspicion]) -> None:
        self._doubts.take(found, self._mending.history)
        if self._doubts:
            self._go_to_next()
        else:
            self._doubt.setText("No neuron is suspicious, or all that are were marked as done.")

    def _look_at(self, item: Suspicion) -> None:
        layer = self._layer
        show_slice(self._viewer, layer, item.point[0])
        place = slider_in_pixels(self._viewer, layer)
        place[-2:] = item.point[1:]
        center = pixels_in_world(self._viewer, layer, place)
        self._viewer.scene.camera.center = (0.0, *center[-2:])
        self._chosen = [item.body]
        self._doubt.setText(self._doubts.text(item))
        self._show_chosen()
        self._show_state()

    def _show_chosen(self, _: object = None) -> None:
        if len(self._chosen) == 1 and self._layer is not None:
            self._layer.selected_label = self._chosen[0]  # of the brush, and what saves strokes
        self._show_outline()
        self._show_on(self._surface)

    def _follow_slider(self, _: object = None) -> None:
        """Show the outline of another slice once napari is done with what moved the slider.

        That may be the removal of all layers, which would never end if one were added meanwhile.
        """
        self._following.start()

    def _show_outline(self) -> None:
        self._show_on(self._outline)

    def _show_on(self, view: ChosenOutline | ChosenSurface) -> None:
        history, layer = self._mending.history, self._layer
        if history is None or layer is None or layer not in self._viewer.layers:
            view.hide()
            return
        view.show(layer, history.neurons.labels, history.neurons.index, self._chosen)

    def _show_state(self) -> None:
        """Enable what can be done now, and say what is missing."""
        layer, history = self._layer, self._mending.history
        why = "Open or find neurons first." if layer is None else why_not_mendable(layer)
        if not why and history is None:
            why = "The neurons are not looked at yet."
        can = {
            "Delete": len(self._chosen) == 1,
            "Done": len(self._chosen) == 1,
            "Undo": self._mending.can_undo,
            "Redo": self._mending.can_redo,
        }
        for name, button in self._buttons.items():
            button.setEnabled(not why and can.get(name, True))
        self._learn.setEnabled(not why)
        self._replay.setEnabled(not why)
        self._hint.setText(why or chosen_text(history, self._chosen))

    def _ask_list(self) -> None:
        """Ask for a file of operations, and do them on these neurons."""
        folder = self._mending.folder
        path, _ = QFileDialog.getOpenFileName(
            self, "List of operations", "" if folder is None else str(folder), LISTS
        )
        if path:
            self.message.tell("")
            self._mending.replay(Path(path))

    def _on_replayed(self, said: str) -> None:
        self._chosen = []
        self._show_chosen()
        self._show_state()
        self.message.tell(said)

    def _copy_to_learn(self, under_way: Lock) -> None:
        self._learn.setEnabled(False)
        layer = self._layer

        def copy(on_part: OnSlice) -> tuple[Labels, Any]:
            with under_way:  # copy no operation that is half done
                return layer, copy_pixels(layer.name, layer.data, on_part)

        task = LongTask(f"Copying '{layer.name}'", copy, self)
        task.done.connect(self._add_copy)  # a method alone is not called once it is closed
        task.failed.connect(self._on_failed)
        task.ended.connect(self._show_state)
        task.start()

    def _add_copy(self, done: tuple[Labels, Any]) -> None:
        layer, copy = done
        image = image_under(self._viewer, layer)
        name = f"{layer.name} truth"
        metadata = {} if image is None else {IMAGE_KEY: image.name}
        self._viewer.add_labels(copy, name=name, metadata=metadata, **placement(layer))
        self.message.tell(f"Added '{name}': choose it as labels in Train.")
        self._labels.choose(layer)
        self._activate()

    def _on_closed(self) -> None:
        self._tool.drop()
        self._chooser.watch(None)
        self._outline.hide()
        self._surface.hide()
        self._mending.hold(None, None)
        self._copy.hold(None)


def _on_key(action: Callable[[], None]) -> Callable[[Labels], None]:
    """Make a key's callback of an action; napari wants its name, which a partial has not."""

    def press(layer: Labels) -> None:
        action()

    return press
