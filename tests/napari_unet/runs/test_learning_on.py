"""What a run holds out that learns on from another."""

from pathlib import Path

import numpy as np
import pytest

from napari_unet.runs.learning_on import (
    accept,
    current_model,
    learn_on,
    learn_on_config,
    takes_place,
    unseen_slices,
    use,
)
from napari_unet.runs.training_sources import LayerData, LayerStack
from training.config import parse_numbers, preset_config
from training.errors import UserError
from training.presets.registry import find_preset
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "first")
    run.create(preset_config("compact", cross_valid_ind=3))
    run.best.write_bytes(b"")
    return run


def tell(run: RunDirectory, kind: str, **values: object) -> None:
    log = EventLog(run.events)
    log.append(kind, **values)
    log.close()


def tell_split(run: RunDirectory, train: list[int], valid: list[int]) -> None:
    tell(run, "started", first_step=0, total_steps=9, train_slices=train, valid_slices=valid)


def test_what_was_held_out_stays_so(run: RunDirectory) -> None:
    tell_split(run, [1, 2], [5])
    config = learn_on_config(run.path, [1, 2, 5, 7, 8], steps=7)
    assert parse_numbers(config.valid_slices, "valid_slices") == [5]
    assert (config.preset, config.cross_valid_ind, config.steps) == ("compact", 3, 7)
    assert config.weights == str(run.path)
    assert config.lr == find_preset("compact").learn_on_recipe["lr"]
    assert learn_on_config(run.path).valid_slices == ""  # another stack
    assert learn_on_config(run.best).weights == str(run.path)


@pytest.mark.parametrize(
    ("labelled", "held_out"),
    [([4], []), ([4, 6], []), ([4, 6, 7], [7]), (list(range(12)), [10, 11])],
)
def test_of_held_out_strokes_the_slices_were_seen(
    run: RunDirectory, labelled: list[int], held_out: list[int]
) -> None:
    tell_split(run, [4], [4])
    assert unseen_slices(run, labelled) == held_out


def test_a_model_takes_its_place_if_it_is_better_or_accepted(run: RunDirectory) -> None:
    assert takes_place(run)
    figures = {"soft_dice": 0.9, "dice": 0.8}
    tell(
        run,
        "compared",
        initial_path="best.safetensors",
        slices=[3],
        before=figures,
        after=figures,
        is_better=False,
    )
    assert not takes_place(run)
    accept(run)
    assert takes_place(run)


def test_a_model_of_another_preset_is_reported(run: RunDirectory) -> None:
    with pytest.raises(UserError, match="is a compact, not a medical"):
        learn_on_config(run.path, preset="medical")
    run.best.unlink()
    with pytest.raises(UserError, match="has no model yet"):
        learn_on_config(run.path)
    with pytest.raises(UserError, match="is not a run"):
        learn_on_config(run.path / "nowhere")


def test_without_a_model_nothing_is_started() -> None:
    stacks = [LayerStack(name, np.zeros((2, 8, 8), np.uint8)) for name in ("images", "labels")]
    with pytest.raises(UserError, match="no model to keep training from"):
        learn_on(LayerData(*stacks))


def test_a_model_that_is_used_is_the_current_one(run: RunDirectory) -> None:
    run.best.parent.mkdir(parents=True, exist_ok=True)
    run.best.touch()
    assert current_model() is None
    use(run)
    found = current_model()
    assert found is not None and found.path == run.path
    assert takes_place(run)
