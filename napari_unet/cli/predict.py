"""``napari-unet predict``: the membrane mask of a stack, from a run or another model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from napari_unet.cli.options import (
    Share,
    compression_option,
    convention_option,
    device_option,
    engine_option,
    format_option,
    membranes_option,
    memory_option,
    model_argument,
    ome_zarr_option,
    precision_option,
    stacks_argument,
    tta_option,
)
from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.many_stacks import Results, plan_work
from napari_unet.cli.stacks.stack_part import PartOptions, part_options
from napari_unet.labelling.uncertainty import slice_uncertainty, uncertainty_csv
from napari_unet.prediction.chunk_prediction import ChunkPrediction
from napari_unet.prediction.part_prediction import StackPart
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.console import list_names, say, warn
from training.files.atomic_files import write_atomically
from training.formats.opening import open_stack
from training.label_convention import LabelConvention
from training.masks.result_files import RESULT_FORMATS, ResultFiles, result_page, result_pixels
from training.masks.writer_choice import is_zarr, open_chunks
from training.stacks.intensities import Membranes


@click.command()
@model_argument
@stacks_argument
@click.option(
    "-o",
    "--output",
    metavar="MASK",
    required=True,
    type=click.Path(path_type=Path),
    help="The mask, 8 bits: NAME.tif, NAME.zarr or NAME.h5/DATASET. Of several stacks: a folder.",
)
@click.option(
    "--probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the probability of membrane too: 32-bit float, 0 to 1; may be NAME.mrc as well.",
)
@click.option(
    "--submission",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the ISBI 2012 challenge's form too: 32-bit float, 0 = surely membrane.",
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
@format_option(RESULT_FORMATS)
@ome_zarr_option
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@tta_option
@membranes_option
@part_options
@memory_option
@engine_option
@device_option
@precision_option
def command(
    model: Path,
    stacks: tuple[Path, ...],
    output: Path,
    probability: Path | None,
    submission: Path | None,
    uncertainty: Path | None,
    threshold: float | None,
    convention: LabelConvention,
    compression: str,
    file_format: str | None,
    ome_zarr: str,
    overwrite: bool,
    tta: bool,
    membranes: Membranes,
    memory: float | None,
    engine: str,
    device: str,
    precision: str,
    parts: PartOptions,
) -> None:
    """Predict the membrane mask of a stack or a 2-D image, or of many.

    MODEL is the folder of a training, a model.onnx, a checkpoint (.safetensors, or the .ckpt of
    the model zoo) or a package of the BioImage Model Zoo (.zip); or starter, which comes with this
    program, has learned from made-up tissue, and takes a stack of any contrast. No MindSpore is
    needed. Slices are read and written one at a time, so that the stack may be larger than the
    memory.

    Of several stacks, the names of -o, --probability, --submission and --uncertainty are those of
    folders, one for each; the files in them have the names of their stacks, and the ending that
    --format says: NAME.h5 has them as its datasets mask and probability; mrc is of probabilities,
    and masks are TIFs then. Files that are there
    already are kept, so that the same command goes on where it was interrupted. A stack that
    can't be predicted stops nothing: it is told at the end, and the exit code is 1.

    Where all results are .zarr, they grow chunk by chunk as NAME.partial.zarr, which gets its name
    when it is whole. The same command goes on where a run was ended, and tries again what it could
    not read, which is told at the end with its place.

    \b
    Examples:
      napari-unet predict starter stack.tif -o mask.tif
      napari-unet predict runs/first test-volume.tif -o mask.tif --probability prob.tif
      napari-unet predict runs/first stack.tif -o corner.tif --region 10:20,0:512,0:512
      napari-unet predict runs/first night/*.tif -o masks --probability probabilities
      napari-unet predict runs/first night/*.tif -o masks --format zarr
    """
    outputs = {
        "mask": output,
        "probability": probability,
        "submission": submission,
        "uncertainty": uncertainty,
    }
    results = {kind: path for kind, path in outputs.items() if path is not None}
    plan = plan_work(stacks, results, overwrite, file_format)
    predictor = load_predictor(model, engine=engine, device=device, precision=precision, tta=tta)
    parts.scale.check(predictor.card, model)
    how = _How(
        predictor,
        parts,
        membranes,
        threshold=predictor.card.threshold if threshold is None else threshold,
        convention=convention,
        compression=None if compression == "none" else compression,
        ome_zarr=ome_zarr,
        overwrite=overwrite,
        memory=memory,
        computed_by={"--engine": engine, "--device": device, "--precision": precision},
    )

    def work(stack: Path, results: Results) -> None:
        predict = _predict_chunks if all(map(is_zarr, results.values())) else _predict
        predict(stack, results, how)

    plan.work_through(work)


@dataclass(frozen=True)
class _How:
    """What the options say, whatever the stack."""

    predictor: Predictor
    parts: PartOptions
    membranes: Membranes
    threshold: float
    convention: LabelConvention
    compression: str | None
    ome_zarr: str
    overwrite: bool
    memory: float | None
    computed_by: dict[str, str]

    @property
    def written(self) -> dict[str, Any]:
        """Options of how files are written."""
        return {name: getattr(self, name) for name in ("compression", "ome_zarr", "overwrite")}


def _predict(stack: Path, results: Results, how: _How) -> None:
    """Predict slice by slice into files that are there when they are whole."""
    tifs = {kind: path for kind, path in results.items() if kind != "uncertainty"}
    table = results.get("uncertainty")
    unsure = []
    with open_stack(stack) as slices:
        prediction = how.parts.predict(how.predictor, slices, how.membranes)
        bar = ProgressBar(prediction, desc="Predicting", unit="slice")
        options = prediction.place | how.written
        files = ResultFiles(tifs, prediction.shape, how.threshold, how.convention, **options)
        with files:
            for index, predicted in enumerate(bar):
                files.write(predicted)
                if table is not None:
                    unsure.append(slice_uncertainty(predicted, index))
    if table is not None:
        write_atomically(table, uncertainty_csv(unsure).encode(), follow_links=True)
    for kind, path in results.items():
        say(f"{kind}: {path}")
    warn(files.warning())


def _predict_chunks(stack: Path, results: Results, how: _How) -> None:
    """Predict chunk by chunk into Zarr folders, and go on where another run was ended."""
    scale = how.parts.scale
    with open_stack(stack) as slices, ExitStack() as held:
        part = StackPart(slices, how.parts.region, scale)
        options = part.place | how.written
        chunks = {
            kind: open_chunks(path, part.shape, **result_pixels(kind), **options)
            for kind, path in results.items()
        }
        for folder in chunks.values():
            held.enter_context(folder.hold())
        prediction = ChunkPrediction(
            how.predictor,
            slices,
            part,
            scale.zoom(how.predictor.card, slices),
            how.membranes,
            chunks,
            partial(result_page, threshold=how.threshold, convention=how.convention),
            _named(how, part),
            how.memory,
        )
        if prediction.note:
            say(prediction.note)
        warn(prediction.warning)
        scale.tell(how.predictor.card, slices)
        if prediction.done:
            say(f"Going on: {prediction.done} of {len(prediction)} parts are there already.")
        total, done = len(prediction), prediction.done
        try:
            for _ in ProgressBar(
                prediction, desc="Predicting", unit="part", total=total, initial=done
            ):
                done += 1
        except KeyboardInterrupt:
            folders = list_names([str(folder.folder) for folder in chunks.values()])
            say(
                f"Of {total} parts {done} or more are in {folders}: the same command goes on there."
            )
            raise
        prediction.finish()
    for kind, path in results.items():
        say(f"{kind}: {path}")
    warn(prediction.share_warning())


def _named(how: _How, part: StackPart) -> dict[str, Any]:
    """Give the options that a prediction depends on, as a person names them."""
    size = how.parts.scale.pixel_size
    return how.computed_by | {
        "--region": [[found.start, found.stop] for found in (part.indices, *part.window)],
        "--resample": how.parts.scale.resample,
        "--pixel-size": None if size is None else [size.y, size.x],
        "--membranes": how.membranes.value,
        "--threshold": how.threshold,
        "--convention": how.convention.value,
        "--compression": how.compression,
        "--ome-zarr": how.ome_zarr,
        "--tta": how.predictor.tta,
    }
