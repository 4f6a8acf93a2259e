"""A mask compared with the ground truth, slice by slice, as either is edited."""

from __future__ import annotations

import csv
import io
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.metrics.neuron_metrics import NEURON_FIGURES, neuron_figures_of_mask
from training.metrics.pixel_metrics import overlap_figures

PIXEL_FIGURES = ("dice", "iou", "precision", "recall")
FIGURES = (*PIXEL_FIGURES, *NEURON_FIGURES)
Figures = dict[str, float]


class Comparison:
    """Figures of every slice of a mask, kept up to date by telling it what was edited.

    Those of pixels take milliseconds a slice; those of neurons ten times as long, so that they
    are computed apart, and are missing until then.

    Parameters
    ----------
    predicted, truth : arrays (Z, Y, X) or (Y, X) of int
        Pixels other than 0 are membrane. They are looked at anew whenever a slice is
        computed; dask arrays will do.
    predicted_name, truth_name : str
        Of the layers, for messages.

    Raises
    ------
    UserError
        If they differ in shape, or have another number of axes.
    """

    def __init__(
        self, predicted: Any, truth: Any, predicted_name: str = "mask", truth_name: str = "truth"
    ) -> None:
        if predicted.shape != truth.shape:
            raise UserError(
                f"'{predicted_name}' has the shape {predicted.shape}, but '{truth_name}' has "
                f"{truth.shape}.",
                "Choose two layers of the same stack.",
            )
        if predicted.ndim not in (2, 3):
            raise UserError(
                f"'{predicted_name}' has {predicted.ndim} axes.", "Choose a stack of slices."
            )
        self._predicted, self._truth = predicted, truth
        length = predicted.shape[0] if predicted.ndim == 3 else 1
        self._figures: list[Figures | None] = [None] * length
        self._neurons: list[Figures] = [{}] * length
        self._edits = [0] * length

    def __len__(self) -> int:
        return len(self._figures)

    def __getitem__(self, index: int) -> Figures | None:
        """Figures of a slice, or None if it was not computed yet."""
        figures = self._figures[index]
        return None if figures is None else {**figures, **self._neurons[index]}

    def is_of(self, predicted: Any, truth: Any) -> bool:
        """Whether these are the very arrays that are compared."""
        return self._predicted is predicted and self._truth is truth

    @property
    def has_neurons(self) -> bool:
        """Whether the figures of neurons are there, and up to date, of every slice."""
        return all(self._neurons)

    def update_all(self) -> None:
        """Compute the figures of pixels of all slices."""
        for index in range(len(self)):
            self.update(index)

    def update(self, index: int) -> bool:
        """Compute the figures of pixels of a slice anew; whether they changed."""
        predicted, truth = _slice(self._predicted, index), _slice(self._truth, index)
        figures = overlap_figures(predicted != 0, truth != 0)
        has_changed = figures != self._figures[index]
        if has_changed:
            self._edits[index] += 1
            self._neurons[index] = {}
        self._figures[index] = figures
        return has_changed

    def update_neurons(self, seconds: float = math.inf) -> None:
        """Compute the figures of neurons where they are missing, edited slices first.

        May run in a thread while another one updates slices: of a slice that changes meanwhile
        they stay missing.

        Parameters
        ----------
        seconds : float
            After this time it ends with the slice under way.
        """
        end = time.monotonic() + seconds
        missing = [index for index, known in enumerate(self._neurons) if not known]
        for index in sorted(missing, key=lambda index: -self._edits[index]):
            if time.monotonic() > end:
                break
            edits = self._edits[index]
            predicted, truth = _slice(self._predicted, index), _slice(self._truth, index)
            figures = neuron_figures_of_mask(predicted != 0, truth != 0)
            if self._edits[index] == edits:
                self._neurons[index] = figures

    def by_slice(self) -> dict[int, Figures]:
        """Figures of the slices computed so far."""
        every = ((index, self[index]) for index in range(len(self)))
        return {index: figures for index, figures in every if figures is not None}

    def worst_first(self) -> list[int]:
        """Computed slices from the lowest Dice to the highest."""
        computed = self.by_slice()
        return sorted(computed, key=lambda index: computed[index]["dice"])

    def next_worst(self, index: int) -> int:
        """The slice after ``index`` in :meth:`worst_first`; after the best comes the worst."""
        order = self.worst_first()
        if index not in order:
            return order[0] if order else index
        return order[(order.index(index) + 1) % len(order)]

    def mean(self) -> Figures:
        """Mean of each figure over the slices computed so far; empty if there are none.

        Figures that some of these slices lack are left out.
        """
        return self._over_slices(np.mean)

    def spread(self) -> Figures:
        """Standard deviation of each figure over the slices computed so far."""
        return self._over_slices(np.std)

    def to_csv(self, delimiter: str = ",") -> str:
        """A line a slice, then mean and standard deviation."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["index", *FIGURES])
        rows: list[tuple[Any, Figures]] = [
            *self.by_slice().items(),
            ("mean", self.mean()),
            ("sd", self.spread()),
        ]
        for name, figures in rows:
            cells = [f"{figures[one]:.6f}" if one in figures else "" for one in FIGURES]
            writer.writerow([name, *cells])
        return text.getvalue()

    def _over_slices(self, statistic: Any) -> Figures:
        computed = list(self.by_slice().values())
        if not computed:
            return {}
        names = [name for name in FIGURES if all(name in one for one in computed)]
        return {name: float(statistic([one[name] for one in computed])) for name in names}


def _slice(stack: Any, index: int) -> NDArray[Any]:
    return np.asarray(stack[index] if stack.ndim == 3 else stack)
