"""``napari-unet evaluate``: figures of a model on held-out slices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.options import (
    convention_option,
    data_options,
    device_option,
    find_data,
    find_meaning,
    tta_option,
)
from napari_unet.cli.progress_bar import ProgressBar
from napari_unet.evaluation.cross_validation import (
    CrossValidation,
    Membrane,
    assign_folds,
    evaluate_folds,
    evaluate_on_strokes,
)
from napari_unet.evaluation.slice_sets import figures_csv
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.config import FOLDS
from training.console import say
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.label_convention import LabelConvention
from training.masks.tif_writer import check_output
from training.metrics.evaluation_report import Evaluation, evaluate_slices, zoo_line
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.stacks.holdout import validation_part
from training.stacks.label_meaning import LabelMeaning, percent
from training.stacks.sparse_labels import MEMBRANE, UNKNOWN
from training.stacks.training_pair import (
    read_stack,
    read_strokes,
    read_training_pair,
)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
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
@device_option
def command(
    runs: tuple[Path, ...],
    data: Path | None,
    image: str,
    labels: str,
    convention: LabelConvention | None,
    mask_convention: LabelConvention | None,
    fold: str | None,
    json_path: Path | None,
    csv_path: Path | None,
    overwrite: bool,
    tta: bool,
    device: str,
) -> None:
    """Compare a model's masks with the ground truth, slice by slice.

    RUN is the folder of a training, or a model.onnx. Every run was trained without the slices
    of one fold, and is evaluated on those. Give five runs, one a fold, for a cross-validation.
    With --fold all and fewer runs, slices that were seen in training are marked, and left out
    of the held-out mean. A mask as TIF, such as one corrected by hand, is evaluated as it is.
    Where the labels are strokes, all slices that have some are evaluated, on painted pixels alone.

    v_rand and v_info judge neurons rather than pixels, as the ISBI 2012 challenge does; of a
    model each is taken at the threshold that is best for the slices.

    \b
    Examples:
      napari-unet evaluate runs/first --data isbi --json figures.json
      napari-unet evaluate runs/fold0 runs/fold1 runs/fold2 --data isbi
      napari-unet evaluate corrected-mask.tif --data isbi
    """
    chosen = _parse_fold(fold)
    for path in (json_path, csv_path):
        if path is not None:
            check_output(path, overwrite)
    paths = find_data(data, image, labels)
    meaning = find_meaning(paths[1], convention)
    strokes = None
    if meaning.is_finished:
        images, membrane = read_training_pair(*paths, meaning.convention)
    else:
        images, strokes = read_strokes(*paths, meaning)
        membrane = {index: page == MEMBRANE for index, page in strokes.items()}
        say("Only labelled pixels count.")
    if len(runs) == 1 and runs[0].suffix.lower() in (".tif", ".tiff"):
        mask = _read_mask(runs[0], mask_convention, images.shape)
        of_mask = _evaluate_mask(mask, membrane, strokes, chosen)
        report, mean = of_mask.table(), of_mask.mean
        names = {"mask": str(runs[0]), "truth": str(paths[1])}
        as_json, as_csv = of_mask.to_json(), _csv_of(of_mask, names)
    else:
        # In full precision the figures are those of the training.
        options = {"device": device, "precision": "f32", "tta": tta}
        predictors = {str(run): load_predictor(run, **options) for run in runs}
        result = _evaluate_models(predictors, chosen, images, membrane, strokes)
        report, mean = result.report(), result.mean()
        as_json, as_csv = result.to_json(), result.to_csv(str(paths[1]))
    say(report)
    say(zoo_line(mean))
    if json_path is not None:
        write_atomically(json_path, as_json.encode(), follow_links=True)
    if csv_path is not None:
        write_atomically(csv_path, as_csv.encode(), follow_links=True)


def _evaluate_models(
    predictors: dict[str, Predictor],
    fold: int | str | None,
    images: NDArray[Any],
    membrane: Membrane,
    strokes: Mapping[int, NDArray[Any]] | None,
) -> CrossValidation:
    if strokes is not None:
        return _judge_by_strokes(predictors, fold, images, strokes)
    if len(membrane) == 1 and fold == "all":
        fold = None  # of a single slice one part is enough
    assignment = assign_folds(predictors, fold)
    if fold == "all":
        assignment = assignment[: len(membrane)]  # at least one slice a fold
    total = sum(len(validation_part(membrane, index)[0]) for index, _ in assignment)
    with ProgressBar(total=total, desc="Evaluating", unit="slice", leave=False) as bar:
        folds = list(evaluate_folds(predictors, assignment, images, membrane, bar.update))
    return CrossValidation(folds)


def _judge_by_strokes(
    predictors: dict[str, Predictor],
    fold: int | str | None,
    images: NDArray[Any],
    strokes: Mapping[int, NDArray[Any]],
) -> CrossValidation:
    if len(predictors) > 1 or fold is not None:
        raise UserError(
            "Strokes judge one model, on all slices that have some.",
            "Give one run, and leave out --fold.",
        )
    [(name, predictor)] = predictors.items()
    with ProgressBar(total=len(strokes), desc="Evaluating", unit="slice", leave=False) as bar:
        return CrossValidation([evaluate_on_strokes(name, predictor, images, strokes, bar.update)])


def _csv_of(evaluation: Evaluation, names: dict[str, str]) -> str:
    return figures_csv(evaluation.by_slice(), None, list(evaluation.mean), names)


def _read_mask(
    path: Path, convention: LabelConvention | None, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    mask = read_stack(path, "mask")
    if mask.shape != shape:
        raise UserError(
            f"{path} has the shape {mask.shape}, but the labels have {shape}.",
            "Give a mask of the same stack.",
        )
    if convention is None:
        is_probability = mask.dtype.kind == "f" and mask.max() <= 1
        convention = LabelConvention.MEMBRANE if is_probability else LabelConvention.ISBI
    meaning = LabelMeaning.of(mask, str(path), convention, is_mask=True)
    say(f"Mask: {meaning.reading}: {percent(meaning.share)} membrane.")
    if meaning.question:
        say(f"{meaning.question} Choose it with --mask-convention.")
    return np.asarray(meaning.read(mask) == MEMBRANE)


def _evaluate_mask(
    mask: NDArray[np.bool_],
    membrane: Membrane,
    strokes: Mapping[int, NDArray[Any]] | None,
    fold: int | str | None,
) -> Evaluation:
    number = fold if isinstance(fold, int) else None
    slices: Collection[int] = membrane
    known: Mapping[int, NDArray[np.bool_]] | None = None
    if strokes is not None:
        if number is not None:
            raise UserError("Strokes judge all slices that have some.", "Leave out --fold.")
        known = {index: page != UNKNOWN for index, page in strokes.items()}
    elif number is not None:
        slices, known = validation_part(membrane, number)
    certain = {index: mask[index].astype(np.float32) for index in slices}
    pixels = evaluate_slices(number, certain, membrane, known=known)
    if known is not None:
        return pixels
    return pixels.with_neuron_figures(certain, membrane, thresholds=[DEFAULT_THRESHOLD])


def _parse_fold(text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal() or int(text) >= FOLDS:
        raise UserError(f"There is no fold {text}.", f"Choose one from 0 to {FOLDS - 1}, or all.")
    return int(text)
