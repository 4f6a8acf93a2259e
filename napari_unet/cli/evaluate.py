"""``napari-unet evaluate``: figures of a model on held-out slices."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.options import (
    DataOptions,
    ModelPath,
    convention_option,
    data_options,
    device_option,
    engine_option,
    tta_option,
)
from napari_unet.cli.progress_bar import ProgressBar
from napari_unet.evaluation.cross_validation import (
    CrossValidation,
    assign_folds,
    evaluate_folds,
    evaluate_on_strokes,
    judge,
)
from napari_unet.evaluation.slice_sets import figures_csv
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.config import FOLDS
from training.console import say
from training.dataset.holdout import hold_out
from training.dataset.training_pair import TrainingPair
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.formats.opening import open_stack
from training.formats.stack import Stack
from training.label_convention import IdBorders, LabelConvention
from training.masks.tif_writer import check_output
from training.masks.writer_choice import is_stack_name
from training.metrics.evaluation_report import Evaluation, dice_line
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning, percent
from training.stacks.sparse_labels import MEMBRANE, is_known


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=ModelPath())
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder with train-volume.tif and train-labels.tif; not needed with both of the next.",
)
@data_options
@convention_option(
    "--mask-convention",
    help="The same of a mask that is evaluated.  [default: isbi; membrane for a probability]",
)
@click.option(
    "--fold",
    metavar="0-4|all",
    help="Fold whose validation slices are evaluated.  [default: the run's own; a mask's all]",
)
@click.option(
    "--json", "json_path", metavar="FILE", type=click.Path(path_type=Path), help="Write JSON."
)
@click.option(
    "--csv", "csv_path", metavar="FILE", type=click.Path(path_type=Path), help="Write CSV."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@tta_option
@engine_option
@device_option
def command(
    runs: tuple[Path, ...],
    chosen: DataOptions,
    mask_convention: LabelConvention | None,
    fold: str | None,
    json_path: Path | None,
    csv_path: Path | None,
    overwrite: bool,
    tta: bool,
    engine: str,
    device: str,
) -> None:
    """Compare a model's masks with the ground truth, slice by slice.

    RUN is the folder of a training, a model.onnx, a package (.zip), or starter: the model that
    comes with this program, which is evaluated on all slices. Every run was trained without the
    slices of one fold, and is evaluated on those. Give five runs, one a fold, for a
    cross-validation.
    With --fold all and fewer runs, slices that were seen in training are marked, and left out
    of the held-out mean. A mask as TIF, Zarr or HDF5, such as one corrected by hand, is evaluated
    as it is. Where the labels are strokes, all slices that have some are evaluated, on painted
    pixels alone. Where they are ids of cells, Dice and the like are of the borders between ids,
    v_rand and v_info of the ids themselves; neurons, such as segment writes, are evaluated by
    theirs.

    v_rand and v_info judge neurons rather than pixels, as the ISBI 2012 challenge does; of a
    model each is taken at the threshold that is best for the slices.

    \b
    Examples:
      napari-unet evaluate runs/first --data isbi --json figures.json
      napari-unet evaluate runs/fold0 runs/fold1 runs/fold2 --data isbi
      napari-unet evaluate corrected-mask.tif --data isbi
    """
    folds = _parse_fold(fold)
    is_mask = [is_stack_name(run) for run in runs]
    if any(is_mask) and len(runs) > 1:
        raise UserError(
            f"{runs[is_mask.index(True)]} is a mask, which is evaluated alone.",
            "Give one mask, or runs alone.",
        )
    for path in (json_path, csv_path):
        if path is not None:
            check_output(path, overwrite)
    with chosen.open(runs) as pair:
        if not pair.meaning.labelled:
            raise UserError(
                f"{pair.labels.path} holds no stroke.", "Paint on membranes and inside cells."
            )
        if not pair.meaning.is_finished:
            say("Only labelled pixels count.")
        truth = str(pair.labels.path)
        if any(is_mask):
            of_mask = _evaluate_mask(runs[0], mask_convention, pair, folds)
            report, mean = of_mask.table(), of_mask.mean
            as_json = of_mask.to_json()
            names = {"mask": str(runs[0]), "truth": truth}
            as_csv = figures_csv(of_mask.by_slice(), None, list(mean), names)
        else:
            # In full precision the figures are those of the training.
            how = {"engine": engine, "device": device, "precision": "f32", "tta": tta}
            predictors = {str(run): load_predictor(run, **how) for run in runs}
            result = _evaluate_models(predictors, folds, pair)
            report, mean = result.report(), result.mean()
            as_json, as_csv = result.to_json(), result.to_csv(truth)
    say(report)
    say(dice_line(mean))
    if json_path is not None:
        write_atomically(json_path, as_json.encode(), follow_links=True)
    if csv_path is not None:
        write_atomically(csv_path, as_csv.encode(), follow_links=True)


def _evaluate_models(
    predictors: dict[str, Predictor], fold: int | str | None, pair: TrainingPair
) -> CrossValidation:
    codes = pair.codes
    if not pair.meaning.is_finished:
        return _judge_by_strokes(predictors, fold, pair)
    if len(codes) == 1 and fold == "all":
        fold = None  # of a single slice one part is enough
    assignment = assign_folds(predictors, fold)
    if fold == "all":
        assignment = assignment[: len(codes)]  # at least one slice a fold
    total = sum(len(hold_out(codes, index).held_out) for index, _ in assignment)
    with ProgressBar(total=total, desc="Evaluating", unit="slice", leave=False) as bar:
        found = evaluate_folds(
            predictors, assignment, pair.images, codes, bar.update, _true_neurons(pair)
        )
        folds = list(found)
    return CrossValidation(folds)


def _judge_by_strokes(
    predictors: dict[str, Predictor], fold: int | str | None, pair: TrainingPair
) -> CrossValidation:
    if len(predictors) > 1 or fold is not None:
        raise UserError(
            "Strokes judge one model, on all slices that have some.",
            "Give one run, and leave out --fold.",
        )
    [(name, predictor)] = predictors.items()
    with ProgressBar(total=len(pair.codes), desc="Evaluating", unit="slice", leave=False) as bar:
        found = evaluate_on_strokes(
            name, predictor, pair.images, pair.codes, bar.update, _true_neurons(pair)
        )
        return CrossValidation([found])


def _evaluate_mask(
    path: Path, convention: LabelConvention | None, pair: TrainingPair, fold: int | str | None
) -> Evaluation:
    number = fold if isinstance(fold, int) else None
    if number is not None and not pair.meaning.is_finished:
        raise UserError("Strokes judge all slices that have some.", "Leave out --fold.")
    codes = pair.codes
    if number is None:
        counted = {index: is_known(page) for index, page in codes.items()}
    else:
        counted = hold_out(codes, number, name=str(pair.labels.path)).held_out
    with open_stack(path, "mask") as mask:
        if mask.shape != pair.labels.shape:
            raise UserError(
                f"{path} has the shape {mask.shape}, but the labels have {pair.labels.shape}.",
                "Give a mask of the same stack.",
            )
        meaning = _meaning_of_mask(mask, convention, pair.meaning.ids)
        say(f"Mask: {meaning.reading}: {percent(meaning.share)} membrane.")
        if meaning.question:
            say(f"{meaning.question} Choose it with --mask-convention.")
        read = {index: meaning.read(mask[index]) for index in counted}
        segments = None
        if meaning.convention == LabelConvention.INSTANCES:
            segments = {index: meaning.neurons(mask[index], page) for index, page in read.items()}
    certain = {index: (page == MEMBRANE).astype(np.float32) for index, page in read.items()}
    return judge(
        number,
        certain,
        codes,
        counted,
        neuron_thresholds=[DEFAULT_THRESHOLD],
        true_neurons=_true_neurons(pair),
        segments=segments,
    )


def _meaning_of_mask(
    mask: Stack, convention: LabelConvention | None, ids: IdBorders
) -> LabelMeaning:
    """Find out how a mask is read: as asked for, as ids, as a probability, or with 0 membrane."""
    census, note = LabelCensus.of(mask), mask.label_note
    read = partial(LabelMeaning.of, census, str(mask.path), ids=ids, is_mask=True)
    if convention is None:
        are_ids = note is not None and note.convention is None
        with suppress(UserError):
            are_ids = are_ids or read().convention == LabelConvention.INSTANCES
        is_probability = mask.dtype.kind == "f" and max(census.values, default=0) <= 1
        unlike_ids = LabelConvention.MEMBRANE if is_probability else LabelConvention.ISBI
        convention = LabelConvention.INSTANCES if are_ids else unlike_ids
    return read(convention)


def _true_neurons(pair: TrainingPair) -> Callable[[int], NDArray[Any]] | None:
    """The ids of a slice by its index, where the labels are ids."""
    return pair.neurons if pair.meaning.convention == LabelConvention.INSTANCES else None


def _parse_fold(text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal() or int(text) >= FOLDS:
        raise UserError(f"There is no fold {text}.", f"Choose one from 0 to {FOLDS - 1}, or all.")
    return int(text)
