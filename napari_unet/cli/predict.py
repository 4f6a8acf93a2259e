"""``napari-unet predict``: the membrane mask of a stack, from a run or a portable model."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.options import (
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
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.label_convention import LabelConvention
from training.masks.mask_files import mask_page, submission_page
from training.masks.pixel_size import read_pixel_size
from training.masks.result_warnings import share_warning, stack_warning
from training.masks.tif_writer import TifWriter, check_output, check_tif_output
from training.stacks.stack_file import StackFile


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
    type=click.FloatRange(0, 1),
    help="Probability from which on a pixel is membrane.  [default: the model's, 0.5]",
)
@convention_option(
    "--convention",
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

    RUN_OR_ONNX is the folder of a training, or a model.onnx. No MindSpore is needed. Slices
    are read and written one at a time, so that the stack may be larger than the memory.

    \b
    Example:
      napari-unet predict runs/first test-volume.tif -o mask.tif --probability prob.tif
    """
    outputs = {"mask": output, "probability": probability, "submission": submission}
    paths = {kind: path for kind, path in outputs.items() if path is not None}
    tables = [uncertainty] if uncertainty is not None else []
    _check_outputs(stack, list(paths.values()), tables, overwrite)
    unsure, membrane = [], 0
    with ExitStack() as cleanup:
        slices = cleanup.enter_context(StackFile(stack))
        predictor = load_predictor(model, device=device, precision=precision, tta=tta)
        cut = predictor.card.threshold if threshold is None else threshold
        options: dict[str, Any] = {
            "compression": None if compression == "none" else compression,
            "pixel_size": read_pixel_size(stack),
            "overwrite": overwrite,
        }
        writers = {
            kind: cleanup.enter_context(
                TifWriter(path, slices.shape, "uint8" if kind == "mask" else "float32", **options)
            )
            for kind, path in paths.items()
        }
        scaling = predictor.card.scaling.for_stack(slices)
        warn(stack_warning(predictor.card.scaling, scaling))
        predictions = predictor.predict(slices, scaling)
        bar = ProgressBar(predictions, total=len(slices), desc="Predicting", unit="slice")
        for z, predicted in bar:
            membrane += np.count_nonzero(predicted >= cut)
            for kind, writer in writers.items():
                writer.write(_page(kind, predicted, cut, convention))
            if tables:
                unsure.append(slice_uncertainty(predicted, z))
    for path in tables:
        write_atomically(path, uncertainty_csv(unsure).encode(), follow_links=True)
        paths["uncertainty"] = path
    for kind, path in paths.items():
        say(f"{kind}: {path}")
    warn(share_warning(membrane, math.prod(slices.shape)))


def _check_outputs(stack: Path, tifs: list[Path], tables: list[Path], overwrite: bool) -> None:
    for path in tifs:
        check_tif_output(path, overwrite)
    for path in tables:
        check_output(path, overwrite)
    paths = [*tifs, *tables]
    for path in paths:
        if path.resolve() == stack.resolve():
            raise UserError(f"{path} is the stack itself.", "Choose another name for the result.")
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("Two results have the same name.", "Choose a name for each.")


def _page(
    kind: str, probability: NDArray[np.float32], threshold: float, convention: LabelConvention
) -> NDArray[Any]:
    """A slice of one of the results, as it is written."""
    if kind == "mask":
        return mask_page(probability >= threshold, convention)
    return submission_page(probability) if kind == "submission" else probability
