"""The files that a training needs: found, checked to be what they should be, and sent as TIFs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet.launchers.launcher import OnProgress, UploadProgress
from napari_unet.launchers.server_path import ServerPath, data_of, find_server, on_server
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.store import Store
from training.config import STARTER, TrainingConfig
from training.data_pairs import DataPair
from training.dataset.cropped_stack import crop_to
from training.dataset.found_meanings import FileState, FoundMeaning, files_state, hash_states
from training.dataset.volumes import VolumeFiles, find_volumes
from training.errors import UserError
from training.files.untrusted_files import is_inside
from training.formats.stack import Stack
from training.formats.tif_stack import TifStack
from training.label_convention import IdBorders
from training.masks.writer_choice import open_writer
from training.model.saved_model import starting_weights
from training.model.weight_files import check_checkpoint
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.label_meaning import LabelMeaning

_STATE = re.compile(r"(\d{1,20}) (\d{1,20}) (\d{1,20}) (\d{1,20})\.(\d{9})")


@dataclass(frozen=True)
class Inputs:
    """Files of this machine that a training reads.

    Parameters
    ----------
    volumes : list of VolumeFiles
        The images and their labels; none where these are on the server.
    weights : Path or None
        The checkpoint that a new run starts from, if it does not come with this package.
    """

    volumes: list[VolumeFiles]
    weights: Path | None

    @property
    def files(self) -> list[Path]:
        """All that leaves this machine."""
        stacks = [path for volume in self.volumes for path in (volume.image, volume.labels)]
        return [*stacks, *filter(None, [self.weights])]


def find_inputs(config: TrainingConfig) -> Inputs:
    """Find the files that a configuration names, and check what they are.

    They are about to leave this machine, and a configuration may be a stranger's.

    Raises
    ------
    UserError
        If one is missing, or is not a stack or a checkpoint.
    """
    volumes = [] if find_server(data_of(config)) else find_volumes(config)
    for volume in volumes:
        for path, what in ((volume.image, "images"), (volume.labels, "labels")):
            open_stack(path, what).close()
    weights = None if config.weights == STARTER else starting_weights(config.weights)
    if weights is not None:
        check_checkpoint(weights)
    return Inputs(volumes, weights)


def write_tifs(
    config: TrainingConfig, inputs: Inputs, folder: Path, on_progress: OnProgress
) -> TrainingConfig:
    """Write stacks of other formats as TIFs: a server opens these, whatever is installed there.

    Labels keep their values, and both their pixel sizes.

    Parameters
    ----------
    folder : Path
        Gets the TIFs; made if there are any.

    Returns
    -------
    TrainingConfig
        It names the TIFs, and volumes as before; the same where all stacks are TIFs.

    Raises
    ------
    UserError
        If a stack is damaged, or the disk is full.
    """
    files = [
        _write_pair(volume, folder / str(place), on_progress)
        for place, volume in enumerate(inputs.volumes)
    ]
    if files == [(volume.image, volume.labels) for volume in inputs.volumes]:
        return config
    if not config.pairs:
        ((image, labels),) = files
        return config.replace(data_url="", image=str(image), labels=str(labels))
    pairs = [
        DataPair(str(image), str(labels), volume.convention, volume.name)
        for (image, labels), volume in zip(files, inputs.volumes, strict=True)
    ]
    return config.replace(pairs=tuple(pairs))


def _write_pair(volume: VolumeFiles, folder: Path, on_progress: OnProgress) -> tuple[Path, Path]:
    """Write what of a volume is no TIF; the paths of its images and labels."""
    with open_stack(volume.image) as whole, open_stack(volume.labels, "labels") as labels:
        images = crop_to(whole, labels)  # a TIF can't say which part of the images labels cover
        kinds = {"images": images, "labels": labels}
        paths = [
            stack.path
            if isinstance(stack, TifStack)
            else write_tif(stack, folder / kind, kind == "labels", on_progress)
            for kind, stack in kinds.items()
        ]
    return paths[0], paths[1]


def write_tif(stack: Stack, folder: Path, is_label: bool, on_progress: OnProgress) -> Path:
    """Write a stack of another format as a TIF in a folder, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, size = folder / f"{stack.name}.tif", math.prod(stack.shape) * stack.dtype.itemsize
    about = path, stack.shape, stack.dtype
    with open_writer(*about, is_label=is_label, pixel_size=stack.pixel_size) as writer:
        for done, page in enumerate(stack, 1):
            writer.write(page)
            on_progress(UploadProgress(f"{stack.name} as TIF", size * done // len(stack), size))
    return path


def find_own_inputs(run: RunDirectory) -> Inputs:
    """Find the files of a run that never began, which must lie in its own folder.

    Raises
    ------
    UserError
        As :func:`find_inputs`, and if a file lies elsewhere on this machine.
    """
    config = run.read_config()
    inputs = find_inputs(config)
    outside = [str(path) for path in inputs.files if not is_inside(path, run.path)]
    outside += filter(ServerPath.parse, data_of(config))
    if outside:
        raise UserError(
            f"The run {run.name} never began on its server, and {outside[0]} is not in its folder: "
            "a run's folder from somebody else could name any file of yours.",
            "Start a new run with this file.",
        )
    return inputs


async def upload_inputs(store: Store, config: TrainingConfig, inputs: Inputs) -> TrainingConfig:
    """Send a configuration's files to a server; the configuration with their paths there."""
    pairs = [
        DataPair(
            await store.put_data(volume.image),
            await store.put_data(volume.labels),
            volume.convention,
            volume.name,
        )
        for volume in inputs.volumes
    ]
    changes: dict[str, Any] = {"pairs": pairs}
    if not pairs:
        changes = on_server(config, store.server.profile.name)
    elif not config.pairs:
        changes = {
            "data_url": str(store.folder.store),
            "image": pairs[0].image,
            "labels": pairs[0].labels,
        }
    if inputs.weights is not None:
        changes["weights"] = await store.put_data(inputs.weights)
    if config.device == "auto":
        changes["device"] = store.server.profile.device
    return config.replace(**changes)


def known_meanings(
    volumes: Sequence[VolumeFiles], ids: IdBorders, known: Sequence[FoundMeaning]
) -> list[LabelMeaning | None]:
    """Give what is known of the labels of volumes whose files have not changed since."""
    states = [files_state(volume.image, volume.labels) for volume in volumes]
    return [
        next((found.meaning for found in known if found.fits(state, volume.convention, ids)), None)
        for state, volume in zip(states, volumes, strict=True)
    ]


async def meanings_there(
    server: Server, config: TrainingConfig, meanings: Sequence[LabelMeaning | None]
) -> list[FoundMeaning]:
    """Find out by which states a server's training knows the files that were sent there.

    Parameters
    ----------
    config : TrainingConfig
        With the paths on the server.
    meanings : sequence of LabelMeaning or None
        What is known of each volume. Nothing is, where the server can't tell the state of files.
    """
    volumes = config.pairs or (DataPair(config.image, config.labels),)
    files = [path for volume in volumes for path in volume[:2]]
    told = (await server.run(scripts.file_states(files))).splitlines()
    states = [*filter(None, map(_read_state, files, told))]
    if len(states) < len(files):
        return []
    pairs = zip(states[::2], states[1::2], meanings, strict=True)
    return [
        FoundMeaning(hash_states(pair), config.ids, meaning)
        for *pair, meaning in pairs
        if meaning is not None
    ]


def _read_state(path: str, line: str) -> FileState | None:
    match = _STATE.fullmatch(line)
    if match is None:
        return None
    device, inode, size, seconds, nanoseconds = match.groups()
    return FileState(path, int(device), int(inode), int(size), int(seconds + nanoseconds))
