"""``napari-unet demo``: the whole job on a stack."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.progress.progress_display import ProgressDisplay
from napari_unet.demo import INTERRUPTIONS, Demo
from training.console import lossy_output, say
from training.devices.run_processes import on_hang_up
from training.opening import open_stack
from training.runs.run_directory import RunDirectory


@click.command()
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder with train-volume.tif, train-labels.tif and, if you like, test-volume.tif.  "
    "[default: a synthetic stack]",
)
@click.option(
    "--out",
    metavar="DIR",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the results.",
)
@click.option(
    "--classes",
    "has_classes",
    is_flag=True,
    help="Mitochondria are a class beside membranes in the synthetic stack, and are learned too.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier demo.")
@lossy_output()
def command(data: Path | None, out: Path, has_classes: bool, overwrite: bool) -> None:
    """Do the whole job on a stack: train, predict, evaluate, export.

    Without --data it draws a synthetic stack first, and takes a minute or two. Ctrl-C ends it
    and leaves nothing behind. Labels that name their classes, or --classes, give a mask of classes
    and a Dice of each.

    \b
    Examples:
      napari-unet demo
      napari-unet demo --classes --out demo-classes
      napari-unet demo --data isbi --out demo-isbi
    """
    # A closed terminal or a plain kill must end the training as well, which is a process of
    # a session of its own.
    signal.signal(signal.SIGTERM, _end)
    on_hang_up(_end)
    demo = Demo(out, data, has_classes)
    say("Drawing a synthetic stack." if data is None else f"Training on {data}.")
    demo.prepare(overwrite)
    try:
        run_phases(demo)
    except INTERRUPTIONS:
        demo.clean_up()
        raise


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def run_phases(demo: Demo) -> None:
    """Train, predict and evaluate, with progress bars; then show the results."""
    _train(demo)
    with open_stack(demo.predicted_stack()) as stack:
        total = len(stack)
    with ProgressBar(total=total, desc="Predicting", unit="slice", leave=False) as bar:
        demo.predict(bar.update)
    evaluation = demo.evaluate()
    has_probability = demo.files.probability.exists()
    say(f"\nSlices that were held out from training (fold {evaluation.fold}); 1 is best:")
    say(evaluation.table() + "\n")
    for name, path in (
        ("Contact sheet", demo.files.sheet),
        ("Mask", demo.files.mask),
        *([("Probability", demo.files.probability)] if has_probability else []),
        ("Figures", demo.files.evaluation_json),
        ("", demo.files.evaluation_csv),
        ("Model", RunDirectory(demo.files.run).onnx),
        ("Run", demo.files.run),
        ("Data", demo.data),
    ):
        say(f"{name:<14} {path}")
    written = "Mask and probability are" if has_probability else "The mask of classes is"
    say(f"\n{written} of {demo.predicted_stack()}: open them together in napari.")


def _train(demo: Demo) -> None:
    with ProgressDisplay() as display:
        demo.train(demo.config(), lambda follower: display.show(follower.state))
