"""The models that a person can predict with, and the one taken first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_unet.runs.run_list import RunSummary, list_runs
from napari_unet.settings import load_settings
from napari_unet.text import line
from training.model.starter_model import starter_path

STARTER_TITLE = "Starter (no training)"


@dataclass(frozen=True)
class ModelList:
    """Models of a folder's runs, and the starter.

    Parameters
    ----------
    titles : mapping of Path to str
        The folder of each run that has a model, newest first, and what to call it; the starter's
        file is the last.
    preferred : Path
        The model of the last prediction if it still exists, else the newest run's; the starter
        where there is neither.
    missing : frozenset of Path
        Those that were offered before and were deleted since.
    """

    titles: Mapping[Path, str]
    preferred: Path
    missing: frozenset[Path] = frozenset()


def list_models(offered: Iterable[Path] = ()) -> ModelList:
    """The models in the folder of the runs that the settings name, and the starter.

    Parameters
    ----------
    offered : iterable of Path
        Models that a person can choose already, also of other folders.
    """
    settings = load_settings()
    runs = list_runs(Path(settings.runs_folder))
    titles = {summary.run.path: model_title(summary) for summary in runs if summary.has_model}
    starter = starter_path()
    last = Path(settings.model) if settings.model else starter
    if last == starter or not last.exists():
        last = next(iter(titles), starter)
    missing = frozenset(path for path in offered if not path.exists())
    return ModelList({**titles, starter: STARTER_TITLE}, last, missing)


def model_title(summary: RunSummary) -> str:
    """A run's model in a line: when it was started, its best Dice if known, and its title."""
    dice = summary.best_dice
    figure = f"Dice {dice:.3f} · " if dice is not None else ""
    return f"{summary.moment} · {figure}{line(summary.title)}"
