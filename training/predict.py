"""Predict membranes or classes of a stack by MindSpore: on NPUs, or where nothing else is.

On one NPU, or on the CPU where there is none::

    python -m training.predict --run RUN --input STACK.tif --output MASK.tif
    python -m training.predict --ckpt FILE --input STACK.tif --output MASK.tif

On eight NPUs, or on four workers of a CPU, which share the slices::

    python -m training.predict --run RUN --input STACK.tif --output MASK.tif --devices 8
    python -m training.predict ... --devices 4 --device cpu

A checkpoint may be a training's or the model zoo's. The results are those of ``napari-unet
predict``. They appear under their names when they are complete. With ``--keep FOLDER`` the same
command, after it was killed, goes on with the slice that it was at. ``@FILE`` stands for the
options in a file, each a JSON string on a line of its own; what is given after it goes first.

Exit codes: 0 done, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import __version__
from training.class_thresholds import Thresholds
from training.config import TrainingConfig, parse_numbers, preset_config
from training.console import format_duration, say, set_up_console, warn
from training.devices.free_ports import find_free_port
from training.devices.msrun_job import MsrunJob
from training.devices.npu_choice import choose_for_job
from training.devices.placement import (
    Device,
    choose_device,
    is_scheduler,
    leave_job,
    place_in_run,
    prepare_environment,
)
from training.devices.shared_slices import leave_slice, share_slices
from training.errors import UserError
from training.formats.stack import Stack
from training.label_convention import FINISHED_CONVENTIONS, LabelConvention
from training.learning.mindspore_setup import set_up_mindspore
from training.masks.kept_slices import KeptSlices
from training.masks.result_files import ResultFiles, check_class_results, check_outputs
from training.model.class_choice import card_of_channel, find_channel
from training.model.saved_model import SavedModel, best_weights, load_model
from training.model.slice_view import SliceView
from training.model.stack_part import StackPart, parse_region
from training.model.stack_scale import StackScale, card_for, parse_pixel_size
from training.model.starter_model import named_model, starter_path
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.fingerprint import fingerprint
from training.stacks.intensities import Membranes

LINES = 50  # of progress, at the most


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    prepare_environment()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is half done is removed
    try:
        if options.parts is not None:
            _predict_share(options)
        else:
            _predict(options, arguments)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2
    except KeyboardInterrupt:
        left = "nothing is written" if options.keep is None else "the same command goes on"
        say(f"Interrupted: {left}.", to_stderr=True)
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    """Reads options of a file as well."""

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        try:
            option = json.loads(arg_line)
        except ValueError:
            option = None
        if not isinstance(option, str):
            self.error(f"a line of the file of options is not a JSON string: {arg_line:.99}")
        return [option]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
    )
    add = parser.add_argument
    add_model_options(parser)
    add("--input", type=Path, required=True, help="the stack: a TIF")
    add("--output", type=Path, required=True, help="the mask: 8-bit TIF, a page a slice")
    add("--probability", type=Path, help="the probability of membrane too: 32-bit float TIF")
    add("--submission", type=Path, help="the ISBI 2012 challenge's form too: 0 = surely membrane")
    add(
        "--threshold",
        action="append",
        default=[],
        help="probability from which on a pixel is membrane (0.5); NAME=NUMBER: of one of all "
        "classes, repeatable (the likeliest class)",
    )
    add(
        "--convention",
        choices=[convention.value for convention in FINISHED_CONVENTIONS],
        default=LabelConvention.ISBI.value,
        help="isbi (default): membrane is 0. membrane: membrane is 255",
    )
    add(
        "--class",
        dest="of_class",
        metavar="NAME",
        help="of a model of several classes predict this one (the likeliest of each pixel)",
    )
    add("--tta", action="store_true", help="the mean over flips and turns: eight times the work")
    add(
        "--membranes",
        type=Membranes,
        choices=[*Membranes],
        default=Membranes.AUTO,
        help="of the stack: dark or light (auto: found out for the starter, else as in training)",
    )
    add(
        "--resample",
        action="store_true",
        help="predict at the pixel size of the model's training; results are at the stack's",
    )
    add("--region", default="", help="Z0:Z1,Y0:Y1,X0:X1: this part alone, as it is in the whole")
    add("--pixel_size", "--pixel-size", default="", help="in nm, or Y,X or Z,Y,X (the file's)")
    add("--keep", type=Path, help="keep slices here until all are done, to go on after a kill")
    add("--overwrite", action="store_true", help="replace files that exist")
    add("--device", default="auto", help="auto (default: an NPU if there is one), cpu, ascend[:ID]")
    add("--devices", "--device_num", type=int, default=0, help="how many (default: 1)")
    add("--device_ids", default="", help="which NPUs, as npu-smi shows them: 0,1,4,5")
    for name in ("precision", "jit_level"):
        metadata = TrainingConfig.__dataclass_fields__[name].metadata
        add(f"--{name}", choices=metadata["choices"], default="auto", help=metadata["help"])
    # Of the processes on several devices: where they leave slices, and which is the first.
    add("--parts", type=Path, help=argparse.SUPPRESS)
    add("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a model, one of which must be given."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", type=Path, help="the folder of a training: its best model; or starter"
    )
    source.add_argument("--ckpt", type=Path, help="a .safetensors or .ckpt file")


def weights_of(run: Path | None, ckpt: Path | None) -> Path:
    """Give the file of weights that these options name.

    Raises
    ------
    UserError
        If the run has no model yet.
    """
    if run is None:
        return named_model(ckpt or "")
    path = named_model(run)
    return path if path == starter_path() else best_weights(RunDirectory(path))


def _predict(options: argparse.Namespace, arguments: list[str]) -> None:
    """Predict all slices, in this process or in those of several devices, and write the results."""
    thresholds = Thresholds.parse(options.threshold)
    if options.devices < 0:
        raise UserError(f"{options.devices} devices can't predict.", "Give --devices=1 or more.")
    outputs = {
        "mask": options.output,
        "probability": options.probability,
        "submission": options.submission,
    }
    paths = {kind: path for kind, path in outputs.items() if path is not None}
    check_outputs(options.input, paths, options.overwrite)
    source, scale = weights_of(options.run, options.ckpt), _scale(options)
    model = load_model(source)
    predicted = card_of_channel(model.card, find_channel(model.card, options.of_class, source))
    check_class_results(predicted.label_classes, paths)
    class_thresholds = thresholds.of(predicted.label_classes)
    scale.check(model.card, source)
    threshold = model.card.threshold if thresholds.single is None else thresholds.single
    with open_stack(options.input) as stack:
        _, note, warning = card_for(model.card, stack, options.membranes)
        if note:
            say(f"Note: {note}")
        warn(warning)
        scale.tell(model.card, stack)
        part = _part(options, stack)
        files = ResultFiles(
            paths,
            part.shape,
            threshold,
            LabelConvention(options.convention),
            overwrite=options.overwrite,
            classes=predicted.label_classes,
            class_thresholds=class_thresholds,
            **part.place,
        )
        made_by = _made_by(options, source, class_thresholds or threshold, stack, [*paths])
        with files, _keeping(options.keep, made_by) as kept:
            _write_all(options, arguments, model, stack, files, kept)
    if kept is not None:
        kept.remove()
    for kind, path in paths.items():
        say(f"{kind}: {path}")
    warn(files.warning())


def _made_by(
    options: argparse.Namespace,
    source: Path,
    threshold: float | dict[str, float],
    stack: Stack,
    kinds: list[str],
) -> dict[str, Any]:
    """Say all that the results depend on."""
    how = "tta", "membranes", "resample", "region", "pixel_size", "precision"
    chosen = {name: getattr(options, name) for name in ("convention", "of_class", *how)}
    return {
        "version": __version__,
        "weights": hashlib.sha256(source.read_bytes()).hexdigest(),
        "stack": [*stack.shape, stack.dtype.name, fingerprint(stack)],
        "options": chosen | {"threshold": threshold, "kinds": kinds},
    }


@contextmanager
def _keeping(folder: Path | None, made_by: dict[str, Any]) -> Iterator[KeptSlices | None]:
    """Hold the slices that an earlier run has kept; None where none are to be kept."""
    if folder is None:
        yield None
        return
    with KeptSlices(folder, made_by).hold() as kept:
        if kept.is_anew:
            say("Note: Slices that were kept are of something else, so it begins anew.")
        if kept.count:
            say(f"Note: Slices done before: {kept.count}; it goes on after them.")
        yield kept


def _write_all(
    options: argparse.Namespace,
    arguments: list[str],
    model: SavedModel,
    stack: Stack,
    files: ResultFiles,
    kept: KeptSlices | None,
) -> None:
    """Write the slices that were kept, and predict the others."""
    first = 0
    if kept is not None:
        first = kept.count
        for index in range(first):
            files.put(kept.read(index))
    with closing(_slices(options, arguments, model, stack, first)) as slices:
        predicted = _with_progress(slices, first, len(_part(options, stack).indices))
        for index, probability in enumerate(predicted, first):
            result = files.make(probability)
            if kept is not None:
                kept.keep(index, result)
            files.put(result)


def _slices(
    options: argparse.Namespace, arguments: list[str], model: SavedModel, stack: Stack, first: int
) -> Generator[NDArray[np.float32], None, None]:
    """Give the probability of every slice from the first on: (Y, X), or of classes (C, Y, X)."""
    indices = _part(options, stack).indices[first:]
    if not indices:
        return
    ids = parse_numbers(options.device_ids, "device_ids")
    count = min(options.devices or len(ids) or 1, len(indices))
    config = _config(options, model)
    if count == 1:
        device = choose_device(f"ascend:{ids[0]}" if ids else config.device)
        yield from _predict_on(device, options, config, model, stack, indices)
        return
    npus = choose_for_job(config.device, count, ids, together=False)
    job = MsrunJob(count, master_port=find_free_port(), npus=npus)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=options.output.parent) as folder:
        program = ["training.predict", *arguments, f"--parts={folder}", f"--first={first}"]
        yield from share_slices(job, program, range(first, first + len(indices)), Path(folder))


def _predict_on(
    device: Device,
    options: argparse.Namespace,
    config: TrainingConfig,
    model: SavedModel,
    stack: Stack,
    indices: range,
) -> Iterator[NDArray[np.float32]]:
    set_up_mindspore(device, config.seed, config.jit_level)
    from training.learning.stack_prediction import build_inference, predict_slices

    source = weights_of(options.run, options.ckpt)
    inference = build_inference(model, source, stack, config, device, options.membranes)
    part = _part(options, stack)
    window = None if part.shape[1:] == stack.shape[1:] else part.window
    view = SliceView(_scale(options).zoom(model.card, stack), window)
    channel = find_channel(model.card, options.of_class, source)
    for probability in predict_slices(inference, source, stack, indices, options.tta, view):
        yield probability if channel is None else probability[channel]


def _scale(options: argparse.Namespace) -> StackScale:
    size = parse_pixel_size(options.pixel_size) if options.pixel_size else None
    return StackScale(options.resample, size)


def _part(options: argparse.Namespace, stack: Stack) -> StackPart:
    return StackPart(stack, parse_region(options.region), _scale(options))


def _config(options: argparse.Namespace, model: SavedModel) -> TrainingConfig:
    """Check what the options say of the device, and how it computes."""
    return preset_config(
        model.card.preset,
        device=options.device,
        precision=options.precision,
        jit_level=options.jit_level,
    )


def _predict_share(options: argparse.Namespace) -> None:
    """Predict this process's share of the slices, for the process that started it."""
    if is_scheduler():  # nobody needs to be brought together
        return
    rank, world_size = place_in_run()
    device = dataclasses.replace(choose_device(options.device), rank=0, world_size=1)
    leave_job()
    with open_stack(options.input) as stack:
        indices = _part(options, stack).indices[options.first + rank :: world_size]
        model = load_model(weights_of(options.run, options.ckpt))
        config = _config(options, model)
        predicted = _predict_on(device, options, config, model, stack, indices)
        for number, probability in enumerate(predicted):
            index = options.first + rank + number * world_size
            leave_slice(options.parts, index, probability, world_size)


def _with_progress(
    slices: Iterator[NDArray[np.float32]], first: int, count: int
) -> Iterator[NDArray[np.float32]]:
    """Give the slices from the first one on, and print how many are there and how long it takes."""
    interval = -(-count // LINES)
    begin = compiled = time.monotonic()
    if first == count:
        say(f"{count} of {count} slices, {format_duration(0)}")
    for done, probability in enumerate(slices, first + 1):
        yield probability
        now, here = time.monotonic(), done - first
        compiled = now if here == 1 else compiled  # the network is compiled with the first
        if done == count:
            say(f"{done} of {count} slices, {format_duration(now - begin)}")
        elif done % interval == 0 and here > 1:
            left = (now - compiled) / (here - 1) * (count - done)
            say(f"{done} of {count} slices, {format_duration(left)} left")


if __name__ == "__main__":
    sys.exit(main())
