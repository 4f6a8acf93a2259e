"""Predictions on a server: what is asked for, their progress, and their results brought home."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from napari_unet.cli.progress.prediction_display import PredictionDisplay
from napari_unet.cli.run_access import (
    RUNS_FOLDER,
    UPDATE_SECONDS,
    confirm_host_keys,
    find_run,
    show_progress,
)
from napari_unet.cli.stacks.many_stacks import Results
from napari_unet.cli.stacks.prediction_place import RemoteOptions
from napari_unet.launchers.launcher import new_name
from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.predictions.record import (
    ENDED_BADLY,
    KINDS,
    Kind,
    read_prediction,
    result_path,
)
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.prediction.model_source import find_model
from napari_unet.runs.training_places import launcher_for
from napari_unet.text import as_argument
from training.class_thresholds import Thresholds
from training.console import say, warn
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.files.file_locks import hold_lock
from training.formats.pixel_size import Offset, PixelSize
from training.label_convention import LabelConvention
from training.masks.result_files import check_class_results, result_pixels
from training.masks.writer_choice import open_writer
from training.model.class_choice import card_of_channel, find_channel
from training.model.stack_part import Bounds, StackPart, moved_offset, region_text
from training.model.stack_scale import StackScale
from training.opening import open_stack
from training.runs.run_directory import RunDirectory

Use = Callable[[RunDirectory, Offset], None]
"""Does with a prediction's results, in its folder here, what was asked for."""


def scale_there(scale: StackScale) -> dict[str, str]:
    """Give the options of ``training.predict`` that say at which scale a stack is predicted."""
    options = {"resample": ""} if scale.resample else {}
    if scale.pixel_size is not None:
        size = scale.pixel_size
        sides = (size.z, size.y, size.x)
        options["pixel_size"] = ",".join(repr(side) for side in sides if side is not None)
    return options


def check_model_there(
    model: Path,
    of_class: str | None,
    kinds: Iterable[str],
    thresholds: Thresholds,
    scale: StackScale,
    convention: LabelConvention,
) -> None:
    """Refuse what a model can't do, before it is sent.

    That is a class that it does not have, what is of one where all are predicted, thresholds that
    are not of what is predicted, and resampling where it does not know its pixel size.

    Raises
    ------
    UserError
    """
    source = find_model(model)
    card = source.read_card()
    channel = find_channel(card, of_class, source.path)
    classes = card_of_channel(card, channel).label_classes
    check_class_results(classes, kinds, convention)
    thresholds.of(classes)
    scale.check(card, source.path)


def region_there(region: Bounds, stack: Path) -> dict[str, str]:
    """Give the options of ``training.predict`` that say which part of a stack is predicted.

    Raises
    ------
    UserError
        If a stack of this computer has no such part, or can't be read.
    """
    text = region_text(region)
    if text and not ServerPath.parse(stack):
        with open_stack(stack) as opened:
            StackPart(opened, region, StackScale())
    return {"region": text} if text else {}


def ask_for(
    model: Path, stack: Path, results: Mapping[Kind, Path], **more: Any
) -> PredictionRequest:
    """Make the request of a prediction: results that are not on the server come home.

    Parameters
    ----------
    results : mapping of str to Path
        By kind, as the person named them.
    **more
        Of :class:`PredictionRequest`.
    """
    named = {kind: ServerPath.parse(path) for kind, path in results.items()}
    places = {kind: there.path if there else "" for kind, there in named.items()}
    return PredictionRequest(model, ServerPath.parse(stack) or stack, places, **more)


def predict_into_files(
    place: RemoteOptions,
    model: Path,
    region: Bounds,
    options: Mapping[str, str],
    overwrite: bool,
    written: Mapping[str, Any],
    stack: Path,
    results: Results,
) -> None:
    """Predict on a server into files that are there, or here, when they are whole.

    Parameters
    ----------
    options : mapping of str to str
        Of ``training.predict``, but for the part of the stack.
    written : mapping of str to object
        Of :func:`bring_home`.
    """
    kinds = {kind: results[kind] for kind in KINDS if kind in results}
    there = {**options, **region_there(region, stack)}
    request = ask_for(model, stack, kinds, options=there, overwrite=overwrite)
    use = partial(bring_home, results, region=region, overwrite=overwrite, **written)
    predict_remotely(place, request, use)


def predict_remotely(place: RemoteOptions, request: PredictionRequest, use: Use) -> None:
    """Predict on a server, and use the results; the same command goes on with what went on there.

    When they have been used, nothing of the prediction is left on the server, nor in its folder
    here. The process exits with code 1 where there are none: it was interrupted, or failed.
    """
    profile = find_profile(place.server)
    launcher = PredictionLauncher(
        profile, RUNS_FOLDER, place.devices, show_progress, place.device_ids
    )
    name = new_name("predict", RUNS_FOLDER, datetime.now().astimezone())
    run, offset, is_new = confirm_host_keys(lambda: launcher.predict(request, name))
    say(f"{'The' if is_new else 'Going on: the'} prediction is {run.name}, on {launcher.name}.")
    with _alone(run):
        if not follow_prediction(run, launcher, "The same command goes on with it"):
            sys.exit(1)
        use(run, offset)
        for kind, path in request.left_there.items():
            say(f"{kind}: {ServerPath(launcher.name, path)}")
        try:
            launcher.cancel(run, delete=True)
        except UserError as error:
            warn(f"{run.name} is left on {launcher.name}: {error}")


@contextmanager
def _alone(run: RunDirectory) -> Iterator[None]:
    """Keep other commands from bringing a prediction home meanwhile: one deletes it then.

    Raises
    ------
    UserError
        If another does, or has done so.
    """
    with ExitStack() as lock:
        try:
            lock.enter_context(hold_lock(run.path, patience=0.0, is_left=False))
        except UnwritableError:
            raise
        except UserError as error:
            raise UserError(
                f"Another command is waiting for the results of {run.name}.",
                "Wait for it; or end it, and give this one again.",
            ) from error
        if not run.path.exists():
            raise UserError(
                f"Another command has brought home the results of {run.name} just now.",
                "Give this one again where its results are others.",
            )
        yield


def place_home(offset: Offset, region: Bounds, size: PixelSize | None) -> Offset:
    """Say where a part of a stack begins, in nm, which its TIF can't."""
    z, y, x = (start for start, _ in region)
    return moved_offset(offset, (z, y, x), size)


def bring_home(
    results: Mapping[str, Path],
    run: RunDirectory,
    offset: Offset,
    *,
    region: Bounds,
    **written: Any,
) -> None:
    """Write the results that came home under their names, in the formats that these say.

    Parameters
    ----------
    results : mapping of str to Path
        By kind; those on the server are left there.
    run : RunDirectory
        The prediction's folder.
    offset : Offset
        Where the stack begins, in nm.
    region : tuple of (int, int or None)
        The part of it that they are of.
    **written
        Options of :func:`open_writer`.
    """
    coming = [kind for kind in read_prediction(run).coming_home if kind in results]
    with ExitStack() as opened:  # all get their names, or none where one can't be written
        for kind in coming:
            pages = opened.enter_context(open_stack(result_path(run, kind)))
            options = {**written, **result_pixels(kind), "pixel_size": pages.pixel_size}
            where = place_home(offset, region, pages.pixel_size)
            if pages.label_note is not None:
                options["classes"] = pages.label_note.classes
            about = results[kind], pages.shape
            writer = opened.enter_context(open_writer(*about, offset=where, **options))
            for page in pages:
                writer.write(page)
    for kind in coming:
        say(f"{kind}: {results[kind]}")


def resume_prediction(name: str, place: RemoteOptions) -> None:
    """Go on with a prediction on a server that was killed, and bring its results to its folder.

    Raises
    ------
    UserError
        If it can't go on, or other options are given than on which devices it does.
    """
    context = click.get_current_context()
    for option in context.params.keys() - {"resume", "devices", "device_ids"}:
        if context.get_parameter_source(option) == ParameterSource.COMMANDLINE:
            raise UserError(
                "--resume goes on with a prediction as it was asked for.",
                "Give no other option, but --devices or --device-ids.",
            )
    run = find_run(name)
    launcher = launcher_for(run)
    if not isinstance(launcher, PredictionLauncher):
        raise UserError(
            f"{run.name} is not a prediction on a server.",
            f"A training is resumed by napari-unet train --resume {shlex.quote(str(run.path))}.",
        )
    confirm_host_keys(lambda: launcher.resume(run, place.devices, place.device_ids))
    say(f"Going on: the prediction is {run.name}, on {launcher.name}.")
    follow_until_home(run, launcher)


def follow_until_home(run: RunDirectory, launcher: PredictionLauncher) -> None:
    """Watch a prediction until its results are in its folder; exit with code 1 if there are none.

    Where they are to go else is known to the command that asked for them alone.
    """
    afterwards = f"Follow it again: napari-unet follow {as_argument(run.name)}"
    if not follow_prediction(run, launcher, afterwards):
        sys.exit(1)
    for kind, place in read_prediction(run).results.items():
        say(f"{kind}: {ServerPath(launcher.name, place) if place else result_path(run, kind)}")


def follow_prediction(run: RunDirectory, launcher: PredictionLauncher, afterwards: str) -> bool:
    """Show how far a prediction is until its results are in its folder here.

    Parameters
    ----------
    afterwards : str
        What to do after an interruption.

    Returns
    -------
    bool
        Whether they are there; else it was stopped, failed, or Ctrl-C was pressed: it goes on.
    """
    with PredictionDisplay(run) as display:
        try:
            return _follow(run, launcher, display)
        except KeyboardInterrupt:
            ending = f"end it: napari-unet stop {as_argument(run.name)}"
            display.say(f"\nThe prediction goes on. {afterwards}; {ending}")
            return False


def _follow(run: RunDirectory, launcher: PredictionLauncher, display: PredictionDisplay) -> bool:
    lost = ""
    pause = threading.Event()
    while True:
        try:
            confirm_host_keys(lambda: launcher.refresh(run))
            state = launcher.state(run)
            display.show(state)
            if state.status == "finished":
                confirm_host_keys(lambda: launcher.fetch(run))
                return True
            if state.status in ENDED_BADLY:
                display.say(f"The prediction {run.name} is {state.status}.")
                if state.problem:
                    say(f"Error: On {launcher.name}: {state.problem}", to_stderr=True)
                return False
        except ConnectionLostError as error:
            if str(error) != lost:
                lost = str(error)
                display.say(lost)
        pause.wait(UPDATE_SECONDS)
