"""Train on several devices of this machine, or of several machines, with MindSpore's msrun.

Train on all eight NPUs, or on four workers of a CPU::

    python -m training.launch_8p --data_url=DIR
    python -m training.launch_8p --data_url=DIR --devices 4 --device cpu --preset compact

Go on with a run, on as many devices as you like::

    python -m training.launch_8p --run_dir RUN --devices 4

A job on two servers, started on each with its own ``--node_rank``::

    python -m training.launch_8p --data_url=DIR --devices 16 --nodes 2 --node_rank 0 \\
        --master_addr 10.0.0.1

The log of each device is ``RUN/logs/device<k>/log.log``. Rank 0 alone writes the events and
the checkpoints. SIGTERM, Ctrl-C, a closed terminal or the file ``RUN/stop`` end it after the
current step; a second SIGTERM or Ctrl-C ends it at once.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.config import TrainingConfig, parse_numbers
from training.console import lossy_output, say, set_up_console
from training.devices.free_ports import find_free_port
from training.devices.launch_lock import launching
from training.devices.msrun_job import DEFAULT_PORT, MsrunJob
from training.devices.node_link import report_to_head, report_to_members
from training.devices.npu_choice import choose_for_job
from training.devices.supervisor import Supervisor
from training.errors import UserError
from training.runs.event_log import write_failure
from training.runs.run_directory import RunDirectory
from training.train import (
    add_config_options,
    configure,
    create_run,
    default_run_dir,
)

DEFAULT_DEVICES = 8
LAST_PORT = 2**16 - 1
JOB_OPTIONS = ("devices", "device_ids", "nodes", "node_rank", "master_addr", "master_port")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 2 for a person's mistake, 1 for the rest."""
    set_up_console()
    options = vars(_parser().parse_args(arguments))
    job_options = {name: options.pop(name) for name in JOB_OPTIONS}
    run_dir = options.pop("run_dir")
    with lossy_output():
        return _begin(run_dir, options, job_options)


def _begin(run_dir: str, options: dict[str, Any], job_options: dict[str, Any]) -> int:
    try:
        _check_nodes(**job_options)
        with _reporting_to_others(**job_options):
            run = RunDirectory(Path(run_dir or default_run_dir(options)).absolute())
            config = None if run.config.exists() else _configure_new(options)
            with launching(run, job_options["node_rank"]):
                if not run.config.exists() and config is not None:
                    create_run(run, config)
                elif options:
                    raise UserError(
                        f"The run in {run.path} has its own configuration.",
                        f"Leave out: {', '.join(f'--{name}' for name in options)}.",
                    )
                return _launch(run, job_options)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2


def _launch(run: RunDirectory, job_options: dict[str, Any]) -> int:
    is_head = job_options["node_rank"] == 0
    # Rank 0 of this very job may hold the lock already when another node looks at a shared disk.
    if is_head and run.is_training():
        raise UserError(f"The run {run.name} is running already.", "Follow it instead.")
    try:
        return Supervisor(run, _plan(run, **job_options)).run()
    except UserError as error:
        if is_head:
            write_failure(run.events, error, traceback.format_exc())
        raise


@contextmanager
def _reporting_to_others(
    *, nodes: int, node_rank: int, master_addr: str, master_port: int, **_: Any
) -> Iterator[None]:
    """Let node 0 know why another node can't begin, and the others why node 0 can't."""
    try:
        yield
    except UserError as error:
        port = master_port or DEFAULT_PORT
        if node_rank > 0:
            report_to_head(master_addr, port, nodes, error)
        elif nodes > 1:
            report_to_members(MsrunJob(nodes, nodes, 0, master_addr, port), error)
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.launch_8p",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--run_dir", default="", help="the run's folder; alone: go on with the run there")
    add("--devices", type=int, default=0, help="how many, over all nodes (default: 8)")
    add("--device_ids", default="", help="which NPUs, as npu-smi shows them: 0,1,4,5")
    add("--nodes", type=int, default=1, help="how many machines")
    add("--node_rank", type=int, default=0, help="which of them this is, from 0")
    add("--master_addr", default="127.0.0.1", help="address of node 0")
    add("--master_port", type=int, default=0, help="msrun's port; the next one is used too")
    add_config_options(parser)
    return parser


def _check_nodes(
    *, devices: int, device_ids: str, nodes: int, node_rank: int, master_port: int, **_: Any
) -> None:
    """Refuse what no node needs to hear from another: each is given the same."""
    if nodes < 1:
        raise UserError(f"{nodes} machines can't train.", "Give --nodes=1 or more.")
    if not 0 <= node_rank < nodes:
        raise UserError(
            f"The node rank {node_rank} is out of range.",
            f"Number the machines from 0 to {nodes - 1}.",
        )
    if not 0 <= master_port < LAST_PORT:  # the next one is used too
        raise UserError(
            f"The port {master_port} is out of range.", f"Give --master_port=1 to {LAST_PORT - 1}."
        )
    _count_devices(devices, parse_numbers(device_ids, "device_ids"), nodes)


def _count_devices(devices: int, ids: Sequence[int], nodes: int) -> int:
    devices = devices or (len(ids) * nodes if ids else DEFAULT_DEVICES)
    if devices < 1 or devices % nodes:
        raise UserError(
            f"{devices} devices can't be divided among {nodes} machines.",
            "Give a multiple of the number of machines.",
        )
    return devices


def _configure_new(options: dict[str, Any]) -> TrainingConfig:
    if not any(options.get(name) for name in ("data_url", "image", "pairs")):
        raise UserError("No data to train on is named.", "Name its folder: --data_url=DIR.")
    return configure(options)


def _plan(
    run: RunDirectory,
    *,
    devices: int,
    device_ids: str,
    nodes: int,
    node_rank: int,
    master_addr: str,
    master_port: int,
) -> MsrunJob:
    """Which devices, which processes, which port.

    Raises
    ------
    UserError
        If there are not enough free devices.
    """
    ids = parse_numbers(device_ids, "device_ids")
    devices = _count_devices(devices, ids, nodes)
    requested = run.read_config().device
    npus = choose_for_job(requested, devices // nodes, ids, nodes)
    default_port = find_free_port() if nodes == 1 else DEFAULT_PORT
    port = master_port or default_port
    return MsrunJob(devices, nodes, node_rank, master_addr, port, npus)


if __name__ == "__main__":
    sys.exit(main())
