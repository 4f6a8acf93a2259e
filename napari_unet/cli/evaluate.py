"""``napari-unet evaluate``: figures of models on held-out slices, and of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from napari_unet.cli.evaluate_masks import Tables, evaluate_masks
from napari_unet.cli.options import (
    DataOptions,
    ModelPath,
    convention_option,
    data_options,
    device_option,
    engine_option,
    is_mask_path,
    threshold_option,
    tta_option,
)
from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.stack_part import scale_options
from napari_unet.evaluation.cross_validation import CrossValidation
from napari_unet.evaluation.mask_evaluation import check_labelled, true_neurons_of
from napari_unet.evaluation.model_evaluation import (
    JudgedModel,
    Models,
    assign_folds,
    evaluate_folds,
    evaluate_labelled,
)
from napari_unet.evaluation.predicted_slices import Codes
from napari_unet.prediction.predictor import MEMBRANE, Predictor, load_predictor
from training.class_thresholds import Thresholds
from training.config import FOLDS
from training.console import hint, say
from training.dataset.holdout import hold_out, kinds_of
from training.dataset.training_pair import TrainingPair
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.masks.result_checks import check_tables
from training.metrics.evaluation_report import dice_line
from training.model.slice_view import SliceView
from training.model.stack_scale import StackScale


@click.command()
@click.argument("runs", metavar="RUN|MASK...", nargs=-1, required=True, type=ModelPath())
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of images with their labels, such as train-volume.tif and train-labels.tif; not "
    "needed with both of the next, nor of masks with --labels.",
)
@data_options
@convention_option(
    "--mask-convention",
    help="The same of a mask that is evaluated.  [default: isbi; membrane for a probability; of "
    "greys, the rarer half]",
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
@threshold_option("")
@tta_option
@scale_options
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
    thresholds: Thresholds,
    tta: bool,
    scale: StackScale,
    engine: str,
    device: str,
) -> None:
    """Compare a model's masks with the ground truth, slice by slice.

    RUN is the folder of a training, a model.onnx, a package (.zip), or starter: the model that
    comes with this program, which is evaluated on all slices. Every run was trained without the
    slices of one fold, and is evaluated on those; of a stack that it was not trained on, on all.
    Give five runs, one a fold, for a cross-validation.
    With --fold all and fewer runs, slices that were seen in training are marked, and left out
    of the held-out mean.

    Masks, such as those that predict wrote or that were corrected by hand, are evaluated as they
    are; they may be in any format of stacks, folders of slices too. Of several masks the truth is a
    folder in --labels, or the pairs in --data, where each mask has the one of its name; or one
    stack for all. A mask that can't be evaluated stops nothing: it is told at the end, and the exit
    code is 1.

    Where the labels are strokes, all slices that have some are evaluated, on painted
    pixels alone. Where they are ids of cells, Dice and the like are of the borders between ids,
    v_rand and v_info of the ids themselves; neurons, such as segment writes, are evaluated by
    theirs.

    Of a model of several classes, dice_NAME is that of each, and dice, iou, precision and recall
    are means over them. Labels are read as the classes of the model, or as --classes says. A
    model's figures are those of what predict writes by the same --threshold, but for v_rand and
    v_info; the table, CSV and JSON tell it.

    v_rand and v_info judge neurons rather than pixels, as the ISBI 2012 challenge does; of a
    model each is taken at the threshold that is best for the slices.

    \b
    Examples:
      napari-unet evaluate runs/first --data isbi --json figures.json
      napari-unet evaluate runs/fold0 runs/fold1 runs/fold2 --data isbi
      napari-unet evaluate runs/cells --data cells --threshold mitochondria=0.3
      napari-unet evaluate corrected-mask.tif --data isbi
      napari-unet evaluate masks/*.tif --labels truths --csv figures.csv
    """
    folds = _parse_fold(fold)
    check_tables([path for path in (json_path, csv_path) if path is not None], overwrite)
    is_mask = [is_mask_path(run) for run in runs]
    of_models = {"--threshold": thresholds, "--tta": tta, "--resample": scale.resample}
    given = [name for name, value in of_models.items() if value]
    if any(is_mask) and given:
        raise UserError(
            f"{runs[is_mask.index(True)]} is a mask: its pixels are decided already, and "
            f"{given[0]} is of models.",
            "Leave it out, or give the model.",
        )
    if mask_convention is not None and not any(is_mask):
        raise UserError(
            f"{runs[0]} is a model, and --mask-convention is of masks.", "Leave it out."
        )
    if all(is_mask):
        evaluate_masks(runs, chosen, mask_convention, folds, Tables(json_path, csv_path))
        return
    if any(is_mask):
        raise UserError(
            f"{runs[is_mask.index(True)]} is a mask, which is not evaluated beside runs.",
            "Give masks alone, or runs alone.",
        )
    with chosen.open(runs) as pair:
        check_labelled(pair)
        if not pair.meaning.is_finished:
            say("Only labelled pixels count.")
        # In full precision the figures are those of the training.
        options = {"engine": engine, "device": device, "precision": "f32", "tta": tta}
        predictors = _load(runs, pair.meaning.classes, options)
        cards = {predictor.card.pixel_size: predictor.card for predictor in predictors.values()}
        for card in cards.values():
            scale.tell(card, pair.images)
        models = {}
        for name, predictor in predictors.items():
            scale.check(predictor.card, Path(name))
            view = SliceView(scale.zoom(predictor.card, pair.images))
            models[name] = JudgedModel(predictor, view, thresholds)
        result = _evaluate_models(models, folds, pair)
        truth = str(pair.labels.path)
    say(result.report())
    say(dice_line(result.mean()))
    Tables(json_path, csv_path).write(result.to_json(), result.to_csv(truth))


def _evaluate_models(models: Models, fold: int | str | None, pair: TrainingPair) -> CrossValidation:
    classes = next(iter(models.values())).predictor.classes
    codes = pair.codes_of(classes)
    if not pair.meaning.is_finished:
        if len(models) > 1 or fold is not None:
            raise UserError(
                "Strokes judge one model, on all slices that have some.",
                "Give one run, and leave out --fold.",
            )
        return _judge_labelled(models, pair, codes)
    if len(models) == 1 and fold in (None, "all") and _is_other_stack(models, pair):
        return _judge_labelled(models, pair, codes)
    if len(codes) == 1 and fold == "all":
        fold = None  # of a single slice one part is enough
    assignment = assign_folds(models, fold)
    if fold == "all":
        assignment = assignment[: len(codes)]  # at least one slice a fold
    kinds = kinds_of(classes, codes)
    total = sum(len(hold_out(codes, index, kinds=kinds).held_out) for index, _ in assignment)
    with ProgressBar(total=total, desc="Evaluating", unit="slice", leave=False) as bar:
        found = evaluate_folds(
            models, assignment, pair.images, codes, bar.update, true_neurons_of(pair)
        )
        folds = list(found)
    return CrossValidation(folds)


def _is_other_stack(models: Models, pair: TrainingPair) -> bool:
    """Whether the only model was trained on other stacks than this; it is told."""
    [(name, model)] = models.items()
    card = model.predictor.card
    if card.fold is None or card.may_be_trained_on(pair.images):
        return False
    hint(
        f"{pair.images.path} is not what {name} was trained on, by its pixels: all labelled slices "
        f"are evaluated. If it is a copy of that with other pixels, give --fold {card.fold}."
    )
    return True


def _judge_labelled(models: Models, pair: TrainingPair, codes: Codes) -> CrossValidation:
    [(name, model)] = models.items()
    with ProgressBar(total=len(codes), desc="Evaluating", unit="slice", leave=False) as bar:
        found = evaluate_labelled(
            name, model, pair.images, codes, bar.update, true_neurons_of(pair)
        )
        return CrossValidation([found])


def _load(
    runs: Sequence[Path], classes: LabelClasses, options: dict[str, Any]
) -> dict[str, Predictor]:
    """Load models to compare with labels of these classes, or of membrane and inside."""
    of_class = None if classes else MEMBRANE
    predictors = {str(run): load_predictor(run, of_class=of_class, **options) for run in runs}
    names = {name: predictor.classes.names for name, predictor in predictors.items()}
    if len({*map(tuple, names.values())}) > 1:
        raise UserError(
            "These models tell different classes apart.", "Evaluate those that tell the same."
        )
    for name, found in names.items():
        if found and found != classes.names:
            raise UserError(
                f"{name} tells {', '.join(found)} apart, but the labels "
                f"{', '.join(classes.names)}.",
                "Give labels of the same classes, or name them by --classes.",
            )
    return predictors


def _parse_fold(text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal() or int(text) >= FOLDS:
        raise UserError(f"There is no fold {text}.", f"Choose one from 0 to {FOLDS - 1}, or all.")
    return int(text)
