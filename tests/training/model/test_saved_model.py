"""Models out of files of weights: which network, and which of the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from training.errors import UserError
from training.model.model_card import ModelCard
from training.model.saved_model import AVERAGE_PREFIX, CARD_KEY, load_model
from training.presets.registry import find_preset, list_presets
from training.stacks.scaling import Scaling

UINT8 = Scaling("uint8", 0.0, 255.0)


def weights_of(preset: str, value: float = 0.0) -> dict[str, np.ndarray]:
    shapes = find_preset(preset).parameter_shapes()
    return {name: np.full(shape, value, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("preset", list_presets())
def test_the_network_is_found_by_its_parameters(tmp_path: Path, preset: str) -> None:
    weights = weights_of(preset)
    save_file({**weights, "beta1_power": np.zeros(1, np.float32)}, tmp_path / "some.safetensors")
    model = load_model(tmp_path / "some.safetensors")
    assert model.card == ModelCard(preset, UINT8, zoom=None)
    assert model.weights.keys() >= weights.keys()


@pytest.mark.parametrize("is_wider", [False, True])
def test_weights_that_fit_no_network(tmp_path: Path, is_wider: bool) -> None:
    weights = weights_of("compact")
    name, value = weights.popitem()
    if is_wider:
        weights[name] = np.zeros((2, *value.shape), np.float32)
    save_file(weights, tmp_path / "some.safetensors")
    with pytest.raises(UserError, match=r"some\.safetensors holds the weights of another network"):
        load_model(tmp_path / "some.safetensors")


def test_averaged_weights_are_what_a_training_validates(tmp_path: Path) -> None:
    trained = weights_of("compact", 1.0)
    averaged = {AVERAGE_PREFIX + name: value * 3 for name, value in trained.items()}
    card = ModelCard("compact", UINT8, fold=3)
    save_file({**trained, **averaged}, tmp_path / "ckpt.safetensors", {CARD_KEY: card.to_json()})
    weights, found = load_model(tmp_path / "ckpt.safetensors")
    assert found == card
    assert weights.keys() == trained.keys()
    assert all((value == 3).all() for value in weights.values())
