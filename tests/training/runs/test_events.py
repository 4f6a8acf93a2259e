"""What is accepted as an event: all required fields, and no known field of another type."""

import json
from typing import Any

import pytest

from training.runs.event_reading import parse_events

FIGURES = {"soft_dice": 0.9, "dice": 0.8, "iou": 0.7}
STARTED = {
    "kind": "started",
    "time": 10.0,
    "first_step": 0,
    "total_steps": 30,
    "total_epochs": 3,
    "preview_slice": 2,
    "preset": "compact",
    "device": "CPU",
    "world_size": 1,
    "versions": {"numpy": "1.26"},
    "pid": 7,
    "hostname": "lab",
    "train_slices": [0, 1],
    "valid_slices": [2],
    "validation": "slice 2",
    "initial_model": {"path": "best.safetensors", "mean": FIGURES},
}
OPTIONAL = STARTED.keys() - {"kind", "time", "first_step", "total_steps"}
STEP = {
    "kind": "step",
    "time": 11.0,
    "step": 1,
    "epoch": 1,
    "loss": 0.5,
    "images_per_second": 9,
    "lr": 1e-5,
}
EVALUATED = {"kind": "evaluated", "time": 12.0, "step": 1, "epoch": 1, "mean": FIGURES}
CHECKPOINT = {"kind": "checkpoint", "time": 13.0, "step": 1, "path": "best", "is_best": True}
PREVIEW = {
    "kind": "preview",
    "time": 14.0,
    "step": 1,
    "slice": 2,
    "path": "preview/step-000001.png",
}
CONVERGED = {"kind": "converged", "time": 14.5, "step": 9, "total_steps": 10}
WARNING = {"kind": "warning", "time": 15.0, "message": "Slow."}
COMPARED = {
    "kind": "compared",
    "time": 16.0,
    "initial_path": "best.safetensors",
    "slices": [2],
    "before": FIGURES,
    "after": FIGURES,
    "is_better": True,
}
FINISHED = {"kind": "finished", "time": 17.0, "step": 1, "seconds": 7.0}
STOPPED = {**FINISHED, "kind": "stopped"}
FAILED = {"kind": "failed", "time": 18.0, "message": "No.", "remedy": "Do.", "traceback": ""}
EVENTS = [
    STARTED, STEP, EVALUATED, CHECKPOINT, CONVERGED, PREVIEW, WARNING, COMPARED, FINISHED,
    STOPPED, FAILED,
]  # fmt: skip
REQUIRED = [
    (event, name)
    for event in EVENTS
    for name in event
    if event is not STARTED or name not in OPTIONAL
]


def parse(event: dict[str, Any]) -> list[Any]:
    return list(parse_events(json.dumps(event).encode() + b"\n"))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["kind"])
def test_an_event_is_accepted_as_it_was_written(event: dict[str, Any]) -> None:
    assert parse(event) == [event]
    assert parse(event | {"unknown": None}) == [event | {"unknown": None}]


@pytest.mark.parametrize(("event", "name"), REQUIRED)
def test_an_event_without_a_required_field_is_passed_over(event: dict[str, Any], name: str) -> None:
    assert parse({key: value for key, value in event.items() if key != name}) == []


def test_a_started_run_may_leave_the_rest_untold() -> None:
    event = {name: value for name, value in STARTED.items() if name not in OPTIONAL}
    assert parse(event) == [event]


@pytest.mark.parametrize(
    ("event", "name"), [(event, name) for event in EVENTS for name in event], ids=str
)
def test_an_event_with_a_field_of_another_type_is_passed_over(
    event: dict[str, Any], name: str
) -> None:
    assert parse(event | {name: None}) == []
    assert parse(event | {name: [{}]}) == []


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (STEP, {"step": -1}),
        (STEP, {"step": 1.5}),
        (STEP, {"step": True}),
        (STEP, {"step": 2**60}),
        (STEP, {"time": -1.0}),
        (STEP, {"time": 1e12}),
        (STARTED, {"valid_slices": []}),
        (STARTED, {"initial_model": {"path": "best.safetensors", "mean": {"dice": 0.8}}}),
        (EVALUATED, {"mean": {"soft_dice": 0.9}}),
        (EVALUATED, {"mean": {**FIGURES, "iou": "high"}}),
        (PREVIEW, {"path": "../preview/step-000001.png"}),
        (PREVIEW, {"path": "preview/../best.png"}),
        (PREVIEW, {"path": "preview/.hidden.png"}),
        (COMPARED, {"after": {"dice": 0.8}}),
        (COMPARED, {"is_better": 1}),
        (STEP, {"kind": "leap"}),
    ],
    ids=str,
)
def test_an_event_with_an_impossible_value_is_passed_over(
    event: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert parse(event | changes) == []
