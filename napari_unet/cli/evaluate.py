"""``napari-unet evaluate``: figures of a model on held-out slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.options import convention_option, data_options, device_option, tta_option
from napari_unet.cli.progress_bar import ProgressBar
from napari_unet.evaluation.cross_validation import CrossValidation, assign_folds, evaluate_folds
from napari_unet.prediction.predictor import Predictor, load_predictor
from napari_unet.stacks.tif_writer import check_output
from training.config import FOLDS
from training.console import say
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.label_convention import LabelConvention
from training.metrics.evaluation_report import Evaluation, evaluate_slices, zoo_line
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.stacks.holdout import split_fold
from training.stacks.training_pair import find_pair, read_stack, read_training_pair, to_membrane


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with train-volume.tif and train-labels.tif.",
)
@data_options
@convention_option(
    "--mask-convention",
    default=LabelConvention.ISBI.value,
    show_default=True,
    help="The same of a mask that is evaluated.",
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
    data: Path,
    image: str,
    labels: str,
    convention: LabelConvention,
    mask_convention: LabelConvention,
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
    images, membrane = read_training_pair(*find_pair(data, image, labels), convention)
    if len(runs) == 1 and runs[0].suffix.lower() in (".tif", ".tiff"):
        of_mask = _evaluate_mask(runs[0], mask_convention, membrane, chosen)
        report, mean = of_mask.table(), of_mask.mean
        as_json, as_csv = of_mask.to_json(), of_mask.to_csv()
    else:
        # In full precision the figures are those of the training.
        options = {"device": device, "precision": "f32", "tta": tta}
        predictors = {str(run): load_predictor(run, **options) for run in runs}
        result = _evaluate_models(predictors, chosen, images, membrane)
        report, mean = result.report(), result.mean()
        as_json, as_csv = result.to_json(), result.to_csv()
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
    membrane: NDArray[np.bool_],
) -> CrossValidation:
    assignment = assign_folds(predictors, fold)
    total = sum(len(split_fold(len(images), index)[1]) for index, _ in assignment)
    with ProgressBar(total=total, desc="Evaluating", unit="slice", leave=False) as bar:
        folds = list(evaluate_folds(predictors, assignment, images, membrane, bar.update))
    return CrossValidation(folds)


def _evaluate_mask(
    path: Path, convention: LabelConvention, membrane: NDArray[np.bool_], fold: int | str | None
) -> Evaluation:
    mask = to_membrane(read_stack(path, "mask"), convention)
    if mask.shape != membrane.shape:
        raise UserError(
            f"{path} has the shape {mask.shape}, but the labels have {membrane.shape}.",
            "Give a mask of the same stack.",
        )
    number = fold if isinstance(fold, int) else None
    slices = range(len(mask)) if number is None else split_fold(len(mask), number)[1]
    certain = {index: mask[index].astype(np.float32) for index in slices}
    pixels = evaluate_slices(number, certain, membrane)
    return pixels.with_neuron_figures(certain, membrane, thresholds=[DEFAULT_THRESHOLD])


def _parse_fold(text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal() or int(text) >= FOLDS:
        raise UserError(f"There is no fold {text}.", f"Choose one from 0 to {FOLDS - 1}, or all.")
    return int(text)
