"""Where this process computes, and what MindSpore must know about it."""

from __future__ import annotations

import os
import platform
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import NamedTuple

from training.console import say
from training.devices.cann import require_cann
from training.devices.npu_choice import choose_npus, explain_none
from training.devices.npus import Npu, find_npus
from training.errors import UserError
from training.resources.limits import threads_to_set


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
    npu : Npu or None
        The NPU, as ``npu-smi`` knows it; None on a CPU.
    """

    target: str
    id: int = 0
    rank: int = 0
    world_size: int = 1
    npu: Npu | None = None

    @property
    def place(self) -> Place:
        """The place of this process in its run."""
        return Place(self.rank, self.world_size)

    @property
    def label(self) -> str:
        """As a person reads it."""
        return f"Ascend NPU {self.npu.id}" if self.npu is not None else "CPU"


def prepare_environment() -> None:
    """Set what MindSpore reads when it is imported. Call this before the import.

    On processors with AVX-512, MindSpore 2.9 and 2.10 carry a oneDNN that computes plain
    float32 convolutions with its reference loop, eighty times slower than the AVX2 kernel that
    it picks when it may use nothing newer.

    A training step is one compiled graph, whose call returns when it is done: the Python
    thread sleeps meanwhile and takes no core from the two that compute.

    OpenMP's threads are as many as the cores that this process may use. By itself it asks for those
    that it is bound to, but not for a limit of time, which threads that wait for each other use up.

    What a rank table's way of starting has left in a shell is no word of ``msrun``'s.
    """
    if not _role():
        drop_leftovers(os.environ)
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    if threads := threads_to_set():
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # A user can't act on MindSpore's own warnings; its errors are shown.
    os.environ.setdefault("GLOG_v", "3")


def drop_leftovers(environment: MutableMapping[str, str]) -> None:
    """Remove what rank tables, ModelArts and the zoo's former scripts set for several devices.

    MindSpore would wait for processes that nobody started, or number the NPUs as the table does.
    """
    for name in [*environment]:
        if name.startswith("RANK_") or name == "MINDSPORE_HCCL_CONFIG_PATH":
            del environment[name]


def leave_job() -> None:
    """Let this process of ``msrun`` compute alone; to be called before MindSpore is imported.

    Else MindSpore would take it for a part of a job, whose processes compute together.
    """
    drop_leftovers(os.environ)
    for name in ("ROLE", "WORKER_NUM", "SCHED_HOST", "SCHED_PORT", "NODE_ID"):
        os.environ.pop(f"MS_{name}", None)


def place_in_run() -> Place:
    """Read the place of this process from the environment that ``msrun`` gives it."""
    if _role() != "MS_WORKER":
        return ALONE
    return Place(int(os.environ["RANK_ID"]), int(os.environ["RANK_SIZE"]))


def is_scheduler() -> bool:
    """Whether this is the extra process of ``msrun`` that brings the others together."""
    return _role() == "MS_SCHED"


def _role() -> str:
    """What ``msrun`` made this process; empty where it was not started by it."""
    return os.environ.get("MS_ROLE", "")


def choose_device(requested: str) -> Device:
    """The device that a configuration's ``device`` means on this machine.

    Under ``msrun`` the launcher's environment decides the NPU and the rank.

    Parameters
    ----------
    requested : str
        ``auto`` (an NPU if there is one), ``cpu``, ``ascend`` or ``ascend:ID``, by the id that
        ``npu-smi`` shows.

    Raises
    ------
    UserError
        If an NPU is asked for that is not there or busy, or CANN is not in the environment.
    """
    place = place_in_run()
    npus = [] if requested == "cpu" else find_npus()
    if requested == "cpu" or (requested == "auto" and not any(npu.can_train for npu in npus)):
        if npus and not _role():
            say(f"{explain_none(npus)} The CPU does.")
        return Device("CPU", 0, *place)
    if _role():
        npu = _npu_of_worker(npus)
    else:
        (npu,) = choose_npus(npus, 1, _named_by_environment(npus, requested), requested)
    require_cann()
    return Device("Ascend", npus.index(npu), *place, npu)


def _npu_of_worker(npus: list[Npu]) -> Npu:
    """The NPU of a process that ``msrun`` started, of those that its launcher chose."""
    index = int(os.environ.get("DEVICE_ID", "0"))
    if index >= len(npus):
        raise UserError(
            f"Worker {index} of this machine finds {len(npus)} NPUs.",
            "Run napari-unet doctor --npu to see why.",
        )
    return npus[index]


def _named_by_environment(npus: list[Npu], requested: str) -> list[int]:
    """The id of the NPU that DEVICE_ID names by MindSpore's number, where no option names one."""
    named = os.environ.get("DEVICE_ID")
    if named is None or ":" in requested:
        return []
    if not named.isdecimal() or int(named) >= len(npus):
        raise UserError(
            f"DEVICE_ID is '{named:.99}' in the environment, but {len(npus)} NPUs are there.",
            "Unset DEVICE_ID, or choose with --device ascend:ID.",
        )
    return [npus[int(named)].id]
