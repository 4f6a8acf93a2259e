"""Watches a run on several devices: deaths are reported, and no process is left behind.

msrun alone does not do that: its workers, in sessions of their own, outlive it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from training.console import say
from training.devices.failures import DeathError, explain_death, has_space
from training.devices.msrun_job import MsrunJob, prepare_logs
from training.devices.msrun_process import POLL_SECONDS, Death, MsrunProcess
from training.devices.node_link import NodeLink, make_link
from training.devices.run_processes import (
    RUN_MARK,
    find_workers,
    kill_at_end,
    kill_processes,
    launch_mark,
    on_hang_up,
)
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.runs.event_log import write_failure
from training.runs.process_record import boot_id
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, read_summary


class Supervisor:
    """Starts a job's processes and stays with them to the end.

    Parameters
    ----------
    run : RunDirectory
        The run; its configuration is there.
    job : MsrunJob
        What this machine does of it.
    """

    def __init__(self, run: RunDirectory, job: MsrunJob) -> None:
        self._run = run
        self._job = job
        self._id = os.environ.get(RUN_MARK) or uuid.uuid4().hex
        self._mark = launch_mark(self._id)
        self._workers: dict[int, int] = {}  # rank by process id
        self._death: Death | None = None
        self._signals = 0
        self._offset = 0  # in bytes, of what this launch adds to the events

    def run(self) -> int:
        """Train to the end; returns 0 if the run finished or was stopped, else 1.

        Raises
        ------
        UserError
            If it can't begin: MindSpore is missing, the port is taken, the disk is full.
        """
        self._check()
        prepare_logs(self._run, self._job)
        self._write_launch()
        if not os.environ.get(RUN_MARK):  # else whoever asked for this start has done so
            self._run.withdraw_stop_request()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        on_hang_up(self._on_hang_up)
        # What is added from here on is this launch's. Clocks may be set meanwhile.
        if self._job.is_head:
            self._offset = read_summary(self._run.events, RunState(), 0)[1]
        with kill_at_end(self._mark), make_link(self._job) as link:
            try:
                failure = self._watch(self._start(), link)
            finally:
                left = kill_processes(self._mark)
            if failure is None and self._has_ended():
                link.report_success()
                return 0
            failure = failure or self._explain()
            link.report_failure(failure)
        if left:
            say(f"These processes won't end: {left}", to_stderr=True)
        self._tell(failure)
        return 1

    def _check(self) -> None:
        if find_spec("mindspore") is None:
            raise UserError(
                f"MindSpore is missing in {sys.executable}.",
                "Install it there, or activate the environment that has it.",
            )
        if not has_space(self._run.path):
            raise UserError(f"The disk of {self._run.path} is full.", "Free some space on it.")
        self._job.check_port()

    def _write_launch(self) -> None:
        """Note who runs where, so that a reboot can be distinguished from a crash later."""
        launch = {
            "id": self._id,
            "mark": self._mark,
            "pid": os.getpid(),
            "hostname": platform.node(),
            "boot_id": boot_id(),
            "devices": self._job.devices,
        }
        text = json.dumps(launch, indent=2) + "\n"
        write_atomically(self._run.launch, text.encode())

    def _start(self) -> MsrunProcess:
        return MsrunProcess(
            self._job,
            ["training.train", "--run_dir", str(self._run.path)],
            self._run.msrun_logs,
            self._mark,
            is_tailing=not _prints_to(self._run.log),
        )

    def _watch(self, process: MsrunProcess, link: NodeLink) -> UserError | None:
        """Wait for the end; a failure of another node, or a second signal, ends it early."""
        while not process.has_ended():
            time.sleep(POLL_SECONDS)
            if len(self._workers) < self._job.local_devices and self._job.devices > 1:
                self._workers |= find_workers(self._mark)
            if (failure := link.poll()) is not None:
                return failure
            if self._signals > 1:
                return UserError("The run was cancelled.", "Resume it to go on.")
        self._death = process.death
        if self._job.devices == 1 and self._death is not None:
            self._workers[self._death.process_id] = 0
        return self._explain() if process.has_failed() else None

    def _has_ended(self) -> bool:
        """Whether this launch's last event is an ending; only the first node has events."""
        return not self._job.is_head or self._read_state().status in ("finished", "stopped")

    def _read_state(self) -> RunState:
        """The state that this launch's events make."""
        return read_summary(self._run.events, RunState(), self._offset)[0]

    def _explain(self) -> UserError:
        if self._death is None:  # msrun itself failed, or the training ended too early
            return explain_death(self._run, None, 1)
        rank = self._workers.get(self._death.process_id)
        return explain_death(self._run, rank, self._death.code)

    def _tell(self, failure: UserError) -> None:
        """Write the failure into the events, unless the training has written its own."""
        say(f"Error: {failure}", to_stderr=True)
        if not self._job.is_head:
            return  # node 0 knows it, and may share this disk
        if self._read_state().failure is not None:
            return
        log_tail = failure.log_tail if isinstance(failure, DeathError) else ""
        write_failure(self._run.events, failure, log_tail)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._run.request_stop()

    def _on_hang_up(self, number: int, frame: FrameType | None) -> None:
        self._run.request_stop()


def _prints_to(path: Path) -> bool:
    """Whether this process' output goes to a file already."""
    return path.exists() and os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat())
