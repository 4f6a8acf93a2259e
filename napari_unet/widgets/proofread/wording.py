"""The names of the dock's actions, their keys, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet.proofreading.history import History, Step
from napari_unet.proofreading.operations import Kind

# Name, key on the canvas, and what the button does.
ACTIONS = (
    ("Merge", "J", "Join the chosen neurons; with one chosen or none, draw a stroke across them."),
    ("Split", "K", "Draw two strokes on a neuron: it is cut between them in all slices."),
    ("Cut", "S", "Draw a line right across a neuron: it is cut there, and on in all slices."),
    ("New", "A", "Draw a stroke where no neuron is: the free region under it becomes one."),
    ("Delete", "R", "Delete the chosen neuron in all slices."),
    ("Done", "D", "Mark the chosen neuron as done, or take the mark back."),
    ("Next", "N", "Go to the next suspicious neuron."),
    ("Undo", "Ctrl+Z", "Undo the last operation or stroke, also after reopening the project."),
    ("Redo", "Ctrl+Shift+Z", "Do again what was undone."),
)
UNLINKED = (
    "The slices are not linked: each has numbers of its own, and an operation goes through the "
    "slices that have the same number. 'Link slices' in Predict numbers neurons through the stack."
)
TITLES: dict[Kind, str] = {  # while it is done
    "merge": "Merging",
    "split": "Splitting",
    "cut": "Cutting",
    "delete": "Deleting",
    "new": "Adding",
    "done": "Marking",
}
_DONE = {
    "merge": "Merged into neuron {}.",
    "split": "Split neuron {}.",
    "cut": "Cut neuron {}.",
    "delete": "Deleted neuron {}.",
    "new": "Added neuron {}.",
    "done": "Marked neuron {}.",
}


def done_text(step: Step) -> str:
    """Say what an operation did."""
    is_new = step.operation.kind == "new" and step.edit is not None
    subject = step.edit.after if is_new and step.edit is not None else step.bodies[0]
    return _DONE[step.operation.kind].format(subject)


def chosen_text(history: History | None, chosen: Sequence[int]) -> str:
    """Say which neurons are chosen, and where the only one is."""
    if not chosen or history is None:
        return "Click a neuron; more with Shift."
    if len(chosen) > 1:
        others = ", ".join(map(str, chosen[1:6]))
        return f"Neuron {chosen[0]}, and {others}: {len(chosen)} are chosen."
    done = " (done)" if chosen[0] in history.finished else ""
    sections = history.neurons.index.sections(chosen[0])
    first, last = min(sections, default=None), max(sections, default=None)
    where = f"slices {first} to {last}" if first != last else f"slice {first}"
    return f"Neuron {chosen[0]}{done}, in {where if sections else 'no slice'}."
