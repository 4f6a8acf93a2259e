"""When a run validates: as often as a person looks, as seldom as devices that wait need it."""

import dataclasses

import numpy as np
import pytest

from tests.training.learning.test_batches import CARD, training_set
from training.config import preset_config
from training.devices.placement import Place
from training.learning.batches import Batches
from training.learning.validation_schedule import ValidationSchedule

SECTIONS = np.zeros((24, 16, 16), np.uint8)  # as many as a fold of ISBI trains on


def validated_steps(
    preset: str,
    target: str,
    world_size: int = 1,
    step_seconds: float = 0.0,
    held_out: int = 6,
    **options: object,
) -> list[int]:
    """The steps after which a run validates, each of which takes so many seconds."""
    images = np.zeros((24, 512, 512), np.uint8) if preset == "compact" else SECTIONS
    config = preset_config(preset, **options)
    data = training_set(images, images > 0)
    data = dataclasses.replace(data, valid_slices=data.train_slices[:1] * held_out)
    batches = Batches(data, CARD, config, Place(0, world_size))
    now = 0.0
    schedule = ValidationSchedule(batches, data, config, target, lambda: now)
    found = []
    for step in range(1, batches.total_steps + 1):
        now += step_seconds
        if schedule.is_due(step):
            found.append(step)
            schedule.note_end()
    return found


@pytest.mark.parametrize(("world_size", "steps"), [(1, 600), (8, 300)])
@pytest.mark.parametrize("target", ["CPU", "Ascend"])
def test_a_run_of_the_zoo_validates_about_24_times(
    target: str, world_size: int, steps: int
) -> None:
    found = validated_steps("medical", target, world_size, step_seconds=100)
    assert 20 <= len(found) <= 26
    assert found[0] == 8
    assert found[-1] == steps


def test_validations_on_an_npu_are_a_minute_apart() -> None:
    """The zoo's run on eight NPUs takes 84 s: it validates after a minute, and at its end."""
    found = validated_steps("medical", "Ascend", 8, step_seconds=84 / 300)
    assert found == [215, 300]
    found = validated_steps("medical", "Ascend", 8, step_seconds=3)
    assert np.diff(found)[:-1].min() >= 20


def test_a_person_s_interval_is_kept() -> None:
    found = validated_steps("medical", "Ascend", step_seconds=0.01, eval_interval=40)
    assert found == list(range(60, 601, 60))


def test_the_live_curve_on_a_cpu_stays_lively() -> None:
    assert validated_steps("compact", "CPU") == [8, 16, 32, *range(48, 577, 48)]
    long = validated_steps("compact", "CPU", epochs=500)
    assert long[:8] == [8, 16, 32, 64, 128, 256, 480, 960]
    assert np.diff(long).max() == 480
    assert len(validated_steps("compact", "CPU", epochs=5000)) <= 100 + 9  # the early ones


def test_the_first_validation_takes_no_longer_than_the_steps_before_it() -> None:
    """30 slices have as many pixels as 60 steps' crops, which are passed three times."""
    assert validated_steps("compact", "CPU", held_out=30)[:3] == [32, 48, 96]
    assert validated_steps("compact", "CPU", held_out=60)[:2] == [48, 96]
