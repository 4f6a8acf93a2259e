"""Many runs, long runs, many writers: time and memory are those of what is new."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_list import list_runs
from napari_unet.runs.run_progress import ProgressReader
from tests.faults.many_events import EPOCH, append_steps, new_run
from tests.faults.scale import scaled
from training.runs.event_reading import KEPT_EVENTS, PIECE
from training.runs.run_state import load_state
from training.runs.thinned_curve import MAX_POINTS

MB = 2**20
UPDATE = 80  # steps that come between two looks at a run


@contextmanager
def traced_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def characters_read() -> int:
    """What this process has read from files so far, in bytes."""
    return int(psutil.Process().io_counters().read_chars)


def test_runs_are_listed_again_at_the_cost_of_what_is_new(tmp_path: Path) -> None:
    count, steps = scaled(20), 1000
    runs = [new_run(tmp_path / f"run {number}", steps) for number in range(count)]
    for run in runs:
        append_steps(run, 1, steps)
    everything = sum(run.events.stat().st_size for run in runs)
    begin, clock = characters_read(), time.perf_counter()
    first = list_runs(tmp_path)
    print(f"{count} runs, {everything / MB:.0f} MB: {time.perf_counter() - clock:.3f} s")
    assert len(first) == count and characters_read() - begin > everything

    begin, clock = characters_read(), time.perf_counter()
    assert list_runs(tmp_path) == first
    print(f"listed again: {time.perf_counter() - clock:.3f} s")
    assert characters_read() - begin < 100 * count

    before = runs[0].events.stat().st_size
    append_steps(runs[0], steps + 1, steps + 100)
    begin = characters_read()
    seconds = {run.run.name: run.seconds for run in first}
    changed = [run for run in list_runs(tmp_path) if run.seconds != seconds[run.run.name]]
    assert [run.run.name for run in changed] == ["run 0"]
    new = runs[0].events.stat().st_size - before
    assert new <= characters_read() - begin < new + 100 * count


def test_events_of_another_file_of_the_same_name_are_read_anew(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", 100)
    append_steps(run, 1, 100)
    (before,) = list_runs(tmp_path)
    run.events.unlink()
    run.events.write_text("")
    (after,) = list_runs(tmp_path)
    assert before.best_dice == 0.8
    assert after.best_dice is None


def test_a_long_events_file_opens_in_bounded_memory(tmp_path: Path) -> None:
    steps = min(scaled(100_000), 1_000_000)
    run = new_run(tmp_path / "run", steps)
    append_steps(run, 1, steps)
    clock = time.perf_counter()
    state = load_state(run.events)
    size = run.events.stat().st_size
    print(f"{steps} steps, {size / MB:.0f} MB: {time.perf_counter() - clock:.2f} s")
    with traced_memory():
        assert load_state(run.events) == state
        kept, peak = tracemalloc.get_traced_memory()
    print(f"kept {kept / MB:.1f} MB, at most {peak / MB:.1f} MB")
    assert state.step == state.loss.count == steps
    assert len(state.loss) <= MAX_POINTS and len(state.steps) == KEPT_EVENTS
    assert kept < 3 * MB
    assert peak < 8 * PIECE


def test_the_memory_of_who_follows_a_run_stays_flat(tmp_path: Path) -> None:
    """A day of a training of nine steps a second, where the scale is 100."""
    updates, already = scaled(100), KEPT_EVENTS * EPOCH  # as many as are kept
    run = new_run(tmp_path / "run", already + updates * UPDATE)
    append_steps(run, 1, already)
    follower = RunFollower(run, LocalLauncher(tmp_path))
    reader = ProgressReader(follower)
    memory = []
    with traced_memory():
        for update in range(updates):
            first = already + update * UPDATE + 1
            append_steps(run, first, first + UPDATE - 1)
            assert follower.update()
            progress = reader.read()
            memory.append(tracemalloc.get_traced_memory()[0])
            assert len(progress.curves.loss) <= 2 * MAX_POINTS
    quarter = updates // 4
    # The least of each: Python collects what is no longer needed now and then.
    early, late = min(memory[:quarter]), min(memory[-quarter:])
    steps = progress.state.step
    print(f"{steps} steps in {updates} updates: {early / MB:.2f} MB early, {late / MB:.2f} MB late")
    assert progress.state.loss.count == steps == already + updates * UPDATE
    assert late < early + MB


@pytest.mark.parametrize("count", [1, MAX_POINTS, MAX_POINTS + 1, 10 * MAX_POINTS])
def test_curves_are_thinned_to_what_a_screen_shows(tmp_path: Path, count: int) -> None:
    run = new_run(tmp_path / "run", count)
    append_steps(run, 1, count)
    follower = RunFollower(run, LocalLauncher(tmp_path))
    follower.update()
    curves = ProgressReader(follower).read().curves
    assert len(curves.steps) == len(curves.loss) == len(curves.smoothed_loss)
    assert min(count, MAX_POINTS) <= len(curves.loss) <= 2 * MAX_POINTS
    assert curves.steps[-1] == count
    assert curves.loss.max() == pytest.approx(1.3 + 0.1 * 0.841471)
