"""``napari-unet predict``: the membrane mask of a stack, from a run or another model."""

from __future__ import annotations

from pathlib import Path

import click

from napari_unet.cli.options import (
    Share,
    compression_option,
    convention_option,
    device_option,
    model_argument,
    precision_option,
    stack_argument,
    tta_option,
)
from napari_unet.cli.progress_bar import ProgressBar
from napari_unet.labelling.uncertainty import slice_uncertainty, uncertainty_csv
from napari_unet.prediction.predictor import load_predictor
from training.console import say, warn
from training.files.atomic_files import write_atomically
from training.formats.opening import open_stack
from training.label_convention import LabelConvention
from training.masks.result_files import ResultFiles, check_outputs
from training.masks.result_warnings import stack_warning


@click.command()
@model_argument
@stack_argument
@click.option(
    "-o",
    "--output",
    metavar="MASK.tif",
    required=True,
    type=click.Path(path_type=Path),
    help="The mask: 8-bit TIF, a page a slice.",
)
@click.option(
    "--probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the probability of membrane too: 32-bit float TIF, 0 to 1.",
)
@click.option(
    "--submission",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the ISBI 2012 challenge's form too: 32-bit float TIF, 0 = surely membrane.",
)
@click.option(
    "--uncertainty",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write where the model is least sure: CSV of slices and regions, the worst first.",
)
@click.option(
    "--threshold",
    type=Share(),
    help="Probability from which on a pixel is membrane.  [default: the model's, 0.5]",
)
@convention_option(
    "--convention",
    (LabelConvention.ISBI, LabelConvention.MEMBRANE),
    default=LabelConvention.ISBI.value,
    show_default=True,
    help="isbi: membrane is 0 and the rest 255. membrane: membrane is 255 and the rest 0.",
)
@compression_option
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@tta_option
@device_option
@precision_option
def command(
    model: Path,
    stack: Path,
    output: Path,
    probability: Path | None,
    submission: Path | None,
    uncertainty: Path | None,
    threshold: float | None,
    convention: LabelConvention,
    compression: str,
    overwrite: bool,
    tta: bool,
    device: str,
    precision: str,
) -> None:
    """Predict the membrane mask of a stack or a 2-D image.

    MODEL is the folder of a training, a model.onnx, or a checkpoint: .safetensors, or the .ckpt
    of the model zoo. No MindSpore is needed. Slices are read and written one at a time, so that
    the stack may be larger than the memory.

    \b
    Example:
      napari-unet predict runs/first test-volume.tif -o mask.tif --probability prob.tif
    """
    outputs = {"mask": output, "probability": probability, "submission": submission}
    paths = {kind: path for kind, path in outputs.items() if path is not None}
    tables = [uncertainty] if uncertainty is not None else []
    check_outputs(stack, list(paths.values()), tables, overwrite)
    unsure = []
    with open_stack(stack) as slices:
        predictor = load_predictor(model, device=device, precision=precision, tta=tta)
        scaling = predictor.card.scaling.for_stack(slices)
        warn(stack_warning(predictor.card.scaling, scaling))
        predictions = predictor.predict(slices, scaling)
        bar = ProgressBar(predictions, total=len(slices), desc="Predicting", unit="slice")
        cut = predictor.card.threshold if threshold is None else threshold
        files = ResultFiles(
            paths,
            slices,
            cut,
            convention,
            compression=None if compression == "none" else compression,
            overwrite=overwrite,
        )
        with files:
            for z, predicted in bar:
                files.write(predicted)
                if tables:
                    unsure.append(slice_uncertainty(predicted, z))
    for path in tables:
        write_atomically(path, uncertainty_csv(unsure).encode(), follow_links=True)
        paths["uncertainty"] = path
    for kind, path in paths.items():
        say(f"{kind}: {path}")
    warn(files.warning())
