"""``napari-unet setup``: the Python that trains, made, named or removed."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.training_python.choice import has_mindspore, read_choice
from napari_unet.training_python.making import remove, set_up, use_python
from napari_unet.training_python.requirements import for_formats, look_at
from training.console import list_names, say
from training.errors import UserError


@click.command()
@click.option(
    "--python",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Train in this Python, which has MindSpore already.",
)
@click.option(
    "--find-links",
    "--find_links",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Take wheels from this folder in the place of the internet.",
)
@click.option("--remove", "is_removing", is_flag=True, help="Remove what setup has made.")
def command(python: Path | None, find_links: Path | None, is_removing: bool) -> None:
    """Set up training: a Python of its own with MindSpore.

    MindSpore needs Python 3.11 or 3.12 and NumPy 1; it lies in your data folder, and changes
    nothing in napari's Python. Where that has MindSpore, trainings run in it, and no setup is
    needed. Ctrl-C cancels; the next setup goes on where it was.

    \b
    Examples:
      napari-unet setup
      napari-unet setup --find-links wheels
      napari-unet setup --python ~/mindspore/bin/python
      napari-unet setup --remove
    """
    if sum(map(bool, (python, find_links, is_removing))) > 1:
        raise UserError("--python, --find-links and --remove exclude each other.", "Give one.")
    if is_removing:
        say("It is removed." if remove() else "There is nothing to remove.")
    elif python is not None:
        use_python(python)
        _tell()
    elif has_mindspore() and find_links is None:
        say(f"MindSpore is in {sys.executable}, and trainings run there: nothing is to be set up.")
    else:
        _set_up(find_links)
        _tell()


def _set_up(find_links: Path | None) -> None:
    """Set up, with a line for each step, and a bar while something is loaded."""
    step = ""
    with closing(set_up(find_links)) as progresses, ProgressBar(unit="B", unit_scale=True) as bar:
        try:
            for progress in progresses:
                if progress.step != step:
                    step = progress.step
                    bar.clear()
                    say(f"{step}.")
                if progress.total:
                    bar.total = progress.total
                    bar.update(progress.done - bar.n)
        except KeyboardInterrupt:
            bar.close()
            say("Cancelled: napari-unet setup goes on where it was.", to_stderr=True)
            sys.exit(130)


def _tell() -> None:
    """Say where trainings run now."""
    chosen = read_choice()
    if chosen is None:
        return
    found = look_at(chosen)
    say(f"Trainings run in {found}.")
    if lacking := found.lacks(for_formats()):
        say(f"It lacks {list_names(lacking)}, for stacks of some formats.")
    if has_mindspore():
        say(f"Those started from {sys.executable} run there, because it has MindSpore itself.")
