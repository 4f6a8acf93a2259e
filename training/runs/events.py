"""The events of a run: their kinds, and the fields of each.

A field's annotation carries its check. An event is accepted if it has all required fields and
every known field that it has passes its check; readers pass over all others. Paths are relative
to the run's directory.
"""
# Without "from __future__ import annotations", which would hide from TypedDict what is required.

import re
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    TypedDict,
    TypeGuard,
    get_args,
    get_type_hints,
)

from training.files.names import NAME
from training.files.untrusted_files import is_count, is_number

Check = Callable[[Any], bool]

LATEST_TIME = 1e11  # seconds since 1970; later ones are not dates
_PREVIEW = re.compile(rf"preview/{NAME}\.png")


def _is_time(value: Any) -> bool:
    return is_number(value) and 0 <= value <= LATEST_TIME


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _are_counts(value: Any) -> bool:
    return _is_list(value) and all(map(is_count, value))


def _are_some_counts(value: Any) -> bool:
    return _are_counts(value) and bool(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_figures(*required: str) -> Check:
    def check(value: Any) -> bool:
        is_whole = isinstance(value, dict) and all(name in value for name in required)
        return is_whole and all(map(is_number, value.values()))

    return check


def _are_lengths(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_count, value.values()))


def _are_figures_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_figures("soft_dice", "dice"), value.values()))


def _is_initial_model(value: Any) -> bool:
    is_whole = isinstance(value, dict) and _is_text(value.get("path"))
    return is_whole and _are_figures("soft_dice", "dice")(value.get("mean"))


def _is_preview(value: Any) -> bool:
    return _is_text(value) and _PREVIEW.fullmatch(value) is not None


Number = Annotated[float, is_number]
Count = Annotated[int, is_count]
Counts = Annotated[list[int], _are_counts]
SomeCounts = Annotated[list[int], _are_some_counts]
Text = Annotated[str, _is_text]
Flag = Annotated[bool, _is_flag]
Figures = Annotated[dict[str, float], _are_figures("soft_dice", "dice")]


class _Timed(TypedDict):
    """What every event has: when it happened, in seconds since 1970."""

    time: Annotated[float, _is_time]


class InitialModel(TypedDict):
    """The model that a run began from, and its figures on the slices that the run holds out."""

    path: str
    mean: dict[str, float]


class Started(_Timed):
    """The training began, or went on after its step ``first_step``."""

    kind: Literal["started"]
    first_step: Count
    total_steps: Count
    total_epochs: NotRequired[Count]
    preview_slice: NotRequired[Count]
    preset: NotRequired[Text]
    device: NotRequired[Text]
    world_size: NotRequired[Count]
    versions: NotRequired[Annotated[dict[str, str], _are_texts]]
    pid: NotRequired[Count]
    hostname: NotRequired[Text]
    train_slices: NotRequired[Counts]
    valid_slices: NotRequired[SomeCounts]
    """Their numbers, which go on from volume to volume."""
    volumes: NotRequired[Annotated[dict[str, int], _are_lengths]]
    """The volumes' numbers of slices, by name and in order."""
    validation: NotRequired[Text]
    """What is held out, in a sentence."""
    initial_model: NotRequired[Annotated[InitialModel, _is_initial_model]]


class Step(_Timed):
    kind: Literal["step"]
    step: Count
    epoch: Count
    loss: Number
    images_per_second: Number
    lr: Number
    is_skipped: NotRequired[Flag]
    """Whether the weights were left as they were, because a gradient was not finite."""


class Evaluated(_Timed):
    """A validation: the figures of its slices, their mean, and that of each of several volumes."""

    kind: Literal["evaluated"]
    step: Count
    epoch: Count
    slices: NotRequired[Annotated[list[object], _is_list]]
    mean: Figures
    volumes: NotRequired[Annotated[dict[str, dict[str, float]], _are_figures_by_name]]


class Checkpoint(_Timed):
    kind: Literal["checkpoint"]
    step: Count
    path: Text
    is_best: Flag


class Converged(_Timed):
    """The run no longer improved at a step, so that it has fewer steps in all now."""

    kind: Literal["converged"]
    step: Count
    total_steps: Count


class Preview(_Timed):
    """A picture of a held-out slice's probability was written."""

    kind: Literal["preview"]
    step: Count
    slice: Count
    path: Annotated[str, _is_preview]
    volume: NotRequired[Text]
    """Of several, the one that the slice is of."""


class Warned(_Timed):
    kind: Literal["warning"]
    message: Text


class Comparison(TypedDict):
    """A run's best model beside the one that it began from, on the slices held out."""

    initial_path: Text
    slices: Counts
    before: Figures
    after: Figures
    is_better: Flag


class Compared(_Timed, Comparison):
    kind: Literal["compared"]


class Ended(_Timed):
    """The training came to its end, or a person stopped it; the model is kept."""

    kind: Literal["finished", "stopped"]
    step: Count
    seconds: Number
    skipped_steps: NotRequired[Count]


class Failed(_Timed):
    kind: Literal["failed"]
    message: Text
    remedy: Text
    traceback: Text


Event = (
    Started
    | Step
    | Evaluated
    | Checkpoint
    | Converged
    | Preview
    | Warned
    | Compared
    | Ended
    | Failed
)


class _Form(NamedTuple):
    required: frozenset[str]
    checks: dict[str, Check]


def _form(kind: Any) -> _Form:
    """Derive the form of a kind of event from its annotations."""
    hints = get_type_hints(kind, include_extras=True)
    checks = {}
    for name in hints.keys() - {"kind"}:
        is_required = name in kind.__required_keys__
        annotated = hints[name] if is_required else get_args(hints[name])[0]
        (checks[name],) = annotated.__metadata__
    return _Form(kind.__required_keys__, checks)


_FORMS = {
    name: _form(kind) for kind in get_args(Event) for name in get_args(get_type_hints(kind)["kind"])
}


def is_event(value: Any) -> TypeGuard[Event]:
    """Say whether a JSON value is an event of a known kind, with its fields as they must be."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    form = _FORMS.get(value["kind"])
    if form is None or not form.required <= value.keys():
        return False
    return all(check(value[name]) for name, check in form.checks.items() if name in value)
