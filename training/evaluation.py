"""Figures of the validation slices, as JSON, CSV and a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics import (
    DEFAULT_THRESHOLD,
    FIGURES,
    format_table,
    mean_figures,
    slice_figures,
)


@dataclass(frozen=True)
class Evaluation:
    """Figures of slices, as a rule those of one fold.

    Parameters
    ----------
    fold : int or None
        The zoo's ``cross_valid_ind``; None: the slices are not of one fold.
    slices : list of dict
        Per slice: ``index`` in the stack, and the figures of :mod:`training.metrics`.
    mean : dict
        Of each figure over the slices.
    """

    fold: int | None
    slices: list[dict[str, float]]
    mean: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        return cls(**json.loads(text))

    def to_csv(self) -> str:
        """A line a slice; the last one is the mean."""
        text = io.StringIO()
        writer = csv.DictWriter(text, ["index", *FIGURES], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.slices)
        writer.writerow({"index": "mean", **self.mean})
        return text.getvalue()

    def table(self) -> str:
        return format_table(self.slices, self.mean)


def evaluate_slices(
    fold: int | None,
    probabilities: Mapping[int, NDArray[np.float32]],
    membrane: NDArray[np.bool_],
    threshold: float = DEFAULT_THRESHOLD,
) -> Evaluation:
    """Compare predicted slices with the ground truth.

    Parameters
    ----------
    fold : int or None
        Whose slices they are.
    probabilities : mapping of int to array (Y, X) of float32
        By the slice's index in the stack; their order is kept.
    membrane : array (Z, Y, X) of bool
        Ground truth of the whole stack.
    threshold : float
        Probability from which on a pixel is membrane.
    """
    slices = [
        slice_figures(index, probability, membrane[index], threshold)
        for index, probability in probabilities.items()
    ]
    return Evaluation(fold, slices, mean_figures(slices))


def zoo_line(mean: Mapping[str, float]) -> str:
    """The line that the model zoo's evaluation prints."""
    return f"============== Cross valid dice coeff is: {{'dice_coeff': {mean['soft_dice']}}}"
