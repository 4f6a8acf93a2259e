"""``napari-unet doctor``: what is installed, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from napari_unet.doctor import can_run, examine, format_report
from training.console import say
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.masks.tif_writer import check_output


@click.command()
@click.option(
    "--npu",
    is_flag=True,
    help="Look at the NPUs alone: versions side by side, rights, and a try of each free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="With --npu: try this many workers on the CPU in the place of NPUs.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --npu: write what is found to a file as well, to send to somebody.",
)
@click.option("--overwrite", is_flag=True, help="Replace a report that exists.")
def command(npu: bool, workers: int | None, report: Path | None, overwrite: bool) -> None:
    """Show what is installed, which devices there are, and what is missing.

    The exit code is 0 if a model can be trained and used on this machine, else 1.

    \b
    Examples:
      napari-unet doctor
      napari-unet doctor --npu --report npus.txt
    """
    if npu:
        if report is not None:
            check_output(report, overwrite)
        sys.exit(_examine_npus(workers or 0, report))
    if workers or report:
        raise UserError("--workers and --report are for the NPUs.", "Give --npu as well.")
    findings = list(examine())
    say(format_report(findings))
    if can_run(findings):
        say("\nTraining and prediction can run here.")
        return
    missing = [found.name for found in findings if found.is_needed and found.state == "missing"]
    say(f"\nTraining and prediction can't both run here yet: {', '.join(missing)}.")
    sys.exit(1)


def _examine_npus(workers: int, report: Path | None) -> int:
    """Show what was found of the NPUs, what is wrong first; 1 if anything is."""
    from training.devices.npu_checks import examine_npus, write_report

    checks = examine_npus(workers)
    wrong = [check for check in checks if not check.is_ok]
    lines = [str(check) for check in checks]
    lines.append(
        f"Begin with the first of these {len(wrong)} problems."
        if wrong
        else "All is well: a training can begin."
    )
    say("\n".join(lines))
    if report is not None:
        write_atomically(report, write_report(checks).encode(), follow_links=True)
        say(f"The report is in {report}.")
    return 1 if wrong else 0
