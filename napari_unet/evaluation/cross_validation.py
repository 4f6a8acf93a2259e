"""Figures of models on the folds of a stack, and their sum, as tables, JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_unet.evaluation.slice_sets import (
    ALL,
    HELD_OUT,
    count_sets,
    figures_csv,
    means_by_set,
    set_of,
)
from training.class_thresholds import thresholds_option, thresholds_text
from training.metrics.evaluation_report import Evaluation
from training.metrics.pixel_metrics import format_table, mean_figures


@dataclass(frozen=True)
class FoldEvaluation:
    """Figures of a fold's validation slices.

    Parameters
    ----------
    model : str
        Name of the model that predicted them.
    evaluation : Evaluation
    seen : list of int
        Those slices that the model was trained on: their figures flatter it.
    """

    model: str
    evaluation: Evaluation
    seen: list[int]

    def title(self) -> str:
        """One line that says what was evaluated, and whether that was fair."""
        fold = self.evaluation.fold
        start = f"{self.model}: " if fold is None else f"Fold {fold}, {self.model}: "
        total = len(self.evaluation.slices)
        if not self.seen:
            return f"{start}{total} slice{'s' * (total != 1)} that it was not trained on"
        return (
            f"{start}{len(self.seen)} of {total} slices WERE SEEN IN TRAINING "
            f"({', '.join(map(str, self.seen))}); their figures flatter"
        )

    def table(self) -> str:
        """Format the figures for a terminal; each slice says which set it is in.

        Thresholds that decided are told above.
        """
        marks = {
            int(figures["index"]): set_of(int(figures["index"]), self.seen)
            for figures in self.evaluation.slices
        }
        table = format_table(self.evaluation.slices, self.evaluation.mean, marks=marks)
        return "\n".join(filter(None, [thresholds_text(self.evaluation.thresholds), table]))


@dataclass(frozen=True)
class CrossValidation:
    """Figures of several folds."""

    folds: list[FoldEvaluation]

    def mean(self) -> dict[str, float]:
        """Average each figure over the slices of all folds."""
        return mean_figures([figures for fold in self.folds for figures in fold.evaluation.slices])

    def held_out_mean(self) -> dict[str, float] | None:
        """Mean over the slices that their model was not trained on; None if there are none."""
        slices = [
            figures
            for fold in self.folds
            for figures in fold.evaluation.slices
            if figures["index"] not in fold.seen
        ]
        return mean_figures(slices) if slices else None

    def report(self) -> str:
        """Tables for a terminal, and the means where there are several folds."""
        parts = [f"{fold.title()}\n{fold.table()}" for fold in self.folds]
        if len(self.folds) > 1:
            means: list[Mapping[str, Any]] = [
                {"index": fold.evaluation.fold, **fold.evaluation.mean} for fold in self.folds
            ]
            parts.append(f"All folds\n{format_table(means, self.mean(), title='fold')}")
        if len(self.folds) > 1 or self._seen():
            parts.append(self._sets_text())
        return "\n\n".join(parts)

    def _sets_text(self) -> str:
        """Write the mean of the slices held out, and of those trained on, in a line each."""
        slices, trained = self._by_slice(), self._seen()
        counts = count_sets(slices, trained)
        lines = [
            f"{name} ({counts[name]}): "
            + ", ".join(f"{figure} {value:.4f}" for figure, value in mean.items())
            for name, mean in means_by_set(slices, trained).items()
            if name != ALL
        ]
        if HELD_OUT not in counts:
            lines.append("Every slice was seen in training: give the runs that held them out.")
        return "Means\n" + "\n".join(lines)

    def _thresholds(self) -> str | dict[int, str]:
        """Name those of each slice; once where all have the same, which means are of as well."""
        told = {
            index: thresholds_option(fold.evaluation.thresholds)
            for fold in self.folds
            for index in fold.evaluation.by_slice()
        }
        texts = {*told.values()}
        return told if len(texts) > 1 else "".join(texts)

    def _by_slice(self) -> dict[int, Mapping[str, float]]:
        return {
            index: figures
            for fold in self.folds
            for index, figures in fold.evaluation.by_slice().items()
        }

    def _seen(self) -> set[int]:
        return {index for fold in self.folds for index in fold.seen}

    def to_json(self) -> str:
        """Report the folds and their means, or the evaluation of a single fold."""
        if len(self.folds) == 1:
            return self.folds[0].evaluation.to_json()
        folds = [
            {**fold.evaluation.to_dict(), "model": fold.model, "seen_in_training": fold.seen}
            for fold in self.folds
        ]
        document = {"folds": folds, "mean": self.mean(), "held_out_mean": self.held_out_mean()}
        return json.dumps(document, indent=2) + "\n"

    def to_csv(self, truth: str = "") -> str:
        """Write a line a slice of all folds, then the means; each names the truth."""
        of_slices = [(index, fold) for fold in self.folds for index in fold.evaluation.by_slice()]
        labels: dict[str, str | Mapping[int, object]] = {
            "model": {index: fold.model for index, fold in of_slices},
            "fold": {index: fold.evaluation.fold for index, fold in of_slices},
            "truth": truth,
            "thresholds": self._thresholds(),
        }
        return figures_csv(self._by_slice(), self._seen(), list(self.mean()), labels)
