"""Plays one of several devices: prints to its log; the first writes the run's events as well."""

from __future__ import annotations

import sys
import time

from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

run, rank, lines = RunDirectory(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def write() -> None:
    log = EventLog(run.events) if rank == 0 else None
    with run.device_log(rank).open("a") as file:
        for line in range(1, lines + 1):
            file.write(f"line {line} of device {rank}\n")
            file.flush()
            if log is not None:
                log.append(
                    "step", step=line, epoch=1, loss=1 / line, images_per_second=1.0, lr=1e-3
                )
            time.sleep(0.002)
    if log is not None:
        log.append("finished", step=lines, seconds=1.0)
        log.close()


if rank == 0:
    with run.hold():
        write()
else:
    write()
