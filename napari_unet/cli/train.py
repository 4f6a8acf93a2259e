"""``napari-unet train``: start or resume a training on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from napari_unet.cli.options import config_options
from napari_unet.cli.progress.training_process import train_here
from napari_unet.cli.run_access import (
    RUNS_FOLDER,
    confirm_host_keys,
    resume_remotely,
    train_remotely,
)
from napari_unet.launchers.launcher import new_run_name
from napari_unet.launchers.server_path import ServerPath, check_absolute, data_of, find_server
from napari_unet.launchers.servers.predictions.data_there import describe_volumes, settled_there
from napari_unet.launchers.servers.predictions.record import is_prediction
from napari_unet.launchers.servers.profiles import find_profile, load_profiles
from napari_unet.runs.learning_on import learn_on_config, unseen_of_volumes
from napari_unet.runs.moved_data import find_data, move_data
from napari_unet.runs.training_places import THIS_COMPUTER, launcher_for
from napari_unet.training_python.choice import find_training_python
from training.config import NO_WEIGHTS, STARTER, TrainingConfig, format_numbers, preset_config
from training.console import lossy_output, say
from training.dataset.found_meanings import FoundMeaning, files_state, write_meanings
from training.dataset.pair_search import find_file
from training.dataset.resampled_pair import describe_sizes
from training.dataset.training_pair import open_pair
from training.dataset.volumes import VolumeFiles, choose_held_out, find_volumes, settle_data
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention, leading_convention
from training.model.weight_files import check_checkpoint
from training.presets.registry import DEFAULT_PRESET
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

_DATA_OPTIONS = ("data_url", "image", "labels")
_ID_OPTIONS = ("border", "unknown")


@click.command()
@config_options
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON with any options, such as another run's config.json; those given here go first.",
)
@click.option(
    "--out", metavar="RUN", type=click.Path(path_type=Path), help="New folder for the run."
)
@click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Go on with a run that was stopped or killed, as it was configured; --data (or --image "
    "and --labels) says where its data are now, if they were moved.",
)
@click.option("--remote", metavar="PROFILE", help="Train on this server; Ctrl-C then detaches.")
@click.option("--devices", type=int, default=0, help="How many on the server.")
@click.option(
    "--device-ids",
    "--device_ids",
    default="",
    metavar="IDS",
    help="Which NPUs of the server, as npu-smi shows them: 4,5.",
)
def command(
    config_file: Path | None,
    out: Path | None,
    resume: Path | None,
    remote: str | None,
    devices: int,
    device_ids: str,
    **options: Any,
) -> None:
    """Train a U-Net on a stack and its labels, or on several.

    Ctrl-C ends after the current step and keeps the model; so does making a file named stop
    in the run's folder, or closing the terminal. The steps are listed in the run's train.log.

    \b
    Examples:
      napari-unet train --data isbi --out runs/first
      napari-unet train --pair a.tif a-labels.tif --pair b.tif b-labels.tif
      napari-unet train --data crops --hold-out crop3
      napari-unet train --resume runs/first
      napari-unet train --data isbi --labels corrected.tif --weights runs/first
      napari-unet train --data isbi --remote lab --devices 8
      napari-unet train --data lab:/data/isbi --remote lab
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if resume is not None:
        moved = {name: given.pop(name) for name in _DATA_OPTIONS if name in given}
        if given or config_file or out:
            raise UserError(
                "--resume goes on with a run as it was configured.",
                "Give no other option, but --data where its data were moved.",
            )
        _resume(resume, devices, device_ids, moved)
        return
    if config_file is not None:
        given = _with_file(config_file, given)
    named = _data_given(given)
    check_absolute(named, load_profiles)
    if out is not None and ServerPath.parse(out):
        raise UserError(
            f"{out} is on a server, and a run, or its copy, is kept on this computer.",
            "Give a folder here: --out runs/first.",
        )
    place = find_server(named)
    if place and place != remote:
        raise UserError(f"The data are on {place}.", f"Train there: --remote {place}.")
    config, meanings = _configure(given)
    if not config.pairs and not config.data_url and not (config.image and config.labels):
        raise UserError("No data is given.", "Give --data DIR, --image and --labels, or --pair.")
    path = out or RUNS_FOLDER / new_run_name(config, RUNS_FOLDER, datetime.now().astimezone())
    if remote is not None:
        train_remotely(config, remote, devices, device_ids, path, meanings)
        return
    if devices or device_ids:
        raise UserError(
            f"{'--devices' if devices else '--device-ids'} is for a server.",
            "Name it with --remote, or use python -m training.launch_8p on this machine.",
        )
    python = find_training_python()
    run = RunDirectory(path)
    is_mine = not any(path.glob("*"))
    run.create(config)
    write_meanings(run.label_meanings, meanings)
    code = train_here(run, python)
    if is_mine and code == 2 and load_state(run.events).started is None:
        shutil.rmtree(path, ignore_errors=True)  # so that the same command can be given again
    sys.exit(code)


def _with_file(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Give the options of a file and those given, which go first.

    Other data take the place of the file's, and what their labels mean is found out again.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    options = TrainingConfig.options_of(text, source=str(path))
    options.pop("num_classes", None)  # as many as there are classes
    of_data = (*_DATA_OPTIONS, "pairs")
    named = {name for name in of_data if options.get(name)}
    replaced = named & given.keys()
    if "pairs" in given:
        replaced = named
    elif "data_url" in given:
        replaced |= {name for name in named if name == "pairs" or Path(options[name]).is_absolute()}
    elif given.keys() & of_data:
        replaced |= named & {"pairs"}
    has_other_labels = bool(replaced - {"image"}) or (named and "labels" in given)
    if has_other_labels or "classes" in given:
        options.pop("label_convention", None)
    left_out = replaced.union(name for name in (*of_data, "classes") if not options.get(name))
    return {name: value for name, value in options.items() if name not in left_out} | given


def _configure(given: dict[str, Any]) -> tuple[TrainingConfig, list[FoundMeaning]]:
    """The configuration of a new run: from a run or a preset, with the options given.

    With it comes what the labels mean, where they had to be counted.
    """
    server = find_server(_data_given(given))
    if server:
        given = _find_there(server, given)
    elif "data_url" in given:
        given["data_url"] = _absolute(given["data_url"])
    weights = given.get("weights", NO_WEIGHTS)
    if weights not in (STARTER, NO_WEIGHTS):
        given["weights"] = weights = _absolute(weights)
        if not Path(weights).is_dir():
            check_checkpoint(Path(weights))
    volumes = []
    if not server:
        _locate(given, given.get("data_url", ""))
        given = settle_data(given)
        volumes = _find_volumes(given)
    meanings: list[FoundMeaning] = []
    source = Path(weights) if Path(weights).is_absolute() and Path(weights).is_dir() else None
    if volumes:
        options, meanings = _read_labels(volumes, given, source)
        given |= options
    if source is None:
        return preset_config(given.pop("preset", DEFAULT_PRESET), **given), meanings
    del given["weights"]
    if server and set(_data_given(given)) & set(data_of(RunDirectory(source).read_config())):
        raise UserError(
            f"{source} was trained on these data, and which slices it has not seen can only be "
            "found where they are.",
            f"Begin with --weights {STARTER}, or train on a copy of the data that is here.",
        )
    if volumes:
        given["valid_slices"] = format_numbers(unseen_of_volumes(source, volumes))
    return learn_on_config(source, **given), meanings


def _find_volumes(given: dict[str, Any]) -> list[VolumeFiles]:
    """Find the volumes, if data are given; and check that those to hold out are among them."""
    has_files = given.get("data_url") or ("image" in given and "labels" in given)
    if not (has_files or given.get("pairs")):
        return []
    names = ("data_url", "image", "labels", "pairs", "hold_out")
    named = {name: given[name] for name in names if name in given}
    volumes = find_volumes(preset_config(DEFAULT_PRESET, **named))
    choose_held_out(given.get("hold_out", ()), [volume.name for volume in volumes])
    return volumes


def _read_labels(
    volumes: list[VolumeFiles], given: dict[str, Any], source: Path | None
) -> tuple[dict[str, Any], list[FoundMeaning]]:
    """Say how the labels are read, and give the options of the configuration that keep it."""
    asked, of_ids = _id_options(given, source)
    ids = TrainingConfig(label_convention=LabelConvention.INSTANCES, **of_ids).ids
    named = _classes_option(given, source)
    pairs = given.get("pairs", ())
    asked_of = [pair.convention for pair in pairs] or [given.get("label_convention")]
    open_files = partial(
        open_pair,
        ids=ids,
        classes=LabelClasses.parse(named.get("classes", "")),
    )
    conventions, meanings, sizes = [], [], {}
    for volume, wanted in zip(volumes, asked_of, strict=True):
        files = volume.image, volume.labels
        state = files_state(*files)
        with lossy_output(), open_files(*files, convention=wanted) as opened:
            beginning = f"{volume.name}: " if len(volumes) > 1 else ""
            for sentence in opened.meaning.describe():
                say(beginning + sentence)
            conventions.append(opened.meaning.convention)
            named = _agree(named, opened.meaning.classes, volume.name)
            sizes[volume.name] = opened.images.pixel_size
            if files_state(*files) == state:  # they have not changed while they were read
                meanings.append(FoundMeaning(state, ids, opened.meaning))
    if len(volumes) > 1:
        with lossy_output():
            for sentence in describe_sizes(sizes):
                say(sentence)
    options = _label_options(conventions, asked, of_ids) | named
    if len(volumes) > 1:
        options["pairs"] = [
            pair._replace(convention=convention)
            for pair, convention in zip(pairs, conventions, strict=True)
        ]
    return options, meanings


def _label_options(
    conventions: Sequence[LabelConvention], asked: dict[str, Any], of_ids: dict[str, Any]
) -> dict[str, Any]:
    """Say of volumes with labels of these conventions how they are read."""
    leading = leading_convention(conventions)
    are_ids = leading == LabelConvention.INSTANCES
    return {"label_convention": leading, **(of_ids if are_ids else asked)}


def _id_options(
    given: dict[str, Any], source: Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of how ids are read: those given; and with them those of the run learned on from."""
    asked = {name: given[name] for name in _ID_OPTIONS if name in given}
    former = {} if source is None else vars(RunDirectory(source).read_config())
    return asked, {name: former[name] for name in _ID_OPTIONS if name in former} | asked


def _classes_option(given: dict[str, Any], source: Path | None) -> dict[str, str]:
    """Give the classes that are named, else those of the run learned on from, if there are any."""
    former = "" if source is None else RunDirectory(source).read_config().classes
    classes = given.get("classes", former)
    return {"classes": classes} if classes else {}


def _agree(named: dict[str, str], classes: LabelClasses, volume: str) -> dict[str, str]:
    """Take the classes that a volume's file names; those of all volumes must be the same."""
    known = LabelClasses.parse(named.get("classes", ""))
    if not classes or known == classes:
        return named
    if known:
        raise UserError(
            f"{volume} has other classes than the volumes before: {classes.describe()}.",
            "Name those of all by --classes.",
        )
    return {"classes": classes.text}


def _data_given(given: dict[str, Any]) -> list[str]:
    """The files and folders that options name; what lies in a data folder goes with that."""
    folder = given.get("data_url")
    files = [given[name] for name in ("image", "labels") if name in given]
    pairs = [path for pair in given.get("pairs", ()) for path in pair[:2]]
    if folder and ServerPath.parse(folder):
        files = list(filter(ServerPath.parse, files))
    return [*([folder] if folder else []), *files, *pairs]


def _find_there(server: str, given: dict[str, Any]) -> dict[str, Any]:
    """Find data on a server, and say how their labels are read; the options that keep it."""
    profile = find_profile(server)
    weights = Path(given.get("weights", NO_WEIGHTS))
    asked, of_ids = _id_options(given, weights if weights.is_dir() else None)
    kept = {name: value for name, value in given.items() if name not in (*_DATA_OPTIONS, "pairs")}
    named = {name: _there(given[name]) for name in (*_DATA_OPTIONS, "pairs") if name in given}
    classes = _classes_option(given, weights if weights.is_dir() else None)
    request = named | of_ids | classes
    request |= {name: given[name] for name in ("label_convention", "hold_out") if name in given}
    there = confirm_host_keys(lambda: describe_volumes(profile, request))
    for sentence in there.sentences:
        say(sentence)
    conventions = [pair.convention for pair in there.pairs if pair.convention]
    read = _label_options(conventions, asked, of_ids) | classes
    return kept | settled_there(server, there) | read


def _there(named: Any) -> Any:
    """Give paths on a server without its name, however many they are."""
    if isinstance(named, str):
        path = ServerPath.parse(named)
        return named if path is None else path.path
    return [_there(part) for part in named]


def _locate(given: dict[str, Any], folder: str) -> None:
    """Give the files of images and labels, which may be named as in the data folder, as paths."""
    for name in ("image", "labels"):
        if name in given:
            given[name] = _absolute(find_file(Path(folder), given[name]))


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (keeps links as they are)


def _resume(path: Path, devices: int, device_ids: str, moved: dict[str, str]) -> None:
    run = RunDirectory(path.absolute())
    if is_prediction(run):
        raise UserError(
            f"{path} is a prediction.",
            f"Go on with it: napari-unet predict --resume {shlex.quote(run.name)}",
        )
    if launcher_for(run).name == THIS_COMPUTER and not (devices or device_ids):
        run = _resumable(path)
        if moved:
            data = (moved.get(name, "") for name in _DATA_OPTIONS)
            for sentence in move_data(run, *data):
                say(sentence)
        find_data(run)
        python = find_training_python()
        run.stop_request.unlink(missing_ok=True)
        sys.exit(train_here(run, python))
    if moved:
        raise UserError(
            f"The data of {path} are on its server.", "Resume it without --data, and they are used."
        )
    resume_remotely(run, devices, device_ids)


def _resumable(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.read_config()
    if run.is_running():
        raise UserError(f"The run {path} is training now.", "Stop it first.")
    if load_state(run.events).status == "finished":
        raise UserError(
            f"The run {path} has finished; there is nothing to resume.",
            f"Start a new run, from its weights if you like: --weights {run.best}.",
        )
    return run
