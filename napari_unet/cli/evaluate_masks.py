"""The part of ``napari-unet evaluate`` that compares masks with their truths."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet.cli.options import DataOptions
from napari_unet.cli.stacks.many_stacks import work_through
from napari_unet.evaluation.mask_evaluation import check_labelled, evaluate_mask
from napari_unet.evaluation.slice_sets import figures_csv, mean_of
from napari_unet.evaluation.truths import Truth, choose_truth, find_truths
from training.console import say
from training.files.atomic_files import write_atomically
from training.label_convention import LabelConvention
from training.metrics.csv_table import csv_table
from training.metrics.evaluation_report import Evaluation, dice_line
from training.opening import open_stack
from training.stacks.label_meaning import percent


@dataclass(frozen=True)
class Tables:
    """The files that figures are written to, where a person named them."""

    json_path: Path | None
    csv_path: Path | None

    def write(self, as_json: str, as_csv: str) -> None:
        for path, text in ((self.json_path, as_json), (self.csv_path, as_csv)):
            if path is not None:
                write_atomically(path, text.encode(), follow_links=True)


@dataclass(frozen=True)
class JudgedMask:
    """A mask, the labels that it was compared with, and its figures."""

    mask: str
    truth: str
    evaluation: Evaluation


def evaluate_masks(
    masks: Sequence[Path],
    chosen: DataOptions,
    convention: LabelConvention | None,
    fold: int | str | None,
    tables: Tables,
) -> None:
    """Compare a mask with its truth, or many with theirs, and write the figures.

    Of many masks each has a line, and those that can't be evaluated are told at the end; if there
    are such, or after Ctrl-C, the process exits with code 1.

    Parameters
    ----------
    convention : LabelConvention or None
        That of the masks, if it is known.
    fold : int, str or None
        Of whose slices figures are; None or "all": of all.

    Raises
    ------
    UserError
        If the truths, or a single mask, can't be found or used.
    """
    truths = find_truths(chosen.data, chosen.image, chosen.labels, len(masks))
    number = fold if isinstance(fold, int) else None
    if len(masks) == 1:
        judged = _judge(masks[0], choose_truth(masks[0], truths), chosen, convention, number, say)
        evaluation = judged.evaluation
        say(evaluation.table())
        say(dice_line(evaluation.mean))
        names = {"mask": judged.mask, "truth": judged.truth}
        rows = figures_csv(evaluation.by_slice(), None, list(evaluation.mean), names)
        tables.write(evaluation.to_json(), rows)
        return
    found: list[JudgedMask] = []

    def work(mask: Path) -> str:
        told: list[str] = []
        truth = choose_truth(mask, truths)
        found.append(_judge(mask, truth, chosen, convention, number, told.append))
        for sentence in told:
            say(f"{mask}: {sentence}", to_stderr=True)
        say(f"{mask}: {_figures_text(found[-1].evaluation.mean)}")
        return "evaluated"

    is_complete = work_through(masks, work, "mask")
    if found:
        mean = mean_of(judged.evaluation.mean for judged in found)
        say(f"Mean of {len(found)} masks: {_figures_text(mean)}")
        tables.write(_many_json(found, mean), _many_csv(found, mean))
    if not is_complete:
        sys.exit(1)


def _judge(
    path: Path,
    truth: Truth,
    chosen: DataOptions,
    convention: LabelConvention | None,
    fold: int | None,
    tell: Callable[[str], object],
) -> JudgedMask:
    with chosen.opened(truth.open, [path], tell) as labels:
        check_labelled(labels)
        if not labels.meaning.is_finished:
            tell("Only labelled pixels count.")
        with open_stack(path, "mask") as mask:
            meaning, evaluation = evaluate_mask(mask, labels, convention, fold)
        of_membrane = "" if meaning.classes else f": {percent(meaning.share)} membrane"
        tell(f"Mask: {meaning.reading}{of_membrane}.")
        if meaning.question:
            tell(f"{meaning.question} Choose it with --mask-convention.")
        return JudgedMask(str(path), str(labels.labels.path), evaluation)


def _figures_text(mean: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in mean.items())


def _many_json(found: Sequence[JudgedMask], mean: dict[str, float]) -> str:
    masks = [
        {"mask": judged.mask, "truth": judged.truth, **judged.evaluation.to_dict()}
        for judged in found
    ]
    return json.dumps({"masks": masks, "mean": mean}, indent=2) + "\n"


def _many_csv(found: Sequence[JudgedMask], mean: dict[str, float]) -> str:
    """Write a line a mask, with the means over its slices, and the mean over the masks."""
    names = [*dict.fromkeys(name for judged in found for name in judged.evaluation.mean)]

    def cells(figures: dict[str, float]) -> list[str]:
        return [f"{figures[name]:.6f}" if name in figures else "" for name in names]

    rows = [
        [judged.mask, judged.truth, len(judged.evaluation.slices), *cells(judged.evaluation.mean)]
        for judged in found
    ]
    return csv_table(["mask", "truth", "slices", *names], [*rows, ["mean", "", "", *cells(mean)]])
