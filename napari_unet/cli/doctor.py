"""``napari-unet doctor``: what is installed, and what is missing."""

from __future__ import annotations

import sys

import click

from napari_unet import __version__
from napari_unet.doctor import can_train, examine

_MARKS = {"ok": ("ok", "green"), "absent": ("-", "yellow"), "missing": ("MISSING", "red")}


@click.command()
def command() -> None:
    """Tell what is installed, which devices there are, and what is missing.

    The exit code is 0 when training, prediction and evaluation work here. A dash marks what
    they do not need: NPUs, and what only the window uses.
    """
    click.echo(f"napari-unet {__version__}\n")
    findings = []
    for finding in examine():
        findings.append(finding)
        mark, color = _MARKS[finding.state]
        click.echo(f"{click.style(f'{mark:>7}', fg=color)}  {finding.topic:<13} {finding.detail}")
        if finding.state != "ok" and finding.remedy:
            click.echo(f"{'':>24}{finding.remedy}")
    click.echo()
    if can_train(findings):
        click.echo("All that training, prediction and evaluation need is here.")
        return
    click.echo("Something is missing for training, prediction or evaluation: see above.")
    sys.exit(1)
