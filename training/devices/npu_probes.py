"""Let every free NPU compute a little, and then several together, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from training.devices.check import Check
from training.devices.failures import find_cause
from training.devices.free_ports import find_free_port
from training.devices.msrun_job import MsrunJob
from training.devices.msrun_process import DEATH
from training.devices.npu_choice import choose_npus, most_together
from training.devices.npus import Npu
from training.devices.run_processes import (
    DETACHED,
    RUN_MARK,
    kill_at_end,
    kill_processes,
    launch_mark,
)

PROBE = "training.learning.device_probe"
PATIENCE_SECONDS = 300  # a 910A compiles its kernels first
_FOUND = re.compile(r"^@@probe (\{.*\})$", re.MULTILINE)


def probe_npus(npus: Sequence[Npu]) -> Iterator[Check]:
    """Convolve on every free NPU, then add up over two of them, and over all that can."""
    free = [npu for npu in npus if npu.can_train and not npu.is_busy]
    if not free:
        yield Check("computing", False, "No NPU is free to be tried.", "Wait until some are.")
        return
    jobs = [MsrunJob(devices=1, npus=(npu.number,)) for npu in free]
    names = [f"NPU {npu.id}" for npu in free]
    with ThreadPoolExecutor(len(jobs)) as pool:
        checks = list(pool.map(_convolve, names, jobs, ["ascend"] * len(jobs)))
    yield from checks
    for count in _together(most_together(free)):
        chosen = tuple(npu.number for npu in choose_npus(free, count))
        job = MsrunJob(devices=count, npus=chosen, master_port=find_free_port())
        yield _reduce(f"{count} NPUs together", job, "ascend")


def probe_workers(count: int) -> Iterator[Check]:
    """Do the same with workers on the CPU in the place of NPUs."""
    yield _convolve("CPU", MsrunJob(devices=1), "cpu")
    for some in _together(count):
        job = MsrunJob(devices=some, master_port=find_free_port())
        yield _reduce(f"{some} workers together", job, "cpu")


def _together(most: int) -> list[int]:
    return sorted({count for count in (2, most) if 2 <= count <= most})


def _convolve(name: str, job: MsrunJob, device: str) -> Check:
    command = [sys.executable, "-P", "-m", PROBE, f"--device={device}"]
    code, output, _ = _run(job, command)
    found = _results(output)
    if code or not found:
        return _failed_check(name, output)
    (result,) = found
    text = f"{result['gflops']:.0f} GFLOP/s, copies {result['copy']:.1f} GB/s"
    if result["is_right"]:
        return Check(name, True, f"convolves, {text}")
    wrong = f"a convolution is wrong by {result['error']:.1%}."
    return Check(name, False, wrong, "Don't train on it; have it looked at.")


def _reduce(name: str, job: MsrunJob, device: str) -> Check:
    with tempfile.TemporaryDirectory(prefix="napari-unet-") as folder:
        command = job.command([PROBE, f"--device={device}"], Path(folder), is_tailing=False)
        code, output, logs = _run(job, command, Path(folder))
    found = _results(logs)
    if code or len(found) < job.devices:
        return _failed_check(name, f"{output}\n{logs}")
    if all(result["is_right"] for result in found):
        slowest = min(result["reduce"] for result in found)
        return Check(name, True, f"add up, {slowest:.2f} GB/s each")
    return Check(name, False, "they add up wrongly.", "Don't train on them; have them looked at.")


def _run(job: MsrunJob, command: Sequence[str], logs: Path | None = None) -> tuple[int, str, str]:
    """Run a probe to its end: its exit code, what it printed, and its workers' logs.

    Nothing that it started is left. A probe that takes too long is killed, and so is one of which
    msrun says that a worker has died: it may wait for the others for ever.
    """
    mark = launch_mark("npu-probe")
    environment: Mapping[str, str] = job.environment({RUN_MARK: mark})
    with kill_at_end(mark):
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=Path.home(),  # what CANN drops beside it stays out of the way
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=DETACHED,
            text=True,
            errors="replace",
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        timer = threading.Timer(PATIENCE_SECONDS, kill_processes, [mark])
        timer.start()
        output = ""
        try:
            with process:
                for line in process.stdout or ():
                    output += line
                    if DEATH.search(line):
                        kill_processes(mark)
        finally:
            timer.cancel()
            kill_processes(mark)
    if time.monotonic() >= deadline:
        output += f"\nError: no answer within {PATIENCE_SECONDS} s"
    texts = []
    for log in sorted(logs.glob("*.log")) if logs is not None else []:
        with contextlib.suppress(OSError):
            texts.append(log.read_text(errors="replace"))
    return process.returncode, output, "\n".join(texts)


def _results(output: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in _FOUND.findall(output)]


def _failed_check(name: str, output: str) -> Check:
    lines = [line for line in output.splitlines() if line.strip()]
    cause = find_cause(lines, is_disk_full=False)
    if cause is not None:
        return Check(name, False, cause.problem, cause.remedy)
    said = lines[-1].strip() if lines else "it says nothing"
    return Check(name, False, f"the try failed: {said:.200}.", "Try again; see docs/ascend.md.")
