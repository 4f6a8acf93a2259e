"""What a run on several devices is made of: the devices, and msrun's command line."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.devices.cann import with_cann
from training.devices.npus import VISIBLE
from training.devices.placement import drop_leftovers
from training.errors import UserError
from training.files.append_files import open_to_append
from training.runs.run_directory import RunDirectory

CLUSTER_SECONDS = 300
DEFAULT_PORT = 8118


@dataclass(frozen=True)
class MsrunJob:
    """The part of a run that this machine does.

    Parameters
    ----------
    devices : int
        Over all nodes.
    nodes, node_rank : int
        How many machines, and which of them this is.
    master_addr, master_port : str, int
        Where msrun's processes meet: on node 0.
    npus : tuple of int or None
        CANN's numbers of this machine's NPUs to use; None: CPU workers.
    """

    devices: int
    nodes: int = 1
    node_rank: int = 0
    master_addr: str = "127.0.0.1"
    master_port: int = DEFAULT_PORT
    npus: tuple[int, ...] | None = None

    @property
    def local_devices(self) -> int:
        return self.devices // self.nodes

    @property
    def ranks(self) -> range:
        """Ranks of this machine's processes."""
        first = self.node_rank * self.local_devices
        return range(first, first + self.local_devices)

    @property
    def is_head(self) -> bool:
        return self.node_rank == 0

    def command(
        self, program: Sequence[str], log_folder: Path, *, is_tailing: bool = True
    ) -> list[str]:
        """Give the command line of a program: msrun's, or a plain one for a single device.

        Parameters
        ----------
        program : sequence of str
            A module to run, and its arguments.
        log_folder : Path
            Where msrun writes.
        is_tailing : bool
            Whether msrun prints the log of rank 0.
        """
        program = ["-P", "-m", *program]
        if self.devices == 1:
            return [sys.executable, *program]
        return [
            *(sys.executable, "-P", "-m", "mindspore.parallel.cluster.run"),
            f"--worker_num={self.devices}",
            f"--local_worker_num={self.local_devices}",
            f"--master_addr={self.master_addr}",
            f"--master_port={self.master_port}",
            f"--node_rank={self.node_rank}",
            f"--log_dir={log_folder}",
            f"--cluster_time_out={CLUSTER_SECONDS}",
            "--join=True",
            f"--tail_worker_log={0 if is_tailing else self.devices}",  # none has that rank
            _python_name(),
            *program,
        ]

    def environment(self, marks: Mapping[str, str]) -> dict[str, str]:
        """Environment of the command: msrun runs the ``python`` that is first on PATH.

        What an earlier way of starting has left in it is not passed on: which NPU and which rank
        a process has is this job's word alone. CANN is sourced unless the person has done so.
        """
        environment = {"GLOG_v": "3", **os.environ}
        drop_leftovers(environment)
        environment.pop("DEVICE_ID", None)
        environment = {**with_cann(environment, "cpu" if self.npus is None else "ascend"), **marks}
        folder = str(Path(sys.executable).parent)
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
        if self.npus is not None:
            environment[VISIBLE] = ",".join(map(str, self.npus))
        return environment

    def check_port(self) -> None:
        """Refuse a port for msrun that another program of this machine has.

        Raises
        ------
        UserError
            If it has; it names the port.
        """
        if not self.is_head or self.devices == 1:
            return
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.master_addr, self.master_port))
            except OSError as error:
                raise UserError(
                    f"msrun can't use {self.master_addr}:{self.master_port}: {error.strerror}.",
                    "Choose another port: --master_port; with several nodes the same on each.",
                ) from error


def prepare_logs(run: RunDirectory, job: MsrunJob) -> None:
    """Make the log folders. A resumed run's former logs are kept as ``log.<n>.log``."""
    run.check_links()
    run.msrun_logs.mkdir(parents=True, exist_ok=True)
    for rank in job.ranks:
        log = run.device_log(rank)
        log.parent.mkdir(parents=True, exist_ok=True)
        if job.devices == 1:
            _link(log, run.log)
            continue
        if log.exists() and not log.is_symlink():
            log.rename(log.with_name(f"log.{_last_kept(log.parent) + 1}.log"))
        log.unlink(missing_ok=True)
        open_to_append(log, run.path).close()
        _link(run.msrun_logs / f"worker_{rank}.log", log)


def _last_kept(folder: Path) -> int:
    """The highest number of the logs that are kept in a folder; 0 without any."""
    names = [re.fullmatch(r"log\.(\d+)\.log", path.name) for path in folder.iterdir()]
    return max((int(name[1]) for name in names if name), default=0)


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))


def _python_name() -> str:
    """``python`` or ``python3``, whichever this Python's folder has; msrun knows both."""
    folder = Path(sys.executable).parent
    return "python" if (folder / "python").exists() else "python3"
