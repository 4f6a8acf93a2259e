from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from napari_unet.runs.run_list import list_runs
from napari_unet.runs.run_offer import RunOffer, offer_run
from training.config import preset_config
from training.runs.run_directory import RunDirectory

MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[MakeRun]:
    """``make_run(name, is_running)`` gives a run, held by this process if it is running."""
    with ExitStack() as held:

        def make(name: str, is_running: bool) -> RunDirectory:
            run = RunDirectory(tmp_path / name)
            run.create(preset_config("compact"))
            if is_running:
                held.enter_context(run.hold())
            return run

        yield make


def offer(folder: Path, left: str = "") -> RunOffer | None:
    return offer_run(list_runs(folder), left)


def test_a_run_that_was_left_running_is_followed_before_any_other(
    make_run: MakeRun, tmp_path: Path
) -> None:
    left = make_run("left", is_running=True)
    make_run("other", is_running=True)
    found = offer(tmp_path, str(left.path))
    assert found is not None
    assert (found.run.name, found.action) == ("left", "")
    assert "followed again" in found.text


def test_a_run_that_has_ended_since_is_offered(make_run: MakeRun, tmp_path: Path) -> None:
    left = make_run("left", is_running=False)
    make_run("other", is_running=True)
    found = offer(tmp_path, str(left.path))
    assert found is not None
    assert (found.run.name, found.action) == ("left", "Show")


def test_any_run_that_goes_on_is_offered(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("ended", is_running=False)
    make_run("running", is_running=True)
    found = offer(tmp_path, left=str(tmp_path / "gone"))
    assert found is not None
    assert (found.run.name, found.action) == ("running", "Follow")


def test_ended_runs_alone_are_not_offered(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("ended", is_running=False)
    assert offer(tmp_path) is None
