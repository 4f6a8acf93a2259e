"""Learning on from a model: with new labels, and compared with the old one on held-out slices."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_unet.launchers.launcher import new_run_name
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_list import list_runs
from napari_unet.runs.training_sources import LayerData
from napari_unet.runs.training_start import start_training
from napari_unet.settings import Settings, load_settings, remember
from training.config import FOLDS, TrainingConfig, format_numbers, preset_config
from training.dataset.pair_search import DEFAULT_IMAGES
from training.dataset.volumes import VolumeFiles, find_volumes
from training.errors import UserError
from training.files.append_files import open_to_append
from training.label_convention import LabelConvention
from training.opening import open_stack
from training.presets.registry import find_preset
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, load_state
from training.stacks.sparse_labels import labelled_slices


def learn_on(data: LayerData) -> RunDirectory:
    """Start a training on this machine that begins from the model in use.

    Parameters
    ----------
    data : LayerData
        Images and sparse labels.

    Raises
    ------
    UserError
        If there is no model yet, or nothing can be started.
    """
    source = current_model()
    if source is None:
        raise UserError("There is no model to keep training from.", "Train a model first.")
    labelled = None
    if is_same_stack(source, tuple(data.images.data.shape), data.images.path):
        labelled = labelled_slices(data.labels.data)
    config = learn_on_config(source.path, labelled, label_convention=LabelConvention.SPARSE)
    launcher = LocalLauncher(Path(load_settings().runs_folder))
    name = new_run_name(config, launcher.runs_folder, datetime.now())
    return start_training(launcher, data, config, name)


def use(run: RunDirectory) -> RunDirectory:
    """Use a run's model from now on, better or not."""
    accept(run)
    remember(Settings(model=str(run.path)))
    return run


def use_if_better(run: RunDirectory) -> bool:
    """Use a run's model from now on if it takes the place of the one it began from.

    Returns
    -------
    bool
        Whether it does.
    """
    is_taken = takes_place(run)
    if is_taken:
        remember(Settings(model=str(run.path)))
    return is_taken


def learn_on_config(
    source: Path, labelled: Sequence[int] | None = None, **changes: Any
) -> TrainingConfig:
    """The configuration of a run that begins from another's best model.

    Its preset and fold are the other run's, and its learning rate is lower than that of fresh
    weights. If it is trained on the same stack, it holds out slices that the other run has not
    been trained on either, so that the two models can be compared.

    Parameters
    ----------
    source : Path
        Folder of the other run.
    labelled : sequence of int, optional
        The slices of the same stack that have labels now; None: it is another stack.
    **changes
        Options of :class:`TrainingConfig`, which go first.

    Raises
    ------
    UserError
        If there is no model, or it is of another preset than the one asked for.
    """
    run = _run_of(source)
    former = run.read_config()
    if not run.best.exists():
        raise UserError(f"The run {run.path} has no model yet.", "Let it train first.")
    preset = changes.pop("preset", former.preset)
    if preset != former.preset:
        raise UserError(
            f"The model of {run.path} is a {former.preset}, not a {preset}.",
            f"Keep training with {former.preset}, or start with fresh weights.",
        )
    options: dict[str, Any] = {
        **find_preset(preset).learn_on_recipe,
        "cross_valid_ind": former.cross_valid_ind,
        "weights": str(run.path.absolute()),
    }
    if labelled is not None:
        options["valid_slices"] = format_numbers(unseen_slices(run, labelled))
    return preset_config(preset, **{**options, **changes})


def unseen_slices(run: RunDirectory, labelled: Sequence[int]) -> list[int]:
    """Slices to hold out from a run that learns on: those that the other run held out as well.

    Where it held out strokes of the slices that it was trained on, it is a fifth of the slices
    that it has not seen at all; or none, if there are fewer than two.
    """
    state = load_state(run.events)
    trained = set(state.train_slices)
    held_out = [index for index in state.valid_slices if index not in trained]
    held_out = [index for index in held_out if index in labelled]
    if held_out:
        return held_out
    unseen = [index for index in labelled if index not in trained]
    count = max(1, round(len(unseen) / FOLDS))
    return unseen[-count:] if len(unseen) > 1 else []


def unseen_of_volumes(source: Path, volumes: Sequence[VolumeFiles]) -> list[int]:
    """Numbers of the slices to hold out of volumes, some of which another run was trained on.

    Parameters
    ----------
    source : Path
        Folder of the other run.
    volumes : sequence of VolumeFiles
        What is learned on from.

    Returns
    -------
    list of int
        See :func:`unseen_slices`; none of the volumes that are new.

    Raises
    ------
    UserError
        If labels can't be read.
    """
    run = _run_of(source)
    try:
        former = find_volumes(run.read_config())
    except UserError:  # they are gone, or on another machine
        return []
    lengths = [*load_state(run.events).volumes.values()]
    first_of = {
        os.path.realpath(volume.image): sum(lengths[:place]) for place, volume in enumerate(former)
    }
    held_out, number = [], 0
    for volume in volumes:
        with open_stack(volume.labels, "labels") as labels:
            first = first_of.get(os.path.realpath(volume.image))
            if first is not None:
                labelled = [first + index for index in labelled_slices(labels)]
                held_out += [number - first + seen for seen in unseen_slices(run, labelled)]
            number += len(labels)
    return held_out


def takes_place(run: RunDirectory) -> bool:
    """Whether a run's model is the one to use from now on.

    It is if it did not begin from another, is better than that one, or a person said so.
    """
    comparison = load_state(run.events).comparison
    return comparison is None or comparison["is_better"] or run.accepted.exists()


def accept(run: RunDirectory) -> None:
    """Let a run's model take the place of the one that it began from, better or not."""
    open_to_append(run.accepted).close()


def _run_of(source: Path) -> RunDirectory:
    """The run whose folder or best.safetensors is given."""
    run = RunDirectory(source)
    if source.name == run.best.name and source.parent.name == run.checkpoints.name:
        return RunDirectory(source.parent.parent)
    return run


def current_model() -> RunDirectory | None:
    """The run whose model is in use: that of the last prediction, else the newest that may be."""
    settings = load_settings()
    last = RunDirectory(Path(settings.model))
    if settings.model and last.best.exists():
        return last
    for summary in list_runs(Path(settings.runs_folder)):
        if summary.run.best.exists() and takes_place(summary.run):
            return summary.run
    return None


def is_same_stack(run: RunDirectory, shape: tuple[int, ...], path: Path | None) -> bool:
    """Whether a run was trained on this stack alone: on its file, or on a copy of the same shape.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) of the stack.
    path : Path or None
        Its file, if it has one.
    """
    config = run.read_config()
    if config.pairs:
        return False
    trained_on = Path(config.image or Path(config.data_url) / DEFAULT_IMAGES)
    is_copy = run.data.absolute() in trained_on.absolute().parents
    if path is not None and not is_copy:
        return trained_on.absolute() == path.absolute()
    try:
        with open_stack(trained_on) as stack:
            return stack.shape == shape
    except UserError:
        return False


def comparison_text(state: RunState) -> str:
    """How a model that learned on compares with the one that it began from, in a sentence."""
    comparison = state.comparison
    if comparison is None:
        return "The new model could not be compared with the old one: no slice was held out."
    slices = comparison["slices"]
    where = "slice" if len(slices) == 1 else "slices"
    before, after = comparison["before"]["dice"], comparison["after"]["dice"]
    verdict = (
        "The new model is better and takes the old one's place."
        if comparison["is_better"]
        else "The new model is not better: the old one stays in use."
    )
    listed = ", ".join(map(str, slices))
    return f"Dice on held-out {where} {listed}: old {before:.3f}, new {after:.3f}. {verdict}"
