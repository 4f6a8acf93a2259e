"""The real networks, with random weights: a large image gives what a crop of it gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_unet.prediction.predictor import Predictor, load_predictor
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.presets.registry import find_preset
from training.stacks.scaling import Scaling

Parameters = dict[str, np.ndarray]
MEDICAL_WIDTH = 4
RANDOM = np.random.default_rng(0)


def conv(name: str, inputs: int, outputs: int, size: int = 3) -> Parameters:
    scale = np.sqrt(2 / (inputs * size * size))
    weight = RANDOM.normal(0, scale, (outputs, inputs, size, size)).astype(np.float32)
    return {f"{name}.weight": weight, f"{name}.bias": np.zeros(outputs, np.float32)}


def norm(name: str, channels: int) -> Parameters:
    values = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    return {f"{name}.{key}": np.full(channels, value, np.float32) for key, value in values.items()}


def up(name: str, inputs: int, outputs: int) -> Parameters:
    weight = RANDOM.normal(0, np.sqrt(1 / inputs), (inputs, outputs, 2, 2)).astype(np.float32)
    return {f"{name}.weight": weight}


def compact_parameters() -> Parameters:
    widths = (32, 64, 128)
    blocks = [("down0", 16, 32), ("down1", 32, 64), ("down2", 64, 128)]
    blocks += [
        (f"merge{level}", widths[level] + widths[level + 1] // 4, widths[level])
        for level in range(2)
    ]
    parameters = conv("logits", 32, 16, size=1)
    for name, inputs, outputs in blocks:
        parameters |= conv(f"{name}.conv1", inputs, outputs) | norm(f"{name}.norm1", outputs)
        parameters |= conv(f"{name}.conv2", outputs, outputs) | norm(f"{name}.norm2", outputs)
    return parameters


def medical_parameters(channels: int) -> Parameters:
    blocks = [("inc", 1)] + [(f"down{level}.maxpool_conv.1", channels) for level in (1, 2, 3, 4)]
    blocks += [(f"up{level}.conv", 2 * channels) for level in (1, 2, 3, 4)]
    parameters = conv("outc.conv", channels, 2, size=1)
    for name, inputs in blocks:
        parameters |= conv(f"{name}.double_conv.0", inputs, channels)
        parameters |= conv(f"{name}.double_conv.2", channels, channels)
    for level in (1, 2, 3, 4):
        parameters |= up(f"up{level}.up", channels, channels)
    return parameters


@pytest.fixture(params=["compact", "medical"])
def preset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset; medical has few channels, on which seams don't depend."""
    monkeypatch.setattr("training.presets.medical.WIDTHS", (MEDICAL_WIDTH,) * 5)
    return str(request.param)


def predictor_of(preset: str, folder: Path, **card: Any) -> Predictor:
    parameters = compact_parameters() if preset == "compact" else medical_parameters(MEDICAL_WIDTH)
    path = folder / "model.onnx"
    path.write_bytes(build_onnx(parameters, ModelCard(preset, Scaling("uint8", 0, 255), **card)))
    return load_predictor(path, precision="f32")


def test_a_slice_keeps_its_shape(preset: str, tmp_path: Path) -> None:
    """medical sees it in another size."""
    image = RANDOM.integers(0, 256, (61, 83), dtype=np.uint8)
    predictor = predictor_of(preset, tmp_path, zoom=find_preset(preset).zoom(image.shape))
    assert predictor.predict_slice(image).shape == image.shape


def test_a_large_image_gives_what_a_crop_gives(preset: str, tmp_path: Path) -> None:
    predictor = predictor_of(preset, tmp_path)
    image = RANDOM.integers(0, 256, (1300, 1400), dtype=np.uint8)
    probability = predictor.predict_slice(image)
    assert probability.std() > 0.01
    # The crop lies over the seams, in step with the pooling, and counts inside its border.
    rows, columns, border = slice(768, 1268), slice(784, 1284), 128
    crop = predictor.predict_slice(image[rows, columns])
    inner = slice(border, -border)
    np.testing.assert_allclose(
        probability[rows, columns][inner, inner], crop[inner, inner], atol=1e-4
    )
