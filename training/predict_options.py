"""The options of ``training.predict``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training.config import TrainingConfig
from training.label_convention import LabelConvention
from training.model.saved_model import best_weights
from training.model.starter_model import named_model, starter_path
from training.runs.run_directory import RunDirectory
from training.stacks.intensities import Membranes


class _Parser(argparse.ArgumentParser):
    """Reads options of a file as well."""

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        try:
            option = json.loads(arg_line)
        except ValueError:
            option = None
        if not isinstance(option, str):
            self.error(f"a line of the file of options is not a JSON string: {arg_line:.99}")
        return [option]


def parse_options(arguments: list[str], description: str | None) -> argparse.Namespace:
    """Parse the command's arguments; those that are wrong end the process with exit code 2."""
    parser = _Parser(
        prog="python -m training.predict",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
    )
    add = parser.add_argument
    add_model_options(parser)
    add("--input", type=Path, required=True, help="the stack: a TIF")
    add("--output", type=Path, required=True, help="the mask: 8-bit TIF, a page a slice")
    add("--probability", type=Path, help="the probability of membrane too: 32-bit float TIF")
    add("--submission", type=Path, help="the ISBI 2012 challenge's form too: 0 = surely membrane")
    add(
        "--threshold",
        action="append",
        default=[],
        help="probability from which on a pixel is membrane (the model's, 0.5); where all classes "
        "are predicted NAME=NUMBER, of one of them, repeatable (the likeliest class)",
    )
    add(
        "--convention",
        choices=[LabelConvention.ISBI.value, LabelConvention.MEMBRANE.value],
        default=LabelConvention.ISBI.value,
        help="isbi (default): membrane is 0. membrane: membrane is 255",
    )
    add(
        "--class",
        dest="of_class",
        metavar="NAME",
        help="of a model of several classes predict this one (all of them)",
    )
    add("--tta", action="store_true", help="the mean over flips and turns: eight times the work")
    add(
        "--membranes",
        type=Membranes,
        choices=[*Membranes],
        default=Membranes.AUTO,
        help="of the stack: dark or light (auto: found out for the starter, else as in training)",
    )
    add(
        "--resample",
        action="store_true",
        help="predict at the pixel size of the model's training; results are at the stack's",
    )
    add("--region", default="", help="Z0:Z1,Y0:Y1,X0:X1: this part alone, as it is in the whole")
    add("--pixel_size", "--pixel-size", default="", help="in nm, or Y,X or Z,Y,X (the file's)")
    add("--keep", type=Path, help="keep slices here until all are done, to go on after a kill")
    add("--overwrite", action="store_true", help="replace files that exist")
    add("--device", default="auto", help="auto (default: an NPU if there is one), cpu, ascend[:ID]")
    add("--devices", "--device_num", type=int, default=0, help="how many (default: 1)")
    add("--device_ids", default="", help="which NPUs, as npu-smi shows them: 0,1,4,5")
    for name in ("precision", "jit_level"):
        metadata = TrainingConfig.__dataclass_fields__[name].metadata
        add(f"--{name}", choices=metadata["choices"], default="auto", help=metadata["help"])
    # Of the processes on several devices: where they leave slices, and which is the first.
    add("--parts", type=Path, help=argparse.SUPPRESS)
    add("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a model, one of which must be given."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", type=Path, help="the folder of a training: its best model; or starter"
    )
    source.add_argument("--ckpt", type=Path, help="a .safetensors or .ckpt file")


def weights_of(run: Path | None, ckpt: Path | None) -> Path:
    """Give the file of weights that these options name.

    Raises
    ------
    UserError
        If the run has no model yet.
    """
    if run is None:
        return named_model(ckpt or "")
    path = named_model(run)
    return path if path == starter_path() else best_weights(RunDirectory(path))
