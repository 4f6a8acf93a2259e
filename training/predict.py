"""Predict membranes or classes of a stack by MindSpore: on NPUs, or where nothing else is.

On one NPU, or on the CPU where there is none::

    python -m training.predict --run RUN --input STACK.tif --output MASK.tif
    python -m training.predict --ckpt FILE --input STACK.tif --output MASK.tif

On eight NPUs, or on four workers of a CPU, which share the slices::

    python -m training.predict --run RUN --input STACK.tif --output MASK.tif --devices 8
    python -m training.predict ... --devices 4 --device cpu

A checkpoint may be a training's or the model zoo's. The results are those of ``napari-unet
predict``. They appear under their names when they are complete. With ``--keep FOLDER`` the same
command, after it was killed, goes on with the slice that it was at. A large slice is predicted by
bands of rows, which devices share and are kept as slices are. ``@FILE`` stands for the options in a
file, each a JSON string on a line of its own; what is given after it goes first.

Exit codes: 0 done, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
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
from training.formats.file_times import file_times
from training.formats.stack import Stack
from training.label_convention import LabelConvention
from training.learning.mindspore_setup import set_up_mindspore
from training.masks.kept_slices import KeptSlices
from training.masks.result_files import ResultFiles, SliceResult, check_class_results, check_outputs
from training.model.class_choice import card_of_channel, find_channel
from training.model.model_card import ModelCard
from training.model.saved_model import SavedModel, load_model
from training.model.slice_steps import SliceSteps, Step
from training.model.stack_part import StackPart, parse_region
from training.model.stack_scale import StackScale, card_for, parse_pixel_size
from training.opening import open_stack
from training.predict_options import parse_options, weights_of
from training.stacks.fingerprint import fingerprint

LINES = 50  # of progress, at the most


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_options(arguments, __doc__)
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
    convention = LabelConvention(options.convention)
    check_class_results(predicted.label_classes, paths, convention)
    class_thresholds = thresholds.of(predicted.label_classes)
    scale.check(model.card, source)
    threshold = model.card.threshold if thresholds.single is None else thresholds.single
    with open_stack(options.input) as stack:
        steps = _steps(options, stack, model.card)
        steps.check_memory(paths, _count_devices(options, len(steps)))
        _, note, warning = card_for(model.card, stack, options.membranes)
        if note:
            say(f"Note: {note}")
        warn(warning)
        scale.tell(model.card, stack)
        files = ResultFiles(
            paths,
            steps.part.shape,
            threshold,
            convention,
            overwrite=options.overwrite,
            classes=predicted.label_classes,
            class_thresholds=class_thresholds,
            of_class=options.of_class,
            **steps.part.place,
        )
        made_by = _made_by(options, source, class_thresholds or threshold, stack, [*paths])
        with files, _keeping(options.keep, made_by, stack, steps.bands) as kept:
            _write_all(options, arguments, model, stack, steps, files, kept)
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
def _keeping(
    folder: Path | None, made_by: dict[str, Any], stack: Stack, bands: int
) -> Iterator[KeptSlices | None]:
    """Hold the slices, or bands of them, that an earlier run kept; None where none are to be."""
    if folder is None:
        yield None
        return
    files = file_times(stack.path)
    with KeptSlices(folder, made_by | {"bands": bands}, files).hold() as kept:
        if kept.is_anew:
            say("Note: Slices that were kept are of something else, so it begins again.")
        if kept.count:
            slices, of_next = divmod(kept.count, bands)
            more = f", and {of_next} of {bands} bands of the next" if of_next else ""
            say(f"Note: Slices done before: {slices}{more}; it goes on after them.")
        if kept.may_differ:
            warn(
                f"The files of {stack.path} have changed since the first slice was predicted: "
                "unless they were only copied, slices that are done are of the image before. "
                f"Delete {folder} to begin again."
            )
        yield kept


def _write_all(
    options: argparse.Namespace,
    arguments: list[str],
    model: SavedModel,
    stack: Stack,
    steps: SliceSteps,
    files: ResultFiles,
    kept: KeptSlices | None,
) -> None:
    """Write what was kept, and predict the rest."""
    first = 0 if kept is None else kept.count
    with closing(_predict_steps(options, arguments, model, stack, steps, first)) as predicted:
        results = _results(_with_progress(predicted, first, steps), first, files, kept)
        while bands := list(islice(results, steps.bands)):
            files.put(SliceResult.of_bands(bands))


def _results(
    predicted: Iterator[NDArray[np.float32]],
    first: int,
    files: ResultFiles,
    kept: KeptSlices | None,
) -> Iterator[SliceResult]:
    """Give what is written of each step: as an earlier run kept it, or made and kept now."""
    if kept is not None:
        yield from map(kept.read, range(first))
    for number, probability in enumerate(predicted, first):
        result = files.make(probability)
        if kept is not None:
            kept.keep(number, result)
        yield result


def _predict_steps(
    options: argparse.Namespace,
    arguments: list[str],
    model: SavedModel,
    stack: Stack,
    steps: SliceSteps,
    first: int,
) -> Generator[NDArray[np.float32], None, None]:
    """Give the probability of every step from the first on: (Y, X), or of classes (C, Y, X)."""
    numbers = range(first, len(steps))
    if not numbers:
        return
    ids = parse_numbers(options.device_ids, "device_ids")
    count = _count_devices(options, len(numbers))
    config = _config(options, model)
    if count == 1:
        device = choose_device(f"ascend:{ids[0]}" if ids else config.device)
        yield from _predict_on(device, options, config, model, stack, map(steps.step, numbers))
        return
    npus = choose_for_job(config.device, count, ids, together=False)
    job = MsrunJob(count, master_port=find_free_port(), npus=npus)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=options.output.parent) as folder:
        program = ["training.predict", *arguments, f"--parts={folder}", f"--first={first}"]
        yield from share_slices(job, program, numbers, Path(folder))


def _count_devices(options: argparse.Namespace, steps: int) -> int:
    ids = parse_numbers(options.device_ids, "device_ids")
    return min(options.devices or len(ids) or 1, steps)


def _predict_on(
    device: Device,
    options: argparse.Namespace,
    config: TrainingConfig,
    model: SavedModel,
    stack: Stack,
    steps: Iterable[Step],
) -> Iterator[NDArray[np.float32]]:
    set_up_mindspore(device, config.seed, config.jit_level)
    from training.learning.stack_prediction import build_inference, predict_steps

    source = weights_of(options.run, options.ckpt)
    inference = build_inference(model, source, stack, config, device, options.membranes)
    channel = find_channel(model.card, options.of_class, source)
    for probability in predict_steps(inference, source, stack, steps, options.tta):
        yield probability if channel is None else probability[channel]


def _scale(options: argparse.Namespace) -> StackScale:
    size = parse_pixel_size(options.pixel_size) if options.pixel_size else None
    return StackScale(options.resample, size)


def _steps(options: argparse.Namespace, stack: Stack, card: ModelCard) -> SliceSteps:
    scale = _scale(options)
    part = StackPart(stack, parse_region(options.region), scale)
    return SliceSteps(stack, part, scale.zoom(card, stack), card, options.tta)


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
        model = load_model(weights_of(options.run, options.ckpt))
        steps = _steps(options, stack, model.card)
        numbers = range(options.first + rank, len(steps), world_size)
        config = _config(options, model)
        shares = map(steps.step, numbers)
        predicted = _predict_on(device, options, config, model, stack, shares)
        for number, probability in zip(numbers, predicted, strict=True):
            leave_slice(options.parts, number, probability, world_size)


def _with_progress(
    predicted: Iterator[NDArray[np.float32]], first: int, steps: SliceSteps
) -> Iterator[NDArray[np.float32]]:
    """Give the steps from the first one on, and print how far they are and how long it takes."""
    count, slices = len(steps), steps.part.shape[0]
    interval = -(-count // LINES)
    begin = compiled = time.monotonic()
    if first == count:
        say(f"{slices} of {slices} slices, {format_duration(0)}")
    for done, probability in enumerate(predicted, first + 1):
        yield probability
        now, here = time.monotonic(), done - first
        compiled = now if here == 1 else compiled  # the network is compiled with the first
        whole = done // steps.bands
        if done == count:
            say(f"{slices} of {slices} slices, {format_duration(now - begin)}")
        elif done % interval == 0 and here > 1:
            left = (now - compiled) / (here - 1) * (count - done)
            say(f"{whole} of {slices} slices, {format_duration(left)} left")


if __name__ == "__main__":
    sys.exit(main())
