"""Figures of the validation slices, as JSON, CSV and a table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.metrics.csv_table import csv_table
from training.metrics.neuron_metrics import NEURON_FIGURES, THRESHOLDS, neuron_figures
from training.metrics.pixel_metrics import (
    DEFAULT_THRESHOLD,
    format_table,
    mean_figures,
    slice_figures,
)

ZOO_DICE = "zoo_dice"


class Pages(Protocol):
    """Slices (Y, X) by their index in a stack: an array, a mapping, or a file's."""

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Evaluation:
    """Figures of slices, as a rule those of one fold.

    Parameters
    ----------
    fold : int or None
        The zoo's ``cross_valid_ind``; None: the slices are not of one fold.
    slices : list of dict
        ``index`` in the stack, the figures of :mod:`~training.metrics.pixel_metrics`, and those
        of :mod:`~training.metrics.neuron_metrics` once :meth:`with_neuron_figures` added them.
    mean : dict
        Mean of each figure over the slices.
    neuron_thresholds : dict
        The threshold that each figure of neurons takes: the best for these slices.
    """

    fold: int | None
    slices: list[dict[str, float]]
    mean: dict[str, float]
    neuron_thresholds: dict[str, float] = field(default_factory=dict)

    def with_neuron_figures(
        self,
        probabilities: Mapping[int, NDArray[np.float32]],
        neurons: Pages,
        thresholds: Sequence[float] = THRESHOLDS,
    ) -> Evaluation:
        """Add ``v_rand`` and ``v_info``, which take about half a second a slice.

        Parameters
        ----------
        probabilities : mapping of int to array (Y, X) of float32
            Probability of membrane of each of these slices, 0..1.
        neurons : stack (Z, Y, X) or mapping of int to array (Y, X) of int
            Ground truth by the slice's index in the stack: numbered neurons, 0 = none.
        thresholds : sequence of float
            The best of them is taken, as in the challenge.
        """
        indices = [int(figures["index"]) for figures in self.slices]
        found = neuron_figures(
            [probabilities[index] for index in indices],
            [neurons[index] for index in indices],
            thresholds,
        )
        slices = [
            {**figures, **dict(zip(NEURON_FIGURES, scores, strict=True))}
            for figures, scores in zip(self.slices, found.slices, strict=True)
        ]
        chosen = {"v_rand": found.v_rand_threshold, "v_info": found.v_info_threshold}
        return Evaluation(self.fold, slices, mean_figures(slices), chosen)

    def by_slice(self) -> dict[int, dict[str, float]]:
        """Give the figures of each slice, without its index, by that."""
        return {
            int(figures["index"]): {name: figures[name] for name in self.mean}
            for figures in self.slices
        }

    def with_figure(self, name: str, values: Mapping[int, float]) -> Evaluation:
        """Add a figure, of every slice by its index in the stack."""
        slices = [{**figures, name: values[int(figures["index"])]} for figures in self.slices]
        return dataclasses.replace(self, slices=slices, mean=mean_figures(slices))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a document of JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Write the figures as JSON."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))

    def to_csv(self) -> str:
        """Write a line a slice; the last line is the mean."""
        names = ["index", *self.mean]
        lines: list[Mapping[str, Any]] = [*self.slices, {"index": "mean", **self.mean}]
        rows = ([figures[name] for name in names] for figures in lines)
        return csv_table(["slice", *self.mean], rows)

    def table(self) -> str:
        """Format the figures as a table for a terminal."""
        return format_table(self.slices, self.mean)


def evaluate_slices(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    membrane: Pages,
    threshold: float = DEFAULT_THRESHOLD,
    known: Mapping[int, NDArray[np.bool_]] | None = None,
) -> Evaluation:
    """Compare predicted slices with the ground truth.

    Parameters
    ----------
    fold : int or None
        The fold that the slices are of.
    probabilities : mapping of int to array (Y, X) of float32
        Probability of membrane, 0..1, by the slice's index in the stack; their order is kept.
    membrane : stack (Z, Y, X) or mapping of int to array (Y, X) of bool
        Ground truth, by the slice's index in the stack.
    threshold : float
        Probability from which on a pixel is membrane.
    known : mapping of int to array (Y, X) of bool, optional
        Pixels that have a label; the others do not count.
    """
    slices = []
    for index, probability in probabilities.items():
        pixels = ... if known is None else known[index]
        figures = slice_figures(index, probability[pixels], membrane[index][pixels], threshold)
        slices.append(figures)
    return Evaluation(fold, slices, mean_figures(slices))


def dice_line(mean: Mapping[str, float]) -> str:
    """Write the mean Dice of the probabilities, named for what it is.

    The line of the model zoo's ``eval.py`` gives ``zoo_dice`` and nothing else: the figure by the
    zoo's own definition, see :mod:`training.model.zoo_evaluation`.
    """
    if ZOO_DICE in mean:
        return f"============== Cross valid dice coeff is: {{'dice_coeff': {mean[ZOO_DICE]}}}"
    return f"Mean soft Dice, at the stack's resolution: {mean['soft_dice']}"
