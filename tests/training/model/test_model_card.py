import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.config import preset_config
from training.dataset.holdout import split_fold
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.model.card_of_training import describe_model
from training.model.model_card import ModelCard, TrainedVolume
from training.stacks.fingerprint import fingerprint
from training.stacks.intensities import Intensities
from training.stacks.scaling import Scaling

SEEN = Intensities(tuple(map(float, range(101))), -0.25)
CARD = ModelCard(
    "medical",
    Scaling("uint16", 0, 4095, SEEN),
    (0.75, 0.5),
    fold=3,
    data="a.tif",
    pixel_size=PixelSize(None, 4, 5),
)


def test_round_trip() -> None:
    again = ModelCard.from_json(CARD.to_json())
    assert (again, again.scaling.intensities) == (CARD, SEEN)


def test_a_model_of_the_zoo_gets_every_slice_at_its_own_length() -> None:
    card = ModelCard.from_json(replace(CARD, zoom=None).to_json())
    assert card.zoom_for((776, 194)) == (0.5, 2)
    assert CARD.zoom_for((776, 194)) == CARD.zoom


def test_a_model_that_learned_on_has_seen_what_the_other_had() -> None:
    first = replace(CARD, train_slices=(1, 4))
    second = replace(CARD, train_slices=(2, 4)).inherit_slices(first)
    assert ModelCard.from_json(second.to_json()).seen_slices(range(30)) == [1, 2, 4]
    elsewhere = replace(CARD, data="b.tif", train_slices=(3,)).inherit_slices(first)
    assert elsewhere.seen_slices(range(30)) == [3]
    assert CARD.seen_slices(range(30)) == split_fold(30, 3)[0]


def volumes() -> tuple[np.ndarray, np.ndarray]:
    """A stack of 8 bits, and a darker and flatter one of 16."""
    random = np.random.default_rng(0)
    first = random.integers(20, 230, (6, 32, 32), dtype=np.uint8)
    return first, random.integers(900, 1500, (4, 32, 32), dtype=np.uint16)


@pytest.fixture
def card_of_two() -> ModelCard:
    first, second = volumes()
    other = TrainedVolume(
        Scaling.of(second), (0.5, 0.5), (0.5, -0.25), (1, 2), "b.tif", fingerprint(second)
    )
    return ModelCard(
        "compact",
        Scaling.of(first),
        train_slices=(0, 3),
        data="a.tif",
        fingerprint=fingerprint(first),
        others=(other,),
    )


def test_a_stack_is_predicted_as_the_volume_that_it_is_most_like(card_of_two: ModelCard) -> None:
    card = ModelCard.from_json(card_of_two.to_json())
    assert card == card_of_two
    for stack, volume in zip(volumes(), card.volumes, strict=True):
        assert card.like(stack) == volume  # the very stack
        assert card.like(stack[::-1] + 5) == volume  # another of its kind
        assert card.for_stack(stack).scaling == volume.scaling
    assert card.like(volumes()[1]).displacement == (0.5, -0.25)


def test_slices_that_were_seen_are_those_of_the_stack_itself(card_of_two: ModelCard) -> None:
    first, second = volumes()
    assert card_of_two.seen_slices(first) == [0, 3]
    assert card_of_two.trained_slices(second) == [1, 2]
    assert card_of_two.trained_slices(first + 5) is None
    assert card_of_two.seen_slices(first + 5) == []
    former = replace(CARD, data="b.tif", train_slices=(3,))
    assert card_of_two.inherit_slices(former).trained_slices(second) == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"others": [{"data": "b.tif"}]},
        {"others": 3},
        {"preset": "other"},
        {"zoom": 3},
        {"zoom": [1, "x"]},
        {"scaling": {"dtype": "uint8"}},
        {"scaling": None},
        {"scaling": {"dtype": None, "low": 0, "high": 1}},
        {"scaling": {"dtype": "complex64", "low": 0, "high": 1}},
        {"scaling": {"dtype": "uint8", "low": "0", "high": 1}},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1e301}},
        {"scaling": {"dtype": "uint8", "low": 2, "high": 1}},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1, "adapts": 1}},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1, "intensities": {"skewness": 0}}},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1, "intensities": [1]}},
        {"pixel_size": {"z": 50, "y": 4}},
        {"pixel_size": {"z": 50, "y": 4, "x": 0}},
        {"pixel_size": {"z": 50, "y": 4, "x": 1e5}},
        {"pixel_size": {"z": -1, "y": 4, "x": 4}},
        {"pixel_size": {"z": 10**400, "y": 4, "x": 4}},
        {"pixel_size": {"z": 50, "y": "4", "x": 4}},
        {"pixel_size": {"z": 50, "y": None, "x": None}},
        {"pixel_size": 4},
        {"unknown": 1},
    ],
)
def test_a_card_that_can_not_be_read(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(CARD.to_json()), **change})
    with pytest.raises(UserError, match=r"model\.onnx has metadata that this version can't read"):
        ModelCard.from_json(text, "model.onnx")


def test_a_model_keeps_the_pixel_size_of_its_training(
    tmp_path: Path, images: np.ndarray, membrane: np.ndarray
) -> None:
    tifffile.imwrite(
        tmp_path / "train-volume.tif", images, imagej=True, resolution=(0.25, 0.2),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 50},
    )  # fmt: skip
    tifffile.imwrite(tmp_path / "train-labels.tif", np.where(membrane, 0, 255).astype(np.uint8))
    config = preset_config("compact", data_url=str(tmp_path))
    card = describe_model(config, load_training_set(config))
    assert ModelCard.from_json(card.to_json()).pixel_size == PixelSize(50, 5, 4)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_card_that_is_none(text: str) -> None:
    with pytest.raises(UserError):
        ModelCard.from_json(text)
