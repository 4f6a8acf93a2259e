"""``napari-unet doctor``: what is installed, and what is missing."""

from __future__ import annotations

import sys

import click

from napari_unet.doctor import can_run, examine, format_report
from training.console import say


@click.command()
def command() -> None:
    """Show what is installed, which devices there are, and what is missing.

    The exit code is 0 if a model can be trained and used on this machine, else 1.
    """
    findings = list(examine())
    say(format_report(findings))
    if can_run(findings):
        say("\nTraining and prediction can run here.")
        return
    missing = [found.name for found in findings if found.is_needed and found.state == "missing"]
    say(f"\nTraining and prediction can't both run here yet: {', '.join(missing)}.")
    sys.exit(1)
