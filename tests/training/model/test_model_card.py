import json
from dataclasses import replace

import pytest

from training.dataset.holdout import split_fold
from training.errors import UserError
from training.model.model_card import ModelCard
from training.stacks.intensities import Intensities
from training.stacks.scaling import Scaling

SEEN = Intensities(tuple(map(float, range(101))), -0.25)
CARD = ModelCard("medical", Scaling("uint16", 0, 4095, SEEN), (0.75, 0.5), fold=3, data="a.tif")


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
    assert ModelCard.from_json(second.to_json()).seen_slices(30) == [1, 2, 4]
    elsewhere = replace(CARD, data="b.tif", train_slices=(3,)).inherit_slices(first)
    assert elsewhere.seen_slices(30) == [3]
    assert CARD.seen_slices(30) == split_fold(30, 3)[0]


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "other"},
        {"zoom": 3},
        {"zoom": [1, "x"]},
        {"scaling": {"dtype": "uint8"}},
        {"scaling": None},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1, "intensities": {"skewness": 0}}},
        {"scaling": {"dtype": "uint8", "low": 0, "high": 1, "intensities": [1]}},
        {"unknown": 1},
    ],
)
def test_a_card_that_can_not_be_read(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(CARD.to_json()), **change})
    with pytest.raises(UserError, match=r"model\.onnx has metadata that this version can't read"):
        ModelCard.from_json(text, "model.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_card_that_is_none(text: str) -> None:
    with pytest.raises(UserError):
        ModelCard.from_json(text)
