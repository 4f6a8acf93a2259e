"""Where this process computes, and what MindSpore must know about it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import NamedTuple

from training.devices.npus import find_npus
from training.errors import UserError


class Place(NamedTuple):
    """The place of this process among those of its run."""

    rank: int = 0
    world_size: int = 1


ALONE = Place()


@dataclass(frozen=True)
class Device:
    """The device of this process, and its place among those of the run.

    Parameters
    ----------
    target : str
        ``CPU`` or ``Ascend``, MindSpore's words.
    id : int
        MindSpore's number of the NPU; 0 on a CPU.
    rank, world_size : int
        Place of this process among those of the run, and their number.
    """

    target: str
    id: int = 0
    rank: int = 0
    world_size: int = 1

    @property
    def place(self) -> Place:
        """The place of this process in its run."""
        return Place(self.rank, self.world_size)

    @property
    def label(self) -> str:
        """As a person reads it."""
        return f"Ascend NPU {self.id}" if self.target == "Ascend" else "CPU"


def prepare_environment() -> None:
    """Set what MindSpore reads when it is imported. Call this before the import.

    On processors with AVX-512, MindSpore 2.9 and 2.10 carry a oneDNN that computes plain
    float32 convolutions with its reference loop, eighty times slower than the AVX2 kernel that
    it picks when it may use nothing newer.

    A training step is one compiled graph, whose call returns when it is done: the Python
    thread sleeps meanwhile and takes no core from the two that compute.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    # A user can't act on MindSpore's own warnings; its errors are shown.
    os.environ.setdefault("GLOG_v", "3")


def place_in_run() -> Place:
    """Read the place of this process from the environment that ``msrun`` gives it."""
    return Place(int(os.environ.get("RANK_ID", "0")), int(os.environ.get("RANK_SIZE", "1")))


def is_scheduler() -> bool:
    """Whether this is the extra process of ``msrun`` that brings the others together."""
    return os.environ.get("MS_ROLE") == "MS_SCHED"


def choose_device(requested: str) -> Device:
    """The device that a configuration's ``device`` means on this machine.

    Under ``msrun`` the launcher's environment decides the NPU and the rank.

    Parameters
    ----------
    requested : str
        ``auto`` (an NPU if there is one), ``cpu``, ``ascend`` or ``ascend:ID``.

    Raises
    ------
    UserError
        If an NPU is asked for that is not there.
    """
    rank, world_size = place_in_run()
    npus = [] if requested == "cpu" else find_npus()
    if requested == "cpu" or (requested == "auto" and not npus):
        return Device("CPU", 0, rank, world_size)
    _, _, wanted = requested.partition(":")
    device_id = int(wanted or os.environ.get("DEVICE_ID", "0"))
    if device_id >= len(npus):
        found = f"{len(npus)} are" if len(npus) != 1 else "one is"
        raise UserError(
            f"There is no Ascend NPU {device_id}: {found} found on this machine.",
            "Choose cpu or auto, or run napari-unet doctor to see why.",
        )
    return Device("Ascend", device_id, rank, world_size)
