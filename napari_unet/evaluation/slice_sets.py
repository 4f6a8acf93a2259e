"""The slices that a model was trained on, and those held out: marks, means and tables of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from training.metrics.csv_table import csv_table

TRAINING, HELD_OUT, ALL = "training", "held out", "all"
Figures = Mapping[str, float]
Trained = Collection[int] | None
"""Indices of the slices that a model was trained on; None: it is not known."""


def set_of(index: int, trained: Trained) -> str:
    """Name the set that a slice is in; empty where that is not known."""
    if trained is None:
        return ""
    return TRAINING if index in trained else HELD_OUT


def mean_of(slices: Iterable[Figures]) -> dict[str, float]:
    """Take the mean of the figures that all of these slices have; empty without slices."""
    return _over(list(slices), np.mean)


def spread_of(slices: Iterable[Figures]) -> dict[str, float]:
    """Take the standard deviation of the figures that all of these slices have."""
    return _over(list(slices), np.std)


def means_by_set(slices: Mapping[int, Figures], trained: Trained) -> dict[str, dict[str, float]]:
    """Take the means over the slices that were held out, over those trained on, and over all.

    Parameters
    ----------
    slices : mapping of int to Figures
        By their indices in the stack.

    Returns
    -------
    dict of str to dict
        By the name of the set, those that have slices; :data:`ALL` is the last one.
    """
    return {
        name: mean_of(
            figures for index, figures in slices.items() if name in (ALL, set_of(index, trained))
        )
        for name in count_sets(slices, trained)
    }


def count_sets(slices: Iterable[int], trained: Trained) -> dict[str, int]:
    """Count the slices of each set that has some; of all last."""
    sets = [set_of(index, trained) for index in slices]
    counts = {HELD_OUT: sets.count(HELD_OUT), TRAINING: sets.count(TRAINING), ALL: len(sets)}
    return {name: count for name, count in counts.items() if count}


def figures_csv(
    slices: Mapping[int, Figures],
    trained: Trained,
    names: Sequence[str],
    labels: Mapping[str, str | Mapping[int, object]],
    delimiter: str = ",",
) -> str:
    """Write a line a slice, the mean of each set, and the standard deviation over all.

    Parameters
    ----------
    names : sequence of str
        The figures, in the order of their columns; those that are missing stay empty.
    labels : mapping of str to str or mapping
        More columns: a text that is the same in every line, or what there is of some slices.
    """
    means = means_by_set(slices, trained)
    rows: list[tuple[Any, str, Figures]] = [
        *((index, set_of(index, trained), figures) for index, figures in slices.items()),
        *(("mean", name, mean) for name, mean in means.items()),
        ("sd", ALL, spread_of(slices.values())),
    ]

    def cells(name: Any, kind: str, figures: Figures) -> list[object]:
        numbers = [f"{figures[key]:.6f}" if key in figures else "" for key in names]
        more = (
            label if isinstance(label, str) else label.get(name, "") for label in labels.values()
        )
        return [name, kind, *numbers, *more]

    return csv_table(["slice", "set", *names, *labels], (cells(*row) for row in rows), delimiter)


def _over(slices: list[Figures], statistic: Callable[..., Any]) -> dict[str, float]:
    if not slices:
        return {}
    names = [name for name in slices[0] if all(name in figures for figures in slices)]
    return {name: float(statistic([figures[name] for figures in slices])) for name in names}
