"""The files that a training needs: found, checked to be what they should be, and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet.launchers.servers.store import Store
from training.config import STARTER, TrainingConfig
from training.data_pairs import DataPair
from training.dataset.volumes import VolumeFiles, find_volumes
from training.errors import UserError
from training.files.untrusted_files import is_inside
from training.formats.location import locate
from training.formats.opening import open_stack
from training.model.saved_model import starting_weights
from training.model.weight_files import check_checkpoint
from training.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class Inputs:
    """Files of this machine that a training reads.

    Parameters
    ----------
    volumes : list of VolumeFiles
        The images and their labels.
    weights : Path or None
        The checkpoint that a new run starts from, if it does not come with this package.
    """

    volumes: list[VolumeFiles]
    weights: Path | None

    @property
    def files(self) -> list[Path]:
        """All that leaves this machine."""
        stacks = [path for volume in self.volumes for path in (volume.image, volume.labels)]
        return [*(locate(path).container for path in stacks), *filter(None, [self.weights])]


def find_inputs(config: TrainingConfig) -> Inputs:
    """Find the files that a configuration names, and check what they are.

    They are about to leave this machine, and a configuration may be a stranger's.

    Raises
    ------
    UserError
        If one is missing, is a folder, or is not a stack or a checkpoint.
    """
    volumes = find_volumes(config)
    for volume in volumes:
        for path, what in ((volume.image, "images"), (volume.labels, "labels")):
            open_stack(path, what).close()
            if locate(path).container.is_dir():
                raise UserError(
                    f"{path} is a folder, and only files are sent to a server.",
                    "Save it as a TIF.",
                )
    weights = None if config.weights == STARTER else starting_weights(config.weights)
    if weights is not None:
        check_checkpoint(weights)
    return Inputs(volumes, weights)


def find_own_inputs(run: RunDirectory) -> Inputs:
    """Find the files of a run that never began, which must lie in its own folder.

    Raises
    ------
    UserError
        As :func:`find_inputs`, and if a file lies elsewhere on this machine.
    """
    inputs = find_inputs(run.read_config())
    for path in inputs.files:
        if not is_inside(path, run.path):
            raise UserError(
                f"The run {run.name} never began on its server, and {path} is not in its folder: "
                "a run's folder from somebody else could name any file of yours.",
                "Start a new run with this file.",
            )
    return inputs


async def upload_inputs(store: Store, config: TrainingConfig, inputs: Inputs) -> TrainingConfig:
    """Send a configuration's files to a server; the configuration with their paths there."""
    pairs = [
        DataPair(
            await _put_stack(store, volume.image),
            await _put_stack(store, volume.labels),
            volume.convention,
            volume.name,
        )
        for volume in inputs.volumes
    ]
    changes: dict[str, Any] = {"pairs": pairs}
    if not config.pairs:
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


async def _put_stack(store: Store, path: Path) -> str:
    """Send the file that a stack is in; the stack's path on the server."""
    location = locate(path)
    return "/".join(filter(None, [await store.put_data(location.container), location.inner]))
