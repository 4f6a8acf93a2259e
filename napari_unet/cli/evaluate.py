"""``napari-unet evaluate``: figures of a model on held-out slices."""

from __future__ import annotations

from pathlib import Path

import click
from tqdm import tqdm

from napari_unet.cli.options import device_option
from napari_unet.cross_validation import (
    CrossValidation,
    assign_folds,
    evaluate_folds,
)
from napari_unet.prediction import load_predictor
from napari_unet.tif import check_output
from training.config import FOLDS
from training.errors import UserError
from training.evaluation import zoo_line
from training.folds import split_fold
from training.run_directory import write_atomically
from training.stacks import find_pair, read_training_pair


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with train-volume.tif and train-labels.tif.",
)
@click.option("--image", default="", metavar="FILE", help="Another image stack.")
@click.option("--labels", default="", metavar="FILE", help="Another label stack.")
@click.option(
    "--convention",
    type=click.Choice(["isbi", "membrane"]),
    default="isbi",
    show_default=True,
    help="Of the labels. isbi: 0 is membrane. membrane: every other value is.",
)
@click.option(
    "--fold",
    metavar="0-4|all",
    help="Fold whose validation slices are evaluated.  [default: the run's own]",
)
@click.option(
    "--json", "json_path", metavar="FILE", type=click.Path(path_type=Path), help="Write JSON."
)
@click.option(
    "--csv", "csv_path", metavar="FILE", type=click.Path(path_type=Path), help="Write CSV."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@device_option
def command(
    runs: tuple[Path, ...],
    data: Path,
    image: str,
    labels: str,
    convention: str,
    fold: str | None,
    json_path: Path | None,
    csv_path: Path | None,
    overwrite: bool,
    device: str,
) -> None:
    """Compare a model's masks with the ground truth, slice by slice.

    RUN is the folder of a training, or a model.onnx. Every run was trained without the slices
    of one fold, and is evaluated on those. Give five runs, one a fold, for a cross-validation.
    With --fold all and fewer runs, slices that were seen in training are marked, and left out
    of the held-out mean.

    \b
    Examples:
      napari-unet evaluate runs/first --data isbi --json figures.json
      napari-unet evaluate runs/fold0 runs/fold1 runs/fold2 --data isbi
    """
    chosen = _parse_fold(fold)
    for path in (json_path, csv_path):
        if path is not None:
            check_output(path, overwrite)
    images, membrane = read_training_pair(*find_pair(data, image, labels), convention)
    # In full precision the figures are those that training told.
    predictors = {str(run): load_predictor(run, device, precision="f32") for run in runs}
    assignment = assign_folds(predictors, chosen)
    total = sum(len(split_fold(len(images), index)[1]) for index, _ in assignment)
    with tqdm(total=total, desc="Evaluating", unit="slice", leave=False) as bar:
        folds = list(evaluate_folds(predictors, assignment, images, membrane, bar.update))
    result = CrossValidation(folds)
    click.echo(result.report())
    click.echo(zoo_line(result.mean()))
    if json_path is not None:
        write_atomically(json_path, result.to_json().encode())
    if csv_path is not None:
        write_atomically(csv_path, result.to_csv().encode())


def _parse_fold(text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal() or int(text) >= FOLDS:
        raise UserError(f"There is no fold {text}.", f"Choose one from 0 to {FOLDS - 1}, or all.")
    return int(text)
