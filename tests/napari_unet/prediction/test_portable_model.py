"""The portable model of a run, built from its best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from napari_unet.prediction import portable_model as module
from napari_unet.prediction.portable_model import portable_model
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.conftest import UINT8, WriteModel
from tests.napari_unet.prediction.test_seams import compact_parameters
from training.config import preset_config
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.model.model_card import ModelCard
from training.runs.run_directory import RunDirectory

CARD = ModelCard("compact", UINT8)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run as it comes home from a server: its weights, and no portable model."""
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact"))
    write_weights(run, compact_parameters())
    return run


def write_weights(run: RunDirectory, weights: dict[str, np.ndarray], card: str = "") -> None:
    save_file(weights, run.best, {"model_card": card or CARD.to_json()})


def test_it_is_built_and_kept(run: RunDirectory) -> None:
    assert run.has_model and not run.onnx.exists()
    assert run.onnx.parent == run.path
    content = portable_model(run)
    assert run.onnx.read_bytes() == content
    assert load_predictor(run.onnx).card == load_predictor(run.path).card == CARD


def test_it_follows_the_weights(run: RunDirectory) -> None:
    before = portable_model(run)
    weights = {name: value * np.float32(1.5) for name, value in load_file(run.best).items()}
    write_weights(run, weights)
    after = portable_model(run)
    assert after != before
    assert run.onnx.read_bytes() == after


def test_a_folder_that_can_not_be_written_does_not_matter(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise UnwritableError(path, PermissionError(13, "Permission denied"))

    monkeypatch.setattr(module, "write_atomically", refuse)
    load_predictor(run.path)
    assert not run.onnx.exists()


def test_a_run_with_a_portable_model_alone(run: RunDirectory, write_model: WriteModel) -> None:
    run.best.unlink()
    run.onnx.write_bytes(write_model().read_bytes())
    assert portable_model(run) == run.onnx.read_bytes()


def test_weights_of_other_shapes(run: RunDirectory) -> None:
    """Wide layers could take any memory."""
    weights = load_file(run.best)
    weights["down0.conv1.weight"] = np.zeros((9000, 16, 3, 3), np.float32)
    weights["down0.conv2.weight"] = np.zeros((32, 9000, 3, 3), np.float32)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        weights[f"down0.norm1.{name}"] = np.ones(9000, np.float32)
    write_weights(run, weights)
    with pytest.raises(UserError, match="does not hold the weights of the network compact"):
        portable_model(run)


def test_weights_that_are_not_the_network_s(run: RunDirectory) -> None:
    weights = load_file(run.best)
    weights.popitem()
    write_weights(run, weights)
    with pytest.raises(UserError, match="does not hold the weights of the network compact"):
        portable_model(run)
    write_weights(run, weights, card="no card")
    with pytest.raises(UserError, match=r"best\.safetensors has metadata that"):
        portable_model(run)
    run.best.write_bytes(b"damaged")
    with pytest.raises(UserError, match="not a checkpoint that can be read"):
        portable_model(run)
