"""The configuration: defaults, checks, and its file."""

import dataclasses
import json

import pytest

from training import __version__
from training.config import TrainingConfig, preset_config
from training.data_pairs import DataPair
from training.errors import UserError
from training.label_convention import LabelConvention
from training.presets.registry import list_presets


def test_medical_has_the_zoo_s_defaults() -> None:
    config = preset_config("medical")
    zoo = {
        "lr": 1e-4,
        "epochs": 400,
        "distribute_epochs": 1600,
        "batchsize": 16,
        "cross_valid_ind": 1,
        "num_classes": 2,
        "num_channels": 1,
        "keep_checkpoint_max": 10,
        "weight_decay": 5e-4,
        "loss_scale": 1024.0,
        "FixedLossScaleManager": 1024.0,
        "weights": "none",
    }
    assert {name: getattr(config, name) for name in zoo} == zoo


@pytest.mark.parametrize("preset", list_presets())
def test_a_file_gives_the_same_configuration_back(preset: str) -> None:
    config = preset_config(preset, seed=7, data_url="some/folder")
    assert TrainingConfig.from_json(config.to_json()) == config


def test_a_file_names_volumes_as_lists() -> None:
    pairs = [["a.tif", "b.tif"], ["c.h5/raw", "d.tif", "sparse", "c"]]
    config = preset_config("compact", pairs=pairs, hold_out=["c"])
    again = TrainingConfig.from_json(config.to_json())
    assert again == config
    assert again.pairs[1] == DataPair("c.h5/raw", "d.tif", LabelConvention.SPARSE, "c")


def test_a_file_may_hold_a_part() -> None:
    text = '{"preset": "medical", "seed": 4}'
    assert TrainingConfig.from_json(text) == preset_config("medical", seed=4)
    assert TrainingConfig.from_json("{}") == preset_config("compact")


def test_a_file_holds_every_option_and_the_version() -> None:
    document = json.loads(preset_config("compact").to_json())
    names = {option.name for option in dataclasses.fields(TrainingConfig)}
    assert document.keys() == names | {"version"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cross_valid_ind": 5}, "cross_valid_ind is 5, but must be at least 0 and at most 4."),
        ({"epochs": 0}, "epochs is 0, but must be at least 1."),
        ({"epochs": 2.5}, "epochs is 2.5, but must be a whole number of at most 2147483647."),
        ({"epochs": 10**12}, "must be a whole number of at most 2147483647."),
        ({"lr": 10**400}, "must be a number of at most 1e+300."),
        ({"lr": float("nan")}, "lr is nan, but must be a number of at most 1e+300."),
        ({"lr": float("inf")}, "lr is inf, but must be a number of at most 1e+300."),
        ({"lr": True}, "lr is True, but must be a number of at most 1e+300."),
        ({"device": "gpu"}, "The device 'gpu' is unknown. Use auto, cpu, ascend or ascend:ID."),
        ({"weights": ""}, "weights is empty. Give starter, none, a run or a file."),
        ({"learning_rate": 1.0}, "Unknown option: learning_rate."),
        ({"pairs": "a.tif"}, "pairs holds 'a.tif', which does not name images and labels."),
        ({"pairs": [["a.tif", 3]]}, "which does not name images and labels."),
        ({"pairs": [["a", "b", "other"]]}, "pairs holds the convention 'other'."),
        ({"pairs": [["a", "b\0"]]}, "Remove the characters"),
        ({"pairs": [["a", "b"]], "image": "c"}, "The data are named twice"),
        ({"hold_out": "a"}, "hold_out is 'a', but must be a list"),
    ],
)
def test_a_bad_option_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        preset_config("compact", **changes)
    assert message in str(caught.value)


def test_a_network_without_a_starter_says_so() -> None:
    with pytest.raises(UserError, match="There is no starter for medical"):
        preset_config("medical", weights="starter")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "run/config.json is not valid JSON"),
        ("[]", "run/config.json does not hold a configuration."),
        ('{"speed": 3}', "run/config.json: Unknown option: speed."),
        ('{"seed": -1}', "run/config.json: seed is -1, but must be at least 0"),
    ],
)
def test_a_bad_file_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        TrainingConfig.from_json(text, source="run/config.json")
    assert message in str(caught.value)


def test_a_file_of_a_newer_version_says_so() -> None:
    with pytest.raises(UserError) as caught:
        TrainingConfig.from_json('{"version": "0.10.0", "speed": 3}', source="config.json")
    assert str(caught.value) == (
        f"config.json was written by version 0.10.0, newer than this one, {__version__}: "
        "Unknown option: speed. Install that version here."
    )


def test_a_newer_version_s_file_that_can_be_read_is_read() -> None:
    assert TrainingConfig.from_json('{"version": "9.0", "seed": 3}').seed == 3


def test_an_unknown_preset_is_reported() -> None:
    with pytest.raises(UserError, match="The preset 'huge' is unknown"):
        preset_config("huge")
