"""The command line: ``napari-unet``. One module a command, imported when it is called."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import NoReturn

import click

from napari_unet import __version__
from training.console import say, set_up_console
from training.errors import UserError

_COMMANDS = {
    "train": "Train a U-Net on a stack and its labels.",
    "evaluate": "Compare a model's masks with the ground truth, slice by slice.",
    "predict": "Predict the membrane mask of a stack.",
    "segment": "Find the neurons of a stack, each with a number.",
    "measure": "Measure the objects in labels: sizes, shapes, contacts, intensities.",
    "export": "Write a model for other programs: ONNX, weights, MindIR, or a package.",
    "runs": "List the runs of this machine or of a server.",
    "follow": "Watch a run, wherever it is.",
    "stop": "End a run after its current step, and keep its model.",
    "fetch": "Bring a server's run and its best model home.",
    "servers": "Add, list, test or remove servers to train on.",
    "demo": "Do the whole job on a stack: train, predict, evaluate, export.",
    "setup": "Set up training: a Python of its own with MindSpore.",
    "doctor": "Say what is installed, which devices there are, and what is missing.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that help is at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"napari_unet.cli.{cmd_name}")
        command: click.Command = module.command
        command.name = cmd_name  # click's is that of the function
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup)
@click.version_option(__version__, prog_name="napari-unet")
def cli() -> None:
    """Segment membranes in electron-microscopy stacks with a U-Net.

    Start with `napari-unet demo`, or `napari-unet doctor` where something does not work.
    """


def main() -> None:
    """Run the command line; a person's mistake gives one sentence and exit code 2."""
    set_up_console()
    try:
        cli()
    except UserError as error:
        _end(str(error))
    except OSError as error:  # of the system: too many open files, a disk that fails
        named = "A file" if error.filename is None else error.filename
        _end(f"{named} can't be used: {error.strerror or error}.")
    finally:
        gc.freeze()  # so that Python ends without a search for cycles: 0.3 s with dask


def _end(problem: str) -> NoReturn:
    say(f"Error: {problem}", to_stderr=True)
    sys.exit(2)
