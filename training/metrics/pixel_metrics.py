"""Figures of a predicted membrane mask against the ground truth, in NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIGURES = ("dice", "soft_dice", "iou", "precision", "recall")
DEFAULT_THRESHOLD = 0.5


def soft_dice(probability: NDArray[np.float32], membrane: NDArray[np.bool_]) -> float:
    """Compute the model zoo's figure of a slice: Dice of its one-hot channels, no threshold.

    ``2 * sum(p * y) / (sum(p * p) + sum(y * y) + 1e-6)``, over the membrane and the inside
    channel together. Source: ``dice_coeff`` in the zoo's ``src/utils.py``, see
    :mod:`training.presets.medical`.

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
    """Compute Dice, IoU, precision and recall of the membrane pixels of one slice.

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
    """Compute all :data:`FIGURES` of a slice, and add its ``index`` in the stack.

    Parameters
    ----------
    index : int
        The slice's place in its stack, from 0.
    probability : array (Y, X) of float, or (N,) of some of its pixels
        Probability of membrane, 0..1.
    membrane : array (Y, X) or (N,) of bool
        Ground truth of the same pixels, True = membrane.
    threshold : float
        Probability from which on a pixel counts as membrane.
    """
    figures = overlap_figures(probability >= threshold, membrane)
    figures["soft_dice"] = soft_dice(probability, membrane)
    return {"index": index, **{name: figures[name] for name in FIGURES}}


def mean_figures(slices: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Take the mean of every figure over slices; ``index`` and ``volume`` are left out.

    Raises
    ------
    ValueError
        If there are no slices.
    """
    if not slices:
        raise ValueError("The mean of no slices is not defined.")
    names = [name for name in slices[0] if name not in ("index", "volume")]
    return {name: float(np.mean([figures[name] for figures in slices])) for name in names}


def format_table(
    slices: Iterable[Mapping[str, Any]],
    mean: Mapping[str, float],
    title: str = "slice",
    marks: Mapping[int, str] = MappingProxyType({}),
) -> str:
    """Format a table of slices, or of folds by ``index``, and their mean, for a terminal.

    Its columns are the figures that the mean has. ``marks`` say more of slices, by their index,
    at the end of their lines.
    """
    rows: list[tuple[Any, Mapping[str, Any]]] = [(line["index"], line) for line in slices]
    rows.append(("mean", mean))
    width = max(5, *(len(str(label)) for label, _ in rows))
    header = f"{title:>{width}}  " + "  ".join(f"{name:>6}" for name in mean)
    lines = [
        f"{label:>{width}}  "
        + "  ".join(f"{row[name]:>{max(6, len(name))}.4f}" for name in mean)
        + (f"  {marks[label]}" if label in marks else "")
        for label, row in rows
    ]
    rule = "-" * len(header)
    return "\n".join([header, rule, *lines[:-1], rule, lines[-1]])
