"""What a run needs on its servers before it starts: its data, its folder, its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from posixpath import join
from typing import Any

from napari_unet.servers.connection import Server
from napari_unet.servers.upload import Store
from training.config import TrainingConfig
from training.errors import UserError
from training.stacks import find_pair

_CHECKPOINT = re.compile(r"ckpt_.*-\d+_(\d+)\.safetensors")


async def upload_inputs(store: Store, config: TrainingConfig) -> TrainingConfig:
    """Send the files that a configuration names; the configuration with their paths there."""
    image, labels = find_pair(Path(config.data_url), config.image, config.labels)
    changes = {
        "data_url": join(store.root, "store"),
        "image": await store.put_data(image),
        "labels": await store.put_data(labels),
    }
    if config.resume:
        changes["resume_ckpt"] = await store.put_data(Path(config.resume_ckpt))
    if config.device == "auto":
        changes["device"] = store.server.profile.device
    return config.replace(**changes)


async def make_run_folder(store: Store, name: str, config: TrainingConfig) -> str:
    """Make a new run's directory on a server; its path there.

    Raises
    ------
    UserError
        If there is a run of that name.
    """
    path = join(store.root, "runs", name)
    async with store.server.files() as sftp:
        if await sftp.exists(join(path, "train.log")):  # there from the launch on
            raise UserError(
                f"{store.server.profile.name} has a run {name} already.", "Choose another name."
            )
        for folder in ("checkpoints", "preview"):
            await sftp.makedirs(join(path, folder), exist_ok=True)
        async with sftp.open(join(path, "config.json"), "wb", encoding=None) as file:
            await file.write(config.to_json().encode())
    return path


async def share_checkpoint(nodes: Sequence[Server], paths: Sequence[str]) -> None:
    """Give the first node's newest checkpoint to the others, which write none.

    All nodes must go on from the same weights, and they may have disks of their own.
    """
    if len(nodes) < 2:
        return
    folders = [join(path, "checkpoints") for path in paths]
    async with nodes[0].files() as sftp:
        names = [str(name) for name in await sftp.listdir(folders[0])]
        steps = {int(match[1]): name for name in names if (match := _CHECKPOINT.fullmatch(name))}
        if not steps:
            return
        newest = steps[max(steps)]
        async with sftp.open(join(folders[0], newest), "rb", encoding=None) as file:
            content: Any = await file.read()
    for node, folder in zip(nodes[1:], folders[1:], strict=True):
        async with node.files() as sftp:
            if await sftp.exists(join(folder, newest)):
                continue  # a disk that the nodes share
            async with sftp.open(join(folder, f".{newest}"), "wb", encoding=None) as file:
                await file.write(content)
            await sftp.posix_rename(join(folder, f".{newest}"), join(folder, newest))
