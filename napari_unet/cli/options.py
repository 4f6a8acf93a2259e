"""Options that several commands share."""

from __future__ import annotations

import click

from napari_unet.prediction import PRECISIONS

device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Device for OpenVINO, such as cpu or gpu.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Arithmetic of the network. auto: bf16 where the processor computes in it, else f32.",
)
