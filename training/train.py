"""Train a U-Net: the process that a launcher starts, and the model zoo's command.

New run, with the zoo's names::

    python -m training.train --data_url=DIR [--preset medical] [--epochs 400] [...]

The run in a directory: a new one that holds only its config.json, or one that was stopped or
killed, which goes on from its newest checkpoint::

    python -m training.train --run_dir RUN

Exit codes: 0 finished or stopped, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import traceback
from typing import Any

from training.config import TrainingConfig, preset_config
from training.console import lossy_output, say, set_up_console
from training.dataset.volumes import settle_data
from training.devices.cann import keep_plog
from training.devices.placement import (
    choose_device,
    is_scheduler,
    place_in_run,
    prepare_environment,
)
from training.errors import UserError
from training.files.append_files import open_to_append
from training.learning.mindspore_setup import serve_as_scheduler, set_up_mindspore
from training.learning.stop_request import StopRequest
from training.presets.registry import ZOO_PRESET
from training.runs.event_log import write_failure
from training.runs.run_directory import RunDirectory


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    options = vars(build_parser().parse_args(arguments))
    run_dir = options.pop("run_dir")
    with lossy_output():
        try:
            if run_dir and not options.keys() - {"output_path"}:
                run = RunDirectory(run_dir)
            else:
                run = RunDirectory(run_dir or default_run_dir(options))
                create_run(run, configure(options))
            return train_run(run)
        except UserError as error:
            say(f"Error: {error}", to_stderr=True)
            return 2


def build_parser() -> argparse.ArgumentParser:
    """Parser with an option for every field of the configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--run_dir",
        default="",
        help="folder of the run; alone: train, or go on with, the run that is there",
    )
    add_config_options(parser)
    return parser


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for every field of the configuration, under the zoo's name."""
    parser.add_argument(
        "--pair",
        dest="pairs",
        nargs=2,
        action="append",
        metavar=("IMAGES", "LABELS"),
        help="a volume to train on, in place of data_url; may be given several times",
    )
    parser.add_argument(
        "--hold_out",
        action="append",
        metavar="NAME",
        help="a volume that validates as a whole; may be given several times",
    )
    for option in dataclasses.fields(TrainingConfig):
        if isinstance(option.default, tuple):
            continue
        kind = str if option.metadata["choices"] else type(option.default)
        parser.add_argument(
            f"--{option.name}",
            type=_parse_bool if kind is bool else kind,
            choices=option.metadata["choices"] or None,
            metavar=None if option.metadata["choices"] else kind.__name__.upper(),
            help=option.metadata["help"],
        )


def configure(options: dict[str, Any]) -> TrainingConfig:
    """Make the configuration of a new run from options by name; say which volumes are found.

    Raises
    ------
    UserError
        If a value is out of its range, or as :func:`training.dataset.volumes.settle_data`.
    """
    return preset_config(**{"preset": ZOO_PRESET, **settle_data(options)})


def create_run(run: RunDirectory, config: TrainingConfig) -> None:
    """Make the directory of a new run, and print where it is."""
    run.create(config)
    say(f"The run is in {run.path}.")


def default_run_dir(options: dict[str, Any]) -> str:
    preset = options.get("preset", ZOO_PRESET)
    return f"runs/{preset}-{time.strftime('%Y-%m-%d-%H%M%S')}"


def train_run(run: RunDirectory) -> int:
    """Train the run in a directory; failures are written to its events as well.

    Returns
    -------
    int
        Exit code of the process; 1 after an error of ours.

    Raises
    ------
    UserError
        If data, a device or a file can't be used.
    """
    config = run.read_config()
    prepare_environment()
    keep_plog(run.plog)
    if is_scheduler():
        serve_as_scheduler(choose_device(config.device))
        return 0
    stop = StopRequest(run)
    rank, _ = place_in_run()
    if rank > 0:
        train_as_member(run, config, stop)
        return 0
    with run.hold(), open_to_append(run.log) as log, lossy_output(log):
        run.remove_leftovers()
        try:
            train_as_member(run, config, stop)
        except UserError as error:
            write_failure(run.events, error, traceback.format_exc())
            raise
        except OSError as error:
            failure = UserError(
                f"The training ended because a file can't be used: {error}.",
                "Resume the run to try again.",
            )
            write_failure(run.events, failure, traceback.format_exc())
            raise failure from error
        except Exception as error:
            say(traceback.format_exc(), to_stderr=True)
            failure = UserError(
                f"The training ended with an error: {type(error).__name__}: {error}.",
                f"The log {run.log.name} says more; resume the run to try again.",
            )
            write_failure(run.events, failure, traceback.format_exc())
            return 1
    return 0


def train_as_member(run: RunDirectory, config: TrainingConfig, stop: StopRequest) -> None:
    """Do this process's part of a run; there are several on several devices."""
    device = choose_device(config.device)
    set_up_mindspore(device, config.seed, config.jit_level)
    from training.learning.loop import train

    train(run, config, device, stop)


def _parse_bool(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"'{text}' is neither True nor False")
    return values[text.lower()]


if __name__ == "__main__":
    sys.exit(main())
