"""What a person calls a run, beside its folder's name, and when it was started."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from training.config import TrainingConfig
from training.files.atomic_files import UnwritableError, write_atomically
from training.files.untrusted_files import read_document
from training.runs.run_directory import RunDirectory

_MOST_BYTES = 1024


def read_title(run: RunDirectory, config: TrainingConfig | None = None) -> str:
    """Read what a run is called: by a person, else like its data, else like its folder.

    Parameters
    ----------
    config : TrainingConfig, optional
        The run's, which names its data.
    """
    try:
        title = read_document(run.title, _MOST_BYTES).strip()
    except (OSError, ValueError):
        title = ""
    return title or _data_name(run, config) or run.name


def write_title(run: RunDirectory, title: str) -> None:
    """Call a run by another title; an empty one calls it like its data again.

    Raises
    ------
    UserError
        If the title can't be written.
    """
    short = title.strip().encode()[:_MOST_BYTES].decode(errors="ignore")
    try:
        write_atomically(run.title, short.encode())
    except OSError as error:
        raise UnwritableError(run.title, error) from error


def moment_text(moment: datetime, now: datetime) -> str:
    """Write when a run was started: "19:32" today, else "26 Nov 19:32" or "26 Nov 2025"."""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment:%d %b %H:%M}" if moment.year == now.year else f"{moment:%d %b %Y}"


def _data_name(run: RunDirectory, config: TrainingConfig | None) -> str:
    if config is None:
        return ""
    if config.pairs:
        first, *others = (Path(pair.name or pair.image).stem for pair in config.pairs)
        return f"{first} and {len(others)} more" if others else first
    image = Path(config.image or config.data_url)
    if image.parts[-3:-1] == (run.name, run.data.name):  # written for the run alone
        return ""
    return image.stem if config.image else image.name
