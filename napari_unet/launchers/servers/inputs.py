"""The files that a training needs: found, checked to be what they should be, and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_unet.launchers.servers.store import Store
from training.config import TrainingConfig
from training.dataset.training_pair import find_pair
from training.errors import UserError
from training.files.untrusted_files import is_inside
from training.formats.opening import open_stack
from training.model.weight_files import check_checkpoint
from training.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class Inputs:
    """Files of this machine that a training reads.

    Parameters
    ----------
    image, labels : Path
        TIFs of the stack and of its labels.
    weights : Path or None
        The checkpoint that a new run starts from.
    """

    image: Path
    labels: Path
    weights: Path | None


def find_inputs(config: TrainingConfig) -> Inputs:
    """Find the files that a configuration names, and check what they are.

    They are about to leave this machine, and a configuration may be a stranger's.

    Raises
    ------
    UserError
        If one is missing, or is not a stack or a checkpoint.
    """
    image, labels = find_pair(Path(config.data_url), config.image, config.labels)
    for path, what in ((image, "images"), (labels, "labels")):
        open_stack(path, what).close()
    weights = Path(config.resume_ckpt) if config.resume else None
    if weights is not None:
        check_checkpoint(weights)
    return Inputs(image, labels, weights)


def find_own_inputs(run: RunDirectory) -> Inputs:
    """Find the files of a run that never began, which must lie in its own folder.

    Raises
    ------
    UserError
        As :func:`find_inputs`, and if a file lies elsewhere on this machine.
    """
    inputs = find_inputs(run.read_config())
    for path in (inputs.image, inputs.labels, inputs.weights):
        if path is not None and not is_inside(path, run.path):
            raise UserError(
                f"The run {run.name} never began on its server, and {path} is not in its folder: "
                "a run's folder from somebody else could name any file of yours.",
                "Start a new run with this file.",
            )
    return inputs


async def upload_inputs(store: Store, config: TrainingConfig, inputs: Inputs) -> TrainingConfig:
    """Send a configuration's files to a server; the configuration with their paths there."""
    changes = {
        "data_url": str(store.folder.store),
        "image": await store.put_data(inputs.image),
        "labels": await store.put_data(inputs.labels),
    }
    if inputs.weights is not None:
        changes["resume_ckpt"] = await store.put_data(inputs.weights)
    if config.device == "auto":
        changes["device"] = store.server.profile.device
    return config.replace(**changes)
