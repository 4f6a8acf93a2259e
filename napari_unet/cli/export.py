"""``napari-unet export``: a model as a file for other programs, and for other people."""

from __future__ import annotations

from pathlib import Path

import click

from napari_unet.cli.options import model_argument
from napari_unet.exchange.model_description import (
    DEFAULT_LICENSE,
    UNET_CITATION,
    ModelDescription,
    default_author,
)
from napari_unet.exchange.model_export import export_model
from training.console import say


@click.command()
@model_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="NAME.zip, NAME.onnx, NAME.safetensors or NAME.mindir.",
)
@click.option(
    "--name", default="", help="What a package calls it.  [default: as the run is called]"
)
@click.option(
    "--author",
    "authors",
    metavar="NAME",
    multiple=True,
    default=[default_author()],
    show_default=True,
    help="Who made the model.  [repeatable]",
)
@click.option(
    "--license",
    metavar="ID",
    default=DEFAULT_LICENSE,
    show_default=True,
    help="What others may do with it, by its identifier of spdx.org/licenses.",
)
@click.option(
    "--cite",
    "citations",
    metavar="TEXT DOI",
    type=(str, str),
    multiple=True,
    default=[UNET_CITATION],
    help="A work to cite; its DOI, or its address.  [repeatable; default: the U-Net's paper]",
)
@click.option(
    "--example",
    metavar="STACK.tif",
    type=click.Path(path_type=Path),
    help="Its middle slice is cover and test of a package, and goes to whoever gets that.  "
    "[default: a made-up picture, and the run's preview on the cover]",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def command(
    model: Path,
    output: Path,
    name: str,
    authors: tuple[str, ...],
    license: str,
    citations: tuple[tuple[str, str], ...],
    example: Path | None,
    overwrite: bool,
) -> None:
    """Write a model for other programs, in the form that the ending of FILE says.

    \b
    .zip          a package of the BioImage Model Zoo (bioimage.io), with a test, a
                  cover and a README; needs the extra bioimageio
    .onnx         the network, for ONNX Runtime, OpenVINO and others
    .safetensors  its weights, to train from and to predict by
    .mindir       for MindSpore Lite; needs MindSpore

    MODEL is the folder of a training, a checkpoint (.safetensors, or the .ckpt of the model zoo),
    or, for a package, a model.onnx.

    \b
    Examples:
      napari-unet export runs/first -o membranes.zip --author "Ada Lovelace"
      napari-unet export zoo.ckpt -o zoo.safetensors
    """
    description = ModelDescription(name, authors, license, citations, example)
    say(export_model(model, output, description, overwrite=overwrite))
