"""Options that several commands share."""

from __future__ import annotations

import click

device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Device for OpenVINO, such as cpu or gpu.",
)
