"""``napari-unet segment``: the neurons of a stack, from a run or a portable model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from napari_unet.cli.options import (
    DataOptions,
    Share,
    compression_option,
    data_options,
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
from napari_unet.cli.stacks.chunked_neurons import ChunkedSearch
from napari_unet.cli.stacks.chunks import Division, division_options
from napari_unet.cli.stacks.many_stacks import Results, plan_work
from napari_unet.cli.stacks.neuron_settings import NeuronSettings, tell_of_threshold
from napari_unet.cli.stacks.prediction_place import RemoteOptions, remote_options
from napari_unet.cli.stacks.stack_part import PartOptions, part_options
from napari_unet.launchers.server_path import ServerPath
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import METHODS, count_text, find_neurons
from napari_unet.prediction.predictor import MEMBRANE, load_predictor
from napari_unet.stacks.large_array import allocate
from training.console import say
from training.errors import UserError
from training.formats.pixel_size import Offset
from training.masks.mask_files import write_numbers
from training.masks.result_checks import check_kept
from training.masks.result_files import LABEL_FORMATS
from training.masks.writer_choice import is_stack_name, is_zarr
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.intensities import Membranes

_LEARNED_FROM = "what the threshold is chosen on"


@click.command()
@model_argument
@stacks_argument
@click.option(
    "-o",
    "--output",
    metavar="NEURONS",
    required=True,
    type=click.Path(path_type=Path),
    help="The neurons, by their numbers, 16 to 64 bits; 0 is a border: NAME.tif, NAME.zarr or "
    "NAME.h5/DATASET. Of several stacks: a folder.",
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the stacks that the model was trained on; the threshold is chosen and merges "
    "are learned there.",
)
@data_options
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="watershed",
    show_default=True,
    help="watershed: bridges gaps in membranes. components: regions below the threshold.",
)
@click.option(
    "--threshold",
    type=Share(),
    help="Probability from which on something is membrane: a border between neurons, or a "
    "pixel of components.  [default: chosen on --data, else 0.5]",
)
@click.option(
    "--seeds",
    type=Share(),
    help="Probability below which the watershed starts.  [default: chosen on --data, else 0.03]",
)
@click.option(
    "--keep-merges",
    is_flag=True,
    help="Keep what is learned on --data with the run, for the window and later commands.",
)
@click.option(
    "--link", is_flag=True, help="Give a neuron one number in all slices, where it overlaps itself."
)
@compression_option
@format_option(LABEL_FORMATS)
@ome_zarr_option
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@tta_option
@membranes_option
@part_options
@memory_option
@division_options
@engine_option
@device_option
@precision_option
@remote_options
def command(
    model: Path,
    stacks: tuple[Path, ...],
    output: Path,
    chosen: DataOptions,
    method: str,
    threshold: float | None,
    seeds: float | None,
    keep_merges: bool,
    link: bool,
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
) -> None:
    """Find the neurons of a stack or a 2-D image, or of many: the regions between membranes.

    MODEL is what predict takes. Neurons are found slice by slice. With --data, threshold and seeds
    are those with the best v_rand on slices that the model was trained on, of all pairs in the
    folder; labels of its validation slices are not touched. There it is learned as well which
    regions to merge, by their borders and the slices before and after; it decides where it is
    better than the threshold on slices that it was not learned from. Needs scikit-learn.

    Of several stacks, -o is a folder; the files in it have the names of their stacks. Files that
    are there already are kept, so that the same command goes on where it was interrupted. A stack
    that fails stops nothing: it is told at the end, and the exit code is 1.

    With --remote the server's MindSpore predicts, as predict says, and neurons are found here.

    Neurons that go to .zarr are found block by block, and numbered once for the whole. What is
    found on the way is in NAME.partial.work, and the same command goes on there after an end. Of
    several --shard the last one numbers them.

    \b
    Examples:
      napari-unet segment runs/first test-volume.tif -o neurons.tif --data isbi
      napari-unet segment runs/first test-volume.tif -o neurons.tif --threshold 0.6 --link
      napari-unet segment runs/first night/*.tif -o neurons --data isbi
      napari-unet evaluate neurons.tif --data isbi
    """
    results = {"neurons": output}
    place.check(stacks, results)
    if ServerPath.parse(output):
        raise UserError(
            "Neurons are found here, so they can't be left on a server.", "Name a file."
        )
    plan = plan_work(stacks, results, overwrite, file_format)
    predictor = load_predictor(model, engine=engine, device=device, precision=precision, tta=tta)
    parts.scale.check(predictor.card, model)
    if keep_merges and not chosen:
        raise UserError("--keep-merges keeps what is learned on --data.", "Give --data.")
    settings = NeuronSettings(model, method, threshold, seeds, keep_merges)
    learned_from: list[tuple[Path, Path]] = []
    if chosen and not settings.is_complete:
        if len(stacks) == 1 and not ServerPath.parse(stacks[0]):
            open_stack(stacks[0]).close()  # a bad one is told before the search
        with chosen.open_all([model]) as pairs:
            learned_from += [(pair.images.path, pair.labels.path) for pair in pairs]
            if is_stack_name(output):
                _check_learned_from([output], learned_from)
            how = settings.choose(predictor, pairs)
    else:
        how = settings.without_data(predictor)
    search = ChunkedSearch(
        model,
        predictor,
        parts,
        membranes,
        how,
        link,
        memory,
        computed_by={"engine": engine, "device": device, "precision": precision, "tta": tta},
        written={
            "compression": None if compression == "none" else compression,
            "ome_zarr": ome_zarr,
            "overwrite": overwrite,
        },
        division=division,
    )

    def work(stack: Path, results: Results) -> None:
        _check_learned_from(results.values(), learned_from)
        if place:
            _segment_there(stack, results["neurons"], search, place, model)
        elif is_zarr(results["neurons"]):
            search.segment(stack, results["neurons"])
        else:
            division.refuse(results)
            _segment(stack, results["neurons"], search)

    plan.work_through(work)


def _check_learned_from(results: Iterable[Path], pairs: Iterable[tuple[Path, Path]]) -> None:
    """Refuse neurons in the place of the images and labels that the threshold is chosen on."""
    for images, labels in pairs:
        check_kept(results, [images], _LEARNED_FROM)
        check_kept(results, [labels], _LEARNED_FROM, "labels")


def _segment(stack: Path, output: Path, search: ChunkedSearch) -> None:
    """Find the neurons slice by slice; all of them are in memory."""
    with open_stack(stack) as slices:
        prediction = search.parts.predict(search.predictor, slices, search.membranes)
        _write(prediction, prediction.shape, output, search, prediction.place)


def _segment_there(
    stack: Path, output: Path, search: ChunkedSearch, place: RemoteOptions, model: Path
) -> None:
    """Find the neurons of a probability that comes home from a server."""
    from napari_unet.cli.remote_prediction import (
        ask_for,
        place_home,
        predict_remotely,
        region_there,
        scale_there,
    )
    from napari_unet.launchers.servers.predictions.record import result_path

    def find(run: RunDirectory, offset: Offset) -> None:
        with open_stack(result_path(run, "probability")) as pages:
            where = place_home(offset, search.parts.region, pages.pixel_size)
            about: dict[str, Any] = {"pixel_size": pages.pixel_size, "offset": where}
            _write(pages, pages.shape, output, search, about)

    there = {"membranes": search.membranes.value, "class": MEMBRANE}
    there |= scale_there(search.parts.scale)
    there |= region_there(search.parts.region, stack)
    there |= {"tta": ""} if search.predictor.tta else {}
    predict_remotely(place, ask_for(model, stack, {"probability": Path()}, options=there), find)


def _write(
    probability: Iterable[NDArray[np.float32]],
    shape: tuple[int, int, int],
    output: Path,
    search: ChunkedSearch,
    about: Mapping[str, Any],
) -> None:
    """Find neurons in the probability (Y, X) of each slice, and write them."""
    tell_of_threshold(search.how, shape[0])
    neurons = allocate(shape, np.uint16)
    linker = StackLinker() if search.is_linked else None
    found = find_neurons(probability, search.how, linker)
    largest = 0
    bar = ProgressBar(found, total=len(neurons), desc="Finding neurons", unit="slice")
    for index, page in enumerate(bar):
        largest = max(largest, int(page.max(initial=0)))
        if largest > np.iinfo(neurons.dtype).max:
            narrow, neurons = neurons, allocate(shape, np.uint32)
            neurons[:index] = narrow[:index]
        neurons[index] = page
    if linker is not None:
        largest = linker.renumber(neurons)
    write_numbers(output, neurons, largest, **about, **search.written)
    say(f"{count_text(largest, len(neurons), search.is_linked)}: {output}")
