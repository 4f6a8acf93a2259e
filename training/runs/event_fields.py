"""What an event must tell so that a run's state can be made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from training.files.untrusted_files import is_count, is_number

Check = Callable[[Any], bool]

LATEST_TIME = 1e11  # seconds since 1970; later ones are no dates
_PREVIEW = re.compile(r"preview/[^/\0.][^/\0]*\.png")


def is_event(value: Any) -> bool:
    """Whether a value is an event; of the kinds that are known, with all that readers need."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    if value["kind"] == "losses":  # no event of a file: what event_reading makes of many
        return False
    needed = _NEEDED.get(value["kind"], {})
    if not all(name in value and is_fine(value[name]) for name, is_fine in needed.items()):
        return False
    told = _OPTIONAL.keys() & value.keys()
    return all(_OPTIONAL[name](value[name]) for name in told)


def _is_time(value: Any) -> bool:
    return is_number(value) and 0 <= value <= LATEST_TIME


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value))


def _are_some_counts(value: Any) -> bool:
    return _are_counts(value) and bool(value)


def _are_figures(*needed: str) -> Check:
    def check(value: Any) -> bool:
        is_whole = isinstance(value, dict) and all(name in value for name in needed)
        return is_whole and all(is_number(figure) for figure in value.values())

    return check


def _is_initial_model(value: Any) -> bool:
    if value is None:
        return True
    is_whole = isinstance(value, dict) and _is_text(value.get("path"))
    return is_whole and _are_figures("soft_dice")(value.get("mean"))


def _is_preview(value: Any) -> bool:
    return _is_text(value) and _PREVIEW.fullmatch(value) is not None


_NEEDED: Mapping[str, Mapping[str, Check]] = {
    "started": {"time": _is_time, "first_step": is_count, "total_steps": is_count},
    "step": {
        "step": is_count,
        "epoch": is_count,
        "loss": is_number,
        "images_per_second": is_number,
        "lr": is_number,
    },
    "evaluated": {"step": is_count, "mean": _are_figures("soft_dice", "dice")},
    "preview": {"epoch": is_count, "slice": is_count, "path": _is_preview},
    "warning": {"message": _is_text},
    "compared": {
        "slices": _are_counts,
        "before": _are_figures("soft_dice"),
        "after": _are_figures("soft_dice"),
        "is_better": lambda value: isinstance(value, bool),
    },
    "failed": {"message": _is_text, "remedy": _is_text},
}

# Of any kind that tells them.
_OPTIONAL: Mapping[str, Check] = {
    "time": _is_time,
    "step": is_count,
    "epoch": is_count,
    "seconds": is_number,
    "device": _is_text,
    "world_size": is_count,
    "steps_per_epoch": is_number,
    "train_slices": _are_counts,
    "valid_slices": _are_some_counts,
    "validation": _is_text,
    "initial_model": _is_initial_model,
}
