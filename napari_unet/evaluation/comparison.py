"""A mask compared with the ground truth, slice by slice, as either is edited."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.metrics.csv_table import csv_table
from training.metrics.neuron_metrics import NEURON_FIGURES, neuron_figures_of_mask
from training.metrics.pixel_metrics import overlap_figures
from training.stacks.stack_axes import as_stack

PIXEL_FIGURES = ("dice", "iou", "precision", "recall")
FIGURES = (*PIXEL_FIGURES, *NEURON_FIGURES)
Figures = dict[str, float]


class Comparison:
    """Holds the figures of every slice of a mask; :meth:`update` follows an edit.

    Figures of pixels take milliseconds a slice. Those of neurons take ten times as long, so they
    are computed separately, and are missing until then.

    Parameters
    ----------
    predicted, truth : arrays (Z, Y, X) or (Y, X) of int
        Pixels other than 0 are membrane. They are read again whenever a slice is computed;
        they may be dask arrays.
    predicted_name, truth_name : str
        Names of the layers, for messages.

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
        self._arrays = predicted, truth
        self._predicted, self._truth = as_stack(predicted), as_stack(truth)
        length = len(self._predicted)
        self._figures: list[Figures | None] = [None] * length
        self._neurons: list[Figures] = [{}] * length
        self._edits = [0] * length

    def __len__(self) -> int:
        return len(self._figures)

    def __getitem__(self, index: int) -> Figures | None:
        """Give the figures of a slice, or None if it was not computed yet."""
        figures = self._figures[index]
        return None if figures is None else {**figures, **self._neurons[index]}

    def is_of(self, predicted: Any, truth: Any) -> bool:
        """Whether these are the very arrays that are compared."""
        return self._arrays[0] is predicted and self._arrays[1] is truth

    @property
    def has_neurons(self) -> bool:
        """Whether the figures of neurons are there, and up to date, of every slice."""
        return all(self._neurons)

    def update_all(self) -> None:
        """Compute the figures of pixels of all slices."""
        for index in range(len(self)):
            self.update(index)

    def update(self, index: int) -> bool:
        """Compute the figures of pixels of a slice again; True if they changed."""
        predicted, truth = self._pair(index)
        figures = overlap_figures(predicted != 0, truth != 0)
        has_changed = figures != self._figures[index]
        if has_changed:
            self._edits[index] += 1
            self._neurons[index] = {}
        self._figures[index] = figures
        return has_changed

    def update_neurons(self, seconds: float = math.inf) -> None:
        """Compute the figures of neurons where they are missing, edited slices first.

        May run in a thread while another one updates slices: they stay missing for a slice that
        changes in the meantime.

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
            predicted, truth = self._pair(index)
            figures = neuron_figures_of_mask(predicted != 0, truth != 0)
            if self._edits[index] == edits:
                self._neurons[index] = figures

    def by_slice(self) -> dict[int, Figures]:
        """Give the figures of the slices computed so far, by index."""
        every = ((index, self[index]) for index in range(len(self)))
        return {index: figures for index, figures in every if figures is not None}

    def worst_first(self) -> list[int]:
        """List the computed slices from the lowest Dice to the highest."""
        computed = self.by_slice()
        return sorted(computed, key=lambda index: computed[index]["dice"])

    def next_worst(self, index: int) -> int:
        """Give the slice after ``index`` in :meth:`worst_first`; after the best comes the worst."""
        order = self.worst_first()
        if index not in order:
            return order[0] if order else index
        return order[(order.index(index) + 1) % len(order)]

    def mean(self) -> Figures:
        """Take the mean of each figure over the slices computed so far; empty before the first.

        Figures that some of these slices lack are left out.
        """
        return self._over_slices(np.mean)

    def spread(self) -> Figures:
        """Take the standard deviation of each figure over the slices computed so far."""
        return self._over_slices(np.std)

    def to_csv(self, delimiter: str = ",") -> str:
        """Write a line a slice, then mean and standard deviation."""
        lines: list[tuple[object, Figures]] = [
            *self.by_slice().items(),
            ("mean", self.mean()),
            ("sd", self.spread()),
        ]
        rows = (
            [name, *(f"{figures[key]:.6f}" if key in figures else "" for key in FIGURES)]
            for name, figures in lines
        )
        return csv_table(["index", *FIGURES], rows, delimiter)

    def _over_slices(self, statistic: Any) -> Figures:
        computed = list(self.by_slice().values())
        if not computed:
            return {}
        names = [name for name in FIGURES if all(name in figures for figures in computed)]
        return {name: float(statistic([figures[name] for figures in computed])) for name in names}

    def _pair(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.asarray(self._predicted[index]), np.asarray(self._truth[index])
