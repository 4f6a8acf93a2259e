"""A model that learned on, compared with the one that it began from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.config import TrainingConfig
from training.evaluation import Evaluation
from training.events import load_state
from training.run_directory import RunDirectory


def initial_figures(config: TrainingConfig, evaluation: Evaluation) -> dict[str, Any]:
    """What ``started`` tells of the model that a run begins from: ``path`` and ``mean``.

    Parameters
    ----------
    evaluation : Evaluation
        Of that model, on the slices that the run holds out.
    """
    return {"path": config.resume_ckpt, "mean": evaluation.mean}


def told_initial_figures(run: RunDirectory) -> dict[str, Any] | None:
    """The same of a run that was interrupted, as its events tell it."""
    started = load_state(run.events).started
    return started.get("initial_model") if started else None


def compare(initial: Mapping[str, Any], best: Evaluation) -> dict[str, Any]:
    """Fields of the event ``compared``.

    Parameters
    ----------
    initial : mapping
        See :func:`initial_figures`.
    best : Evaluation
        Of the run's best model, on the same slices.
    """
    before, after = initial["mean"], {name: best.mean[name] for name in initial["mean"]}
    return {
        "initial_path": initial["path"],
        "slices": [one["index"] for one in best.slices],
        "before": before,
        "after": after,
        "is_better": after["soft_dice"] > before["soft_dice"],
    }


def comparison_line(comparison: Mapping[str, Any]) -> str:
    """A comparison as a person reads it."""
    before, after = (comparison[name]["soft_dice"] for name in ("before", "after"))
    verdict = "better" if comparison["is_better"] else "no better"
    return (
        f"Soft Dice of what was held out: {after:.4f}, and {before:.4f} by the model that it "
        f"began from. The new one is {verdict}."
    )
