"""Where a prediction is computed: on this computer, or on a server that an option names."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from napari_unet.cli.stacks.many_stacks import OneStack, Results, Work, plan_work
from napari_unet.launchers.server_path import ServerPath, check_absolute
from training.errors import UserError
from training.masks.writer_choice import is_stack_name

_OPTIONS = (
    click.option("--remote", metavar="PROFILE", help="Predict on this server; Ctrl-C detaches."),
    click.option("--devices", type=int, default=0, help="How many on the server."),
    click.option(
        "--device-ids",
        default="",
        metavar="IDS",
        help="Which NPUs of the server, as npu-smi shows them: 4,5.",
    ),
)
# What is computed here alone; and what only files that are written here can be.
_HERE_ALONE = (
    *("memory", "engine", "device", "precision", "uncertainty"),
    *("workers", "scheduler", "shard"),
)
_WRITTEN_HERE = ("compression", "ome_zarr", "file_format")


@dataclass(frozen=True)
class RemoteOptions:
    """Where a prediction is computed; on this computer where no server is named."""

    server: str
    devices: int
    device_ids: str

    def __bool__(self) -> bool:
        """Whether it is a server."""
        return bool(self.server)

    def check(self, stacks: Sequence[Path], results: Results) -> None:
        """Refuse options that don't go together, and paths of a server where none is named.

        Raises
        ------
        UserError
        """
        named = (*stacks, *results.values())
        check_absolute(named, _servers)
        there = [*filter(None, map(ServerPath.parse, named))]
        if not self:
            if there:
                raise UserError(f"{there[0]} is on a server.", f"Give --remote {there[0].server}.")
            if self.devices or self.device_ids:
                given = "--devices" if self.devices else "--device-ids"
                raise UserError(f"{given} is for a server.", "Name it with --remote.")
            return
        for path in there:
            path.on(self.server)
        context = click.get_current_context()
        stays = any(ServerPath.parse(path) for path in results.values())
        for name in (*_HERE_ALONE, *(_WRITTEN_HERE if stays else ())):
            if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
                option = "format" if name == "file_format" else name.replace("_", "-")
                raise UserError(
                    f"--{option} is not for what a server {'writes' if stays else 'computes'}.",
                    "Leave it out, or predict on this computer.",
                )

    def plan(
        self,
        stacks: Sequence[Path],
        results: Results,
        overwrite: bool,
        file_format: str | None = None,
    ) -> Callable[[Work], None]:
        """Check where results go, as :func:`plan_work` does; those on the server are checked there.

        Returns
        -------
        callable
            Calls ``work`` with each stack, and all its results.

        Raises
        ------
        UserError
            As :func:`plan_work`; if results of several stacks are to stay on the server.
        """
        there = {kind: path for kind, path in results.items() if ServerPath.parse(path)}
        if not there:
            return plan_work(stacks, results, overwrite, file_format).work_through
        if len(stacks) > 1:
            raise UserError(
                "Results of many stacks can't stay on a server.",
                "Name a file there for the result of one stack, or bring them home.",
            )
        for path in results.values():
            if not is_stack_name(path):
                raise UserError(
                    f"{path} does not name the file of a result, of which some stay on a server.",
                    "End its name in .tif, .zarr or .h5/DATASET.",
                )
        here = {kind: path for kind, path in results.items() if kind not in there}
        one = OneStack(stacks[0], here, overwrite)
        return lambda work: one.work_through(lambda stack, _: work(stack, results))


def remote_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say where a prediction is computed: the command gets :class:`RemoteOptions` as ``place``."""

    @wraps(command)
    def collect(remote: str | None, devices: int, device_ids: str, **given: Any) -> Any:
        return command(place=RemoteOptions(remote or "", devices, device_ids), **given)

    for option in reversed(_OPTIONS):
        collect = option(collect)
    return collect


def _servers() -> Container[str]:
    """The servers that a person has added, by name."""
    from napari_unet.launchers.servers.profiles import load_profiles

    return load_profiles()
