"""Figures of the validation slices, as JSON, CSV and a table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
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
        ``index`` in the stack, and ``volume``, its name, where there are several; the figures of
        :mod:`~training.metrics.pixel_metrics`, and those of
        :mod:`~training.metrics.neuron_metrics` once :meth:`with_neuron_figures` added them.
    mean : dict
        Mean of each figure over the slices; of several volumes over the volumes' means, so that
        each counts the same.
    volumes : dict of str to dict
        Mean of each figure over a volume's slices, by its name; empty where there is but one.
    neuron_thresholds : dict
        The threshold that each figure of neurons takes: the best for these slices.
    thresholds : dict
        Those that figures of pixels are of, by the names of classes; that of membrane alone by its
        name. Empty: none was chosen, so membrane from 0.5 on, or the likeliest class; or what is
        judged is a mask.
    """

    fold: int | None
    slices: list[dict[str, Any]]
    mean: dict[str, float]
    volumes: dict[str, dict[str, float]] = field(default_factory=dict)
    neuron_thresholds: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, fold: int | None, slices: list[dict[str, Any]]) -> Evaluation:
        """Take the means of slices, at least one."""
        of_volumes: dict[str, list[dict[str, Any]]] = {}
        for figures in slices:
            of_volumes.setdefault(figures.get("volume", ""), []).append(figures)
        means = {name: mean_figures(group) for name, group in of_volumes.items()}
        mean = mean_figures(list(means.values()))
        return cls(fold, slices, mean, {} if "" in means else means)

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
            Probability of membrane of these slices in their order, 0..1.
        neurons : stack (Z, Y, X) or mapping of int to array (Y, X) of int
            Ground truth by the same numbers: numbered neurons, 0 = none.
        thresholds : sequence of float
            The best of them is taken, as in the challenge.
        """
        found = neuron_figures(
            [*probabilities.values()], [neurons[number] for number in probabilities], thresholds
        )
        slices = [
            {**figures, **dict(zip(NEURON_FIGURES, scores, strict=True))}
            for figures, scores in zip(self.slices, found.slices, strict=True)
        ]
        chosen = {"v_rand": found.v_rand_threshold, "v_info": found.v_info_threshold}
        return dataclasses.replace(self._with(slices), neuron_thresholds=chosen)

    def by_slice(self) -> dict[int, dict[str, float]]:
        """Give the figures of each slice of one stack, without its index, by that."""
        return {
            int(figures["index"]): {name: figures[name] for name in self.mean}
            for figures in self.slices
        }

    def with_figure(self, name: str, values: Iterable[float]) -> Evaluation:
        """Add a figure of every slice, in their order."""
        added = zip(self.slices, values, strict=True)
        return self._with([{**figures, name: value} for figures, value in added])

    def _with(self, slices: list[dict[str, Any]]) -> Evaluation:
        """Take the means of the same slices with more figures."""
        found = Evaluation.of(self.fold, slices)
        return dataclasses.replace(
            self, slices=found.slices, mean=found.mean, volumes=found.volumes
        )

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
        """Write a line a slice, then the mean of each volume if there are several, and the mean."""
        lines: list[Mapping[str, Any]] = [
            *self.slices,
            *({"volume": name, "index": "mean", **mean} for name, mean in self.volumes.items()),
            {"volume": "", "index": "mean", **self.mean},
        ]
        places = ["volume", "index"] if self.volumes else ["index"]
        rows = ([figures[name] for name in (*places, *self.mean)] for figures in lines)
        return csv_table([*places[:-1], "slice", *self.mean], rows)

    def table(self) -> str:
        """Format the figures as a table for a terminal."""
        if not self.volumes:
            return format_table(self.slices, self.mean)
        lines: list[Mapping[str, Any]] = [
            *({**line, "index": f"{line['volume']} {line['index']}"} for line in self.slices),
            *({"index": f"{name} mean", **mean} for name, mean in self.volumes.items()),
        ]
        return format_table(lines, self.mean)


def evaluate_slices(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    membrane: Pages,
    threshold: float = DEFAULT_THRESHOLD,
    known: Mapping[int, NDArray[np.bool_]] | None = None,
    volumes: Mapping[str, int] = MappingProxyType({}),
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
    volumes : mapping of str to int, optional
        The numbers of the first slices of several volumes, in rising order, by the volumes' names.
    """
    slices = []
    for number, probability in probabilities.items():
        pixels = ... if known is None else known[number]
        place = place_of(number, volumes)
        figures = slice_figures(
            place["index"], probability[pixels], membrane[number][pixels], threshold
        )
        slices.append({**place, **figures})
    return Evaluation.of(fold, slices)


def place_of(number: int, volumes: Mapping[str, int]) -> dict[str, Any]:
    """Give a slice's volume, if there are several, and its index in that, by its number."""
    before = {name: first for name, first in volumes.items() if first <= number}
    if not before:
        return {"index": number}
    name, first = [*before.items()][-1]
    return {"volume": name, "index": number - first}


def dice_line(mean: Mapping[str, float]) -> str:
    """Write the mean Dice of the probabilities, named for what it is.

    The line of the model zoo's ``eval.py`` gives ``zoo_dice`` and nothing else: the figure by the
    zoo's own definition, see :mod:`training.model.zoo_evaluation`.
    """
    if ZOO_DICE in mean:
        return f"============== Cross valid dice coeff is: {{'dice_coeff': {mean[ZOO_DICE]}}}"
    return f"Mean soft Dice, at the stack's resolution: {mean['soft_dice']}"
