"""Starts a training on what a person chose: checked first, and written where it has no file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_unet.launchers.launcher import Launcher, check_run_name
from napari_unet.runs.run_titles import write_title
from napari_unet.runs.training_sources import PairSource, Prepared, TrainingData
from napari_unet.runs.training_there import DataThere
from training.config import TrainingConfig
from training.dataset.found_meanings import FoundMeaning, files_state
from training.errors import UserError
from training.label_convention import IdBorders
from training.runs.run_directory import RunDirectory
from training.stacks.label_meaning import LabelMeaning


def start_training(
    launcher: Launcher, data: TrainingData | DataThere, config: TrainingConfig, name: str
) -> RunDirectory:
    """Check the data, write what has no file yet, and start; data on a server are checked there.

    Parameters
    ----------
    config : TrainingConfig
        Its data options are taken from ``data``.
    name : str
        Name of the new run.

    Raises
    ------
    UserError
        For the first problem of the data, or if the run can't be started; nothing is left
        behind then.
    """
    if isinstance(data, DataThere):
        started = launcher.start(data.settle(config, launcher.name), name)
        write_title(started, data.name)
        return started
    pairs = data.pairs()
    # Each of several is read as its own values say.
    convention = config.label_convention if len(pairs) == 1 else None
    states = [pair.state() for pair in pairs]
    classes = config.label_classes
    meanings = [pair.check(convention, config.ids, classes) for pair in pairs]
    run = RunDirectory(launcher.runs_folder.absolute() / check_run_name(name))
    if run.path.exists():
        raise UserError(f"There is a run '{name}' already.", "Give another name.")
    try:
        prepared = _prepare(pairs, meanings, run.data)
        known = list(_found(prepared, states, config.ids))
        started = launcher.start(_with_data(config, data, prepared), name, known)
    except UserError:
        if not run.config.exists():
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    write_title(started, data.name)
    return started


def _prepare(
    pairs: Sequence[PairSource], meanings: Sequence[LabelMeaning], folder: Path
) -> list[Prepared]:
    """Write what has no file yet, of several pairs to a folder each."""
    if len(pairs) == 1:
        return [pairs[0].prepare(folder, meanings[0])]
    names = _distinct([pair.name for pair in pairs])
    prepared = [
        pair.prepare(folder / str(place), meaning)
        for place, (pair, meaning) in enumerate(zip(pairs, meanings, strict=True))
    ]
    return [
        replace(pair, files=pair.files._replace(name=name))
        for pair, name in zip(prepared, names, strict=True)
    ]


def _found(
    prepared: Sequence[Prepared], states: Sequence[str], ids: IdBorders
) -> Iterator[FoundMeaning]:
    """Give what is known of the files, but of those that have changed while they were read."""
    for pair, before in zip(prepared, states, strict=True):
        now = files_state(Path(pair.files.image), Path(pair.files.labels))
        if pair.meaning is not None and before in ("", now):
            yield FoundMeaning(now, ids, pair.meaning)


def _with_data(
    config: TrainingConfig, data: TrainingData, prepared: Sequence[Prepared]
) -> TrainingConfig:
    """Give the configuration with the paths of pairs."""
    files = [pair.files for pair in prepared]
    if len(files) == 1:
        image, labels, convention, _ = files[0]
        changes = {"image": image, "labels": labels, "label_convention": convention}
        return config.replace(data_url="", **changes)
    hold_out = tuple(files[place].name for place in data.held_out)
    return config.replace(data_url="", image="", labels="", pairs=tuple(files), hold_out=hold_out)


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the names that come again."""
    found: list[str] = []
    for name in names:
        count = found.count(name) + sum(other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({count + 1})" if count else name)
    return found
