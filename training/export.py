"""Export a model for other programs: as MindIR, or as ONNX, also for an Ascend 310P.

python -m training.export --run RUN --output model.mindir
python -m training.export --ckpt FILE --output model.onnx

What was written is loaded again and compared with the network. For ONNX, which needs the package
onnx, the command line of CANN's compiler atc is printed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from training.console import list_names, say, set_up_console
from training.devices.placement import choose_device, prepare_environment
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.learning.mindspore_setup import set_up_mindspore
from training.masks.tif_writer import check_output
from training.model.saved_model import load_model
from training.predict_options import add_model_options, weights_of
from training.presets.registry import find_preset

FORMATS = (".mindir", ".onnx")
USUAL_LENGTH = 512  # pixels a side of the input where the preset resizes no slices


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="FILE.mindir or FILE.onnx")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument(
        "--soc_version", default="Ascend310P3", help="the chip that atc compiles for (%(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        _export(weights_of(options.run, options.ckpt), options.output, options)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2
    return 0


def _export(source: Path, output: Path, options: argparse.Namespace) -> None:
    if output.suffix not in FORMATS:
        raise UserError(
            f"{output} would be neither MindIR nor ONNX.",
            f"End its name in {' or '.join(FORMATS)}.",
        )
    check_output(output, options.overwrite)
    if output.suffix == ".onnx":
        _require_onnx()
    model = load_model(source)
    prepare_environment()
    set_up_mindspore(choose_device("cpu"), seed=0)
    from training.learning.export import make_mindir, make_onnx

    preset = find_preset(model.card.preset)
    kept = preset.geometry.output_length(preset.slice_length or USUAL_LENGTH)
    length = kept + 2 * preset.geometry.margin
    make = make_mindir if output.suffix == ".mindir" else make_onnx
    content, difference = make(model, source, length)
    write_atomically(output, content, overwrite=options.overwrite, follow_links=True)
    say(f"{output.suffix[1:]}: {output}, which differs from the network by {difference:.1e}")
    classes = model.card.label_classes
    given = (
        f"probabilities of {list_names(classes.names)}" if classes else "probability of membrane"
    )
    say(
        f"Its input image is (1, 1, {length}, {length}) float32, scaled to -1 to 1; its output is "
        f"the {given} (1, {classes.outputs}, {kept}, {kept}) float32."
    )
    if output.suffix == ".onnx":
        say(
            f"For an Ascend 310P: atc --model={shlex.quote(str(output))} --framework=5 "
            f'--soc_version={options.soc_version} --input_shape="image:1,1,{length},{length}" '
            f"--output={shlex.quote(str(output.with_suffix('')))}"
        )


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"The package onnx is missing in {sys.executable}.",
            "Install it, or export MindIR, which needs MindSpore alone.",
        ) from error


if __name__ == "__main__":
    sys.exit(main())
