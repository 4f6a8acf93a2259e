"""Figures of a predicted membrane mask against the ground truth, in NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FIGURES = ("dice", "soft_dice", "iou", "precision", "recall")
DEFAULT_THRESHOLD = 0.5


def soft_dice(probability: NDArray[np.float32], membrane: NDArray[np.bool_]) -> float:
    """The model zoo's figure for one slice: Dice of the one-hot channels, without a threshold.

    ``2 * sum(p * y) / (sum(p * p) + sum(y * y) + 1e-6)``, over the membrane and the inside
    channel together.

    Parameters
    ----------
    probability : array (Y, X) of float
        Probability of membrane, 0..1.
    membrane : array (Y, X) of bool
        Ground truth, True = membrane.
    """
    p = np.asarray(probability, dtype=np.float64)
    y = np.asarray(membrane, dtype=np.float64)
    overlap = np.sum(p * y) + np.sum((1 - p) * (1 - y))
    squares = np.sum(p * p) + np.sum((1 - p) ** 2) + y.size
    return float(2 * overlap / (squares + 1e-6))


def overlap_figures(predicted: NDArray[np.bool_], membrane: NDArray[np.bool_]) -> dict[str, float]:
    """Dice, IoU, precision and recall of the membrane pixels of one slice.

    A figure whose denominator is empty is 1 when there was nothing to find and nothing was
    found, as in scikit-learn with ``zero_division=1``, and 0 otherwise.

    Parameters
    ----------
    predicted, membrane : arrays (Y, X) of bool
        True = membrane.
    """
    predicted = np.asarray(predicted, dtype=bool)
    membrane = np.asarray(membrane, dtype=bool)
    hits = int(np.count_nonzero(predicted & membrane))
    found, wanted = int(np.count_nonzero(predicted)), int(np.count_nonzero(membrane))
    if found == 0 and wanted == 0:
        return {"dice": 1.0, "iou": 1.0, "precision": 1.0, "recall": 1.0}
    return {
        "dice": 2 * hits / (found + wanted),
        "iou": hits / (found + wanted - hits),
        "precision": hits / found if found else 0.0,
        "recall": hits / wanted if wanted else 0.0,
    }


def slice_figures(
    index: int,
    probability: NDArray[np.float32],
    membrane: NDArray[np.bool_],
    threshold: float = DEFAULT_THRESHOLD,
) -> dict[str, float]:
    """All :data:`FIGURES` of one slice or some of its pixels, and its ``index`` in the stack."""
    figures = overlap_figures(probability >= threshold, membrane)
    figures["soft_dice"] = soft_dice(probability, membrane)
    return {"index": index, **{name: figures[name] for name in FIGURES}}


def mean_figures(slices: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every figure of slices, that is of all they have but their ``index``.

    Raises
    ------
    ValueError
        If there are no slices.
    """
    if not slices:
        raise ValueError("There are no slices to take the mean of.")
    names = [name for name in slices[0] if name != "index"]
    return {name: float(np.mean([one[name] for one in slices])) for name in names}


def format_table(
    slices: Iterable[Mapping[str, float]], mean: Mapping[str, float], title: str = "slice"
) -> str:
    """Table of slices, or of what else has an ``index``, for a terminal, and their mean.

    Its columns are the figures that the mean has.
    """
    header = f"{title:>5}  " + "  ".join(f"{name:>6}" for name in mean)
    rows = [(f"{one['index']:>5}", one) for one in slices] + [(f"{'mean':>5}", mean)]
    lines = [
        f"{label}  " + "  ".join(f"{row[name]:>{max(6, len(name))}.4f}" for name in mean)
        for label, row in rows
    ]
    rule = "-" * len(header)
    return "\n".join([header, rule, *lines[:-1], rule, lines[-1]])
