"""A portable model that needs no training: membrane is where the blurred image is dark."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.model.model_card import METADATA_KEY, ModelCard
from training.stacks.scaling import Scaling

REACH = 2
UINT8 = Scaling("uint8", 0.0, 255.0)
WriteModel = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """``write_model(name, preset="compact", scaling=UINT8, **card)`` gives the file's path."""

    def write(
        name: str = "model.onnx",
        preset: str = "compact",
        scaling: Scaling = UINT8,
        **values: object,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dark_is_membrane(ModelCard(preset, scaling, **values)))
        return path

    return write


def dark_is_membrane(card: ModelCard) -> bytes:
    """An ONNX model: the mean of 5 x 5 pixels, inverted; without a border for medical."""
    size = 2 * REACH + 1
    weight = np.full((1, 1, size, size), -8 / size**2, np.float32)
    cut = card.geometry.margin
    constants = {"weight": weight, "bias": np.zeros(1, np.float32)}
    constants |= {"start": np.array([cut, cut]), "axes": np.array([2, 3])}
    constants |= {"end": np.array([-cut, -cut]) if cut else np.array([2**31, 2**31])}
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["blurred"], pads=[REACH] * 4),
        helper.make_node("Slice", ["blurred", "start", "end", "axes"], ["inner"]),
        helper.make_node("Sigmoid", ["inner"], ["probability"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "dark",
        [tensor("image", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [tensor("probability", TensorProto.FLOAT, ["N", 1, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture
def images() -> np.ndarray:
    """Seven slices (Z, Y, X) of 8 bit: dark lines, as membranes, on a noisy bright ground."""
    random = np.random.default_rng(0)
    stack = random.integers(150, 256, (7, 61, 83), dtype=np.uint8)
    for index, page in enumerate(stack):
        page[10 + index : 20 + index] = random.integers(0, 60, (10, 83))
        page[:, 40:48] = random.integers(0, 60, (61, 8))
    return stack


@pytest.fixture
def membrane(images: np.ndarray) -> np.ndarray:
    return images < 100
