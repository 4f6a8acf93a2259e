"""ONNX files: those of our networks are read, all others are refused before they are run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from napari_unet.prediction.model_check import read_onnx
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.conftest import WriteModel
from training.errors import UserError
from training.model.onnx_graph import outline_onnx

Change = Callable[[Any], object]


def put_before(model: Any, nodes: list[Any]) -> None:
    """Put nodes before the first one, which then takes the last one's output."""
    first = model.graph.node[0]
    first.input[0] = nodes[-1].output[0]
    ours = [*model.graph.node]
    model.graph.ClearField("node")
    model.graph.node.extend([*nodes, *ours])


def doublings(model: Any) -> None:
    """Take a million times the image's memory."""
    names = ["image", *(f"double{index}" for index in range(20))]
    nodes = [
        helper.make_node("Concat", [before, before], [after], axis=0)
        for before, after in itertools.pairwise(names)
    ]
    put_before(model, nodes)


def many_nodes(model: Any) -> None:
    names = ["image", *(f"again{index}" for index in range(60_000))]
    pairs = itertools.pairwise(names)
    put_before(model, [helper.make_node("Relu", [before], [after]) for before, after in pairs])


def wide_layers(model: Any) -> None:
    """Give the first layer many channels: a sound graph, of ours in all but its shapes."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes = {
        "down0.conv1.weight": (9000, 16, 3, 3),
        "down0.conv1.bias": (9000,),
        "down0.conv2.weight": (32, 9000, 3, 3),
    }
    for name, shape in shapes.items():
        weights[name].CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), name))


def another_pad(model: Any) -> None:
    conv = next(node for node in model.graph.node if len(node.input) == 3)
    pads = next(attribute for attribute in conv.attribute if attribute.name == "pads")
    pads.ints[:] = [10_000] * 4


def another_connection(model: Any) -> None:
    model.graph.node[-2].input[0] = model.graph.node[0].output[0]


def outside_weights(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def function(model: Any) -> None:
    model.functions.add(name="Conv", domain="")


@pytest.mark.parametrize(
    "change",
    [
        doublings,
        many_nodes,
        wide_layers,
        another_pad,
        another_connection,
        outside_weights,
        function,
    ],
)
def test_another_graph_is_refused(write_model: WriteModel, change: Change) -> None:
    path = write_model()
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"model\.onnx holds another network than compact, which"):
        load_predictor(path)


def test_missing_weights_are_refused(write_model: WriteModel) -> None:
    path = write_model()
    model = onnx.load(path)
    model.graph.initializer[1].raw_data = model.graph.initializer[1].raw_data[:-4]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"model\.onnx is not an ONNX model, or damaged"):
        load_predictor(path)


def test_an_empty_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.touch()
    with pytest.raises(UserError, match="is not an ONNX model, or damaged"):
        read_onnx(path)


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(outline_onnx("compact"), path)
    with pytest.raises(UserError, match="is a model of another program"):
        read_onnx(path)
