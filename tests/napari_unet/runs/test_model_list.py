from collections.abc import Callable
from pathlib import Path

import pytest

from napari_unet.runs.model_list import list_models
from napari_unet.settings import Settings, remember
from training.config import preset_config
from training.model.starter_model import starter_path
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunDirectory]:
    """``make_run(name, time, has_model)`` gives a finished run that was started at a time."""
    remember(Settings(runs_folder=str(tmp_path / "runs")))

    def make(name: str, time: float, has_model: bool = True) -> RunDirectory:
        run = RunDirectory(tmp_path / "runs" / name)
        run.create(preset_config("compact"))
        log = EventLog(run.events)
        log.append("started", time=time, first_step=0, total_steps=9)
        log.append("evaluated", step=9, epoch=3, mean={"soft_dice": 0.9126, "dice": 0.8})
        log.append("finished", step=9, seconds=3.0)
        log.close()
        if has_model:
            run.onnx.write_bytes(b"model")
        return run

    return make


def test_runs_with_a_model_are_listed_newest_first(make_run: Callable[..., RunDirectory]) -> None:
    old, new = make_run("old", 1e9), make_run("new", 2e9)
    make_run("newest", 3e9, has_model=False)
    models = list_models()
    assert list(models.titles.items()) == [
        (new.path, "18 May 2033 · Dice 0.800 · new"),
        (old.path, "09 Sep 2001 · Dice 0.800 · old"),
        (starter_path(), "Starter (no training)"),
    ]
    assert models.preferred == new.path


def test_the_model_of_the_last_prediction_is_preferred_while_it_exists(
    make_run: Callable[..., RunDirectory], tmp_path: Path
) -> None:
    run = make_run("new", 2e9)
    last = tmp_path / "elsewhere.onnx"
    last.write_bytes(b"model")
    remember(Settings(model=str(last)))
    assert list_models().preferred == last
    last.unlink()
    assert list_models().preferred == run.path
    remember(Settings(model=str(starter_path())))
    assert list_models().preferred == run.path


def test_without_a_run_the_starter_is_preferred() -> None:
    models = list_models()
    assert models.preferred == starter_path()
    assert models.titles == {starter_path(): "Starter (no training)"}
