"""What a model is kept in: its card, and its network, built from a run's best weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from napari_unet.prediction import model_source as module
from napari_unet.prediction.model_source import find_model
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.conftest import UINT8, WriteModel
from tests.napari_unet.prediction.test_seams import compact_parameters
from training.config import preset_config
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.formats.pixel_size import PixelSize
from training.model.model_card import ModelCard
from training.model.saved_model import load_model
from training.model.starter_model import starter_path
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
    content, _ = find_model(run.path).read_onnx()
    assert run.onnx.read_bytes() == content
    assert load_predictor(run.onnx).card == load_predictor(run.path).card == CARD


@pytest.mark.parametrize("kind", ["run", "run of ONNX", "ONNX", "weights", "package", "starter"])
def test_the_card_of_every_kind_is_read_without_its_network(
    run: RunDirectory, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCard("compact", UINT8, pixel_size=PixelSize(50, 4, 4))
    write_weights(run, compact_parameters(), card.to_json())
    onnx, package = tmp_path / "model.onnx", tmp_path / "model.zip"
    onnx.write_bytes(find_model(run.path).read_onnx()[0])
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(onnx, "model.onnx")
    if kind == "run of ONNX":
        run.best.unlink()
    models = {"ONNX": onnx, "weights": run.best, "package": package, "starter": starter_path()}
    source = find_model(models.get(kind, run.path))
    for place in ("model_source.build_onnx", "model_check.outline_onnx"):
        monkeypatch.delattr(f"napari_unet.prediction.{place}")
    found = source.read_card()
    assert found == (card if kind != "starter" else load_model(starter_path()).card)


def test_the_card_of_the_model_zoo_s_weights(tmp_path: Path) -> None:
    path = tmp_path / "zoo.safetensors"
    save_file(compact_parameters(), path)
    assert find_model(path).read_card() == load_model(path).card


def test_it_follows_the_weights(run: RunDirectory) -> None:
    before = find_model(run.path).read_onnx()
    weights = {name: value * np.float32(1.5) for name, value in load_file(run.best).items()}
    write_weights(run, weights)
    after = find_model(run.path).read_onnx()
    assert after != before
    assert (run.onnx.read_bytes(), None) == after


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
    assert find_model(run.path).read_onnx() == (run.onnx.read_bytes(), None)


def test_weights_of_other_shapes(run: RunDirectory) -> None:
    """Wide layers could take any memory."""
    weights = load_file(run.best)
    weights["down0.conv1.weight"] = np.zeros((9000, 16, 3, 3), np.float32)
    weights["down0.conv2.weight"] = np.zeros((32, 9000, 3, 3), np.float32)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        weights[f"down0.norm1.{name}"] = np.ones(9000, np.float32)
    write_weights(run, weights)
    with pytest.raises(UserError, match="does not hold the weights of the network compact"):
        find_model(run.path).read_onnx()


def test_weights_that_are_not_the_network_s(run: RunDirectory) -> None:
    weights = load_file(run.best)
    weights.popitem()
    write_weights(run, weights)
    with pytest.raises(UserError, match="does not hold the weights of the network compact"):
        find_model(run.path).read_onnx()
    write_weights(run, weights, card="no card")
    with pytest.raises(UserError, match=r"best\.safetensors has metadata that"):
        find_model(run.path).read_onnx()
    run.best.write_bytes(b"damaged")
    with pytest.raises(UserError, match="not a checkpoint that can be read"):
        find_model(run.path).read_onnx()
