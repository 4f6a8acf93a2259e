"""The suspicious neurons that a person goes through, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet.proofreading.history import History
from napari_unet.proofreading.suspicion import Suspicion


class Doubts:
    """A list of suspicions, and how far a person is in it."""

    def __init__(self) -> None:
        self._found: list[Suspicion] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._found)

    def take(self, found: Sequence[Suspicion], history: History | None) -> None:
        """Go through these from now on, but for those of neurons that are marked as done."""
        finished = history.finished if history is not None else set()
        self._found, self._next = [item for item in found if item.body not in finished], 0

    def go_on(self, history: History) -> Suspicion | None:
        """Give the next whose neuron is not done and is still there; None at the end."""
        finished = history.finished
        while self._next < len(self._found):
            item = self._found[self._next]
            self._next += 1
            if item.body not in finished and history.neurons.at(item.point) == item.body:
                return item
        return None

    def text(self, item: Suspicion) -> str:
        """Say which place it is, of how many to look at, and why; a neuron may have several."""
        return f"Place {self._next} of {len(self)}: neuron {item.body} {item.reason}."
