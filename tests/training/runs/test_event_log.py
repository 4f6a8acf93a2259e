"""Events and the state that they fold into."""

import json
from pathlib import Path

import pytest

from tests.limits import no_file_longer_than
from training.errors import UserError
from training.label_classes import MOST_CLASSES
from training.runs import event_reading
from training.runs.event_log import EventLog, write_failure
from training.runs.event_reading import KEPT_EVENTS, parse_events
from training.runs.events import Compared, Evaluated, Event, Failed, Started, Step
from training.runs.run_state import RunState, fold, load_state, read_state, read_summary

STARTED: Started = {"kind": "started", "time": 10.0, "first_step": 0, "total_steps": 10}


def resumed(first_step: int) -> Started:
    return {"kind": "started", "time": 50.0, "first_step": first_step, "total_steps": 10}


def step(number: int) -> Step:
    return {
        "kind": "step",
        "time": 10.0 + number,
        "step": number,
        "epoch": 1,
        "loss": 1 / number,
        "images_per_second": 9.0,
        "lr": 1e-5,
    }


def evaluated(number: int, soft_dice: float) -> Evaluated:
    return {
        "kind": "evaluated",
        "time": 10.0 + number,
        "step": number,
        "epoch": 1,
        "mean": {"soft_dice": soft_dice, "dice": 0.5},
    }


def test_steps_and_the_best_evaluation_are_kept() -> None:
    events: list[Event] = [STARTED, step(1), step(2), evaluated(2, 0.9), step(3), evaluated(3, 0.8)]
    state = fold(RunState(), events)
    assert state.status == "running"
    assert state.step == 3
    assert state.best_soft_dice == 0.9
    assert state.seconds_left == pytest.approx(7.0)


def test_folding_in_parts_gives_the_same_state() -> None:
    events: list[Event] = [STARTED, *(step(number) for number in range(1, 6)), evaluated(5, 0.7)]
    state = RunState()
    for event in events:
        before = state
        state = fold(state, [event])
        assert before != state
    assert state == fold(RunState(), events)


def test_a_resumed_run_tells_nothing_twice() -> None:
    killed: list[Event] = [STARTED, *(step(number) for number in range(1, 6)), evaluated(3, 0.9)]
    state = fold(RunState(), [*killed, resumed(3), step(4), step(5), step(6)])
    assert [event["step"] for event in state.steps] == [1, 2, 3, 4, 5, 6]
    assert [event["step"] for event in state.evaluations] == [3]
    assert state.started_time == 10.0


def test_the_dice_of_each_class_is_a_curve_of_its_own() -> None:
    events: list[Event] = [STARTED]
    for number, dice in ((2, 0.4), (4, 0.6), (6, 0.8)):
        events.append(evaluated(number, 0.9))
        events[-1]["mean"] |= {"dice_membrane": dice, "dice_nuclei": dice / 2}
    curves = fold(RunState(), events).class_dice
    assert {name: curve.means.tolist() for name, curve in curves.items()} == {
        "membrane": [0.4, 0.6, 0.8],
        "nuclei": [0.2, 0.3, 0.4],
    }
    resumed_state = fold(RunState(), [*events, resumed(4)])
    assert resumed_state.class_dice["nuclei"].steps.tolist() == [2, 4]
    many = evaluated(8, 0.9)
    many["mean"] |= {f"dice_{number}": 0.5 for number in range(1000)}
    assert len(fold(RunState(), [*events, many]).class_dice) == MOST_CLASSES


def test_a_failure_is_reported_until_the_run_goes_on() -> None:
    failed: Failed = {
        "kind": "failed",
        "time": 12.0,
        "message": "No.",
        "remedy": "",
        "traceback": "",
    }
    state = fold(RunState(), [STARTED, failed])
    assert (state.status, state.failure) == ("failed", failed)
    state = fold(state, [STARTED])
    assert (state.status, state.failure) == ("running", None)


def test_a_comparison_is_reported_until_the_run_goes_on() -> None:
    started = STARTED.copy()
    started["initial_model"] = {"path": "best.safetensors", "mean": {"soft_dice": 0.9, "dice": 0.8}}
    compared: Compared = {
        "kind": "compared",
        "time": 13.0,
        "initial_path": "best.safetensors",
        "slices": [2],
        "before": {"soft_dice": 0.9, "dice": 0.8},
        "after": {"soft_dice": 0.95, "dice": 0.9},
        "is_better": True,
    }
    state = fold(RunState(), [started, step(1), compared])
    assert (state.initial_dice, state.comparison) == (0.8, compared)
    assert fold(state, [started]).comparison is None
    assert fold(RunState(), [STARTED]).initial_dice is None


def test_an_unfinished_line_and_unknown_kinds_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [json.dumps(STARTED), json.dumps({"kind": "new", "time": 0}), "not JSON", '{"kind"']
    path.write_text("\n".join(lines))
    state, offset = read_state(path, RunState(), 0)
    assert (state.status, state.last_time) == ("running", STARTED["time"])
    with path.open("a") as file:
        file.write(': "finished", "time": 13.0, "step": 3, "seconds": 3.0}\n')
    state, _ = read_state(path, state, offset)
    assert (state.status, state.last_time) == ("finished", 13.0)


def test_the_log_cuts_off_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(STARTED) + '\n{"kind": "st')
    log = EventLog(path)
    log.append("finished", step=3, seconds=1.0)
    log.close()
    assert [event["kind"] for event in parse_events(path.read_bytes())] == ["started", "finished"]


def test_no_file_has_no_events(tmp_path: Path) -> None:
    assert read_state(tmp_path / "none.jsonl", RunState(), 7) == (RunState(), 7)


def write_events(path: Path, steps: int) -> None:
    log = EventLog(path)
    log.append("started", first_step=0, total_steps=steps)
    for number in range(1, steps + 1):
        log.append("step", step=number, epoch=1, loss=1 / number, images_per_second=9.0, lr=1e-5)
        if number % 10 == 0:
            mean = {"soft_dice": number / steps, "dice": 0.5}
            log.append("evaluated", step=number, epoch=1, mean=mean)
            log.append("preview", step=1, slice=2, path=f"preview/step-{number:06}.png")
    log.close()


def state_of_all_events(path: Path) -> RunState:
    return fold(RunState(), parse_events(path.read_bytes()))


def test_a_file_of_many_pieces_gives_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, steps=3000)
    expected = state_of_all_events(path)
    assert len(expected.steps) == KEPT_EVENTS
    assert expected.loss.means.tolist() == [1 / number for number in range(1, 3001)]
    assert load_state(path) == expected
    monkeypatch.setattr(event_reading, "PIECE", 70)  # less than a line
    assert load_state(path) == expected
    monkeypatch.setattr(event_reading, "PIECE", 5_000)
    monkeypatch.setattr(event_reading, "NEWEST_BYTES", 100_000)  # of some 400,000
    assert load_state(path) == expected


def test_of_the_steps_the_last_alone_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, steps=30)
    state, offset = read_summary(path, RunState(), 0)
    assert (state.step, len(state.steps), offset) == (30, 1, path.stat().st_size)
    assert state.best_soft_dice == 1.0


def test_a_run_resumed_before_the_newest_steps_knows_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, steps=3000)
    state = fold(load_state(path), [resumed(100)])
    assert (state.step, state.steps) == (100, [])
    assert state.loss.steps[-1] == 100


def test_steps_that_are_not_as_we_write_them_are_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, steps=2000)
    lines = path.read_text().splitlines()
    lines[3] = '{"kind": "step", "lr": 1, "images_per_second": 9, "step": 3, "loss": 1, "epoch": 1}'
    lines[4] = '{"kind": "step", "step'
    path.write_text("\n".join(lines) + "\n")
    assert load_state(path) == state_of_all_events(path)


def test_an_event_that_finds_no_room_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append("warning", message="first")
    with no_file_longer_than(path.stat().st_size + 20):
        for message in ("second", "third"):
            with pytest.raises(OSError, match="File too large"):
                log.append("warning", message=message)
            assert load_state(path).warnings == ["first"]
            assert path.read_bytes().endswith(b"\n")
    log.append("warning", message="fourth")
    log.close()
    assert load_state(path).warnings == ["first", "second", "third", "fourth"]


def test_a_failure_that_finds_no_room_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    error = UserError("The disk is full.", "Free some space.")
    with no_file_longer_than(10):
        write_failure(path, error, "Traceback")
    assert "File too large" in capsys.readouterr().err
    assert load_state(path).failure is None
    write_failure(path, error, "Traceback")
    failure = load_state(path).failure
    assert failure is not None
    assert (failure["message"], failure["remedy"]) == (error.problem, error.remedy)
    assert failure["traceback"] == "Traceback"
