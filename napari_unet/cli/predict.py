"""``napari-unet predict``: the membrane mask of a stack, from a run or another model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from napari_unet.cli.options import (
    ModelPath,
    compression_option,
    convention_option,
    device_option,
    engine_option,
    format_option,
    membranes_option,
    memory_option,
    ome_zarr_option,
    precision_option,
    threshold_option,
    tta_option,
)
from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.chunks import Division, division_options, predict_chunks
from napari_unet.cli.stacks.many_stacks import Results
from napari_unet.cli.stacks.prediction_place import RemoteOptions, remote_options
from napari_unet.cli.stacks.stack_part import PartOptions, part_options
from napari_unet.labelling.uncertainty import slice_uncertainty, uncertainty_csv
from napari_unet.prediction.chunk_job import ChunkJob
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.class_thresholds import Thresholds
from training.console import say, warn
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.label_convention import LabelConvention
from training.masks.result_files import (
    PROBABILITY_DTYPES,
    RESULT_FORMATS,
    ResultFiles,
    check_class_results,
    check_probability_dtype,
)
from training.masks.writer_choice import is_zarr
from training.opening import open_stack
from training.stacks.intensities import Membranes

_NEEDED = ("model", "stacks", "output")


@click.command()
@click.argument("model", metavar="MODEL", required=False, type=ModelPath())
@click.argument("stacks", metavar="STACK.tif...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="MASK",
    type=click.Path(path_type=Path),
    help="The mask, 8 bits: NAME.tif, NAME.zarr or NAME.h5/DATASET. Of several stacks: a folder.",
)
@click.option(
    "--probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the probability of membrane too, 0 to 1; may be NAME.mrc as well.",
)
@click.option(
    "--probability-dtype",
    type=click.Choice(PROBABILITY_DTYPES),
    default=PROBABILITY_DTYPES[0],
    show_default=True,
    help="Of --probability. In uint8, 255 is 1. A TIF can't hold float16, and MRC holds only "
    "float32.",
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
@threshold_option(", or of the class of --class")
@click.option(
    "--class",
    "of_class",
    metavar="NAME",
    help="Of a model of several classes predict this one, as membranes are: its mask and its "
    "probability.  [default: all classes]",
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
@division_options
@engine_option
@device_option
@precision_option
@remote_options
@click.option(
    "--resume",
    metavar="PREDICTION",
    help="Go on with a prediction on a server that was killed, named as by napari-unet runs; its "
    "results come to its folder.",
)
def command(
    model: Path | None,
    stacks: tuple[Path, ...],
    output: Path | None,
    probability: Path | None,
    probability_dtype: str,
    submission: Path | None,
    uncertainty: Path | None,
    thresholds: Thresholds,
    of_class: str | None,
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
    place: RemoteOptions,
    division: Division,
    resume: str | None,
) -> None:
    """Predict the membrane mask of a stack or a 2-D image, or of many.

    MODEL is the folder of a training, a model.onnx, a checkpoint (.safetensors, or the .ckpt of
    the model zoo) or a package of the BioImage Model Zoo (.zip); or starter, which comes with this
    program, has learned from made-up tissue, and takes a stack of any contrast. No MindSpore is
    needed. Slices are read and written one at a time, so that the stack may be larger than the
    memory. Of a model of several classes the mask holds the value of each pixel's class, and names
    them; --class gives one.

    Of several stacks, the names of -o, --probability, --submission and --uncertainty are those of
    folders, one for each; the files in them have the names of their stacks, and the ending that
    --format says: NAME.h5 has them as its datasets mask and probability; mrc is of probabilities,
    and masks are TIFs then. Files that are there
    already are kept, so that the same command goes on where it was interrupted. A stack that
    can't be predicted stops nothing: it is told at the end, and the exit code is 1.

    Where all results are .zarr, they grow chunk by chunk as NAME.partial.zarr, which gets its name
    when it is whole. The same command goes on where a run was ended, and tries again what it could
    not read, which is told at the end with its place. --workers, --scheduler and --shard share the
    slices out among processes of this machine, of a cluster, or of an array of jobs.

    With --remote the server's MindSpore predicts, and the results come home whole. Ctrl-C, or a
    lost connection, leaves it going on: the same command goes on with it, after a kill as well, for
    which --resume is enough. A stack that is on the server, and a result that is to stay there, are
    named PROFILE:/PATH.

    \b
    Examples:
      napari-unet predict starter stack.tif -o mask.tif
      napari-unet predict runs/first test-volume.tif -o mask.tif --probability prob.tif
      napari-unet predict runs/first stack.tif -o corner.tif --region 10:20,0:512,0:512
      napari-unet predict runs/first night/*.tif -o masks --probability probabilities
      napari-unet predict runs/first night/*.tif -o masks --format zarr
      napari-unet predict runs/first lab:/data/stack.tif --remote lab -o mask.tif
      napari-unet predict runs/first volume.zarr -o mask.zarr --workers 8
      napari-unet predict --resume predict-1128-0912
    """
    if resume is not None:
        from napari_unet.cli.remote_prediction import resume_prediction

        resume_prediction(resume, place)
        return
    if model is None or not stacks or output is None:
        raise _missing()
    outputs = {
        "mask": output,
        "probability": probability,
        "submission": submission,
        "uncertainty": uncertainty,
    }
    results = {kind: path for kind, path in outputs.items() if path is not None}
    place.check(stacks, results)
    _check_probability_dtype(probability, probability_dtype, file_format, place)
    work_through = place.plan(stacks, results, overwrite, file_format)
    if place:
        from napari_unet.cli.remote_prediction import (
            check_model_there,
            predict_into_files,
            scale_there,
        )

        check_model_there(model, of_class, results, thresholds, parts.scale, convention)
        written = {"compression": _compression(compression), "ome_zarr": ome_zarr}
        options = {"convention": convention.value, "membranes": membranes.value}
        options |= scale_there(parts.scale)
        options |= {"threshold": thresholds.text} if thresholds else {}
        options |= {"tta": ""} if tta else {}
        options |= {"class": of_class} if of_class is not None else {}
        there = partial(predict_into_files, place, model, parts.region, options, overwrite, written)
        work_through(there)
        return
    computed_by = {"engine": engine, "device": device, "precision": precision, "tta": tta}
    computed_by["of_class"] = of_class
    predictor = load_predictor(model, **computed_by)
    check_class_results(predictor.classes, results, convention)
    class_thresholds = thresholds.of(predictor.classes)
    parts.scale.check(predictor.card, model)
    job = ChunkJob(
        model=model,
        stack=stacks[0],
        computed_by=computed_by,
        results=results,
        region=parts.region,
        scale=parts.scale,
        membranes=membranes,
        threshold=predictor.card.threshold if thresholds.single is None else thresholds.single,
        convention=convention,
        written={
            "compression": _compression(compression),
            "ome_zarr": ome_zarr,
            "overwrite": overwrite,
        },
        memory=memory,
        probability_dtype=probability_dtype,
        class_thresholds=class_thresholds,
    )

    def work(stack: Path, results: Results) -> None:
        one = replace(job, stack=stack, results=results)
        if all(map(is_zarr, results.values())):
            predict_chunks(one, predictor, division)
        else:
            division.refuse(results)
            _predict(one, predictor, parts)

    work_through(work)


def _missing() -> click.MissingParameter:
    """Name what must be given where nothing is resumed."""
    context = click.get_current_context()
    needed = (param for param in context.command.params if param.name in _NEEDED)
    missing = next(param for param in needed if not context.params[str(param.name)])
    return click.MissingParameter(ctx=context, param=missing)


def _check_probability_dtype(
    path: Path | None, dtype: str, file_format: str | None, place: RemoteOptions
) -> None:
    """Refuse a dtype of probabilities that nobody would write.

    Raises
    ------
    UserError
    """
    if dtype == PROBABILITY_DTYPES[0]:
        return
    if path is None:
        raise UserError("--probability-dtype is that of --probability.", "Give --probability too.")
    if place:
        raise UserError(
            "A server's probabilities come home in float32.", "Leave out --probability-dtype."
        )
    check_probability_dtype(path, dtype, file_format)


def _compression(option: str) -> str | None:
    return None if option == "none" else option


def _predict(job: ChunkJob, predictor: Predictor, parts: PartOptions) -> None:
    """Predict slice by slice into files that are there when they are whole."""
    tifs = {kind: path for kind, path in job.results.items() if kind != "uncertainty"}
    table = job.results.get("uncertainty")
    unsure = []
    with open_stack(job.stack) as slices:
        prediction = parts.predict(predictor, slices, job.membranes)
        bar = ProgressBar(prediction, desc="Predicting", unit="slice")
        options = prediction.place | job.written
        about = prediction.shape, job.threshold, job.convention, job.probability_dtype
        options |= {"classes": predictor.classes, "class_thresholds": job.class_thresholds}
        options |= {"of_class": predictor.of_class}
        files = ResultFiles(tifs, *about, **options)
        with files:
            for index, predicted in enumerate(bar):
                files.write(predicted)
                if table is not None:
                    unsure.append(slice_uncertainty(predicted, index))
    if table is not None:
        write_atomically(table, uncertainty_csv(unsure).encode(), follow_links=True)
    for kind, path in job.results.items():
        say(f"{kind}: {path}")
    warn(files.warning())
