"""What an ONNX file may hold before OpenVINO reads it: a network of ours, all in this file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.model.model_card import METADATA_KEY, ModelCard

OPERATIONS = frozenset(
    {
        "Concat",
        "Conv",
        "ConvTranspose",
        "DepthToSpace",
        "Gather",
        "MaxPool",
        "Relu",
        "Sigmoid",
        "Slice",
        "Sub",
    }
)
MOST_BYTES = 2**31 - 1  # that ONNX files can have
_DOMAINS = ("", "ai.onnx")
_REMEDY = "Give a run's folder or model.onnx."
_OURS = "Give a model that napari-unet exported."


def read_onnx(path: Path) -> bytes:
    """Read an ONNX file, and refuse what no export of this package has.

    Raises
    ------
    UserError
        For a file that is no ONNX model or is damaged, operators of other domains or of kinds
        that our networks don't use, functions, and weights that lie in another file.
    """
    import onnx

    try:
        with open_regular(path) as file:
            content = file.read() if path.stat().st_size <= MOST_BYTES else b""
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.", _REMEDY) from error
    model = _parse(content, path)
    _check_operators(model, path)
    for tensor in model.graph.initializer:
        _check_weights(tensor, path)
    try:
        onnx.checker.check_model(content)
    except Exception as error:
        raise _damaged(path) from error
    return content


def read_card(content: bytes, path: Path) -> ModelCard:
    """Read the card of a model from its ONNX file's content.

    Raises
    ------
    UserError
        If there is none, or it can't be read.
    """
    texts = {entry.key: entry.value for entry in _parse(content, path).metadata_props}
    if METADATA_KEY not in texts:
        raise UserError(
            f"{path} is a model of another program: it has no {METADATA_KEY} metadata.", _OURS
        )
    return ModelCard.from_json(texts[METADATA_KEY], source=str(path))


def _parse(content: bytes, path: Path) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's, which differ from version to version
        raise _damaged(path) from error


def _check_operators(model: Any, path: Path) -> None:
    graph = model.graph
    domains = {one.domain for one in (*model.opset_import, *graph.node)}
    kinds = {node.op_type for node in graph.node}
    # As text, for a name that is damaged comes as bytes.
    foreign = sorted(map(str, domains.difference(_DOMAINS) or kinds - OPERATIONS))
    if foreign or model.functions or graph.sparse_initializer or model.training_info:
        named = ", ".join(foreign)[:99] or "functions"
        raise UserError(f"{path} has operators that our networks don't use: {named}.", _OURS)
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    if any(one.t.dims or one.g.node or one.tensors or one.graphs for one in attributes):
        raise UserError(f"{path} has tensors or graphs within its operators.", _OURS)


def _check_weights(tensor: Any, path: Path) -> None:
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        raise UserError(f"{path} keeps its weights in another file.", _OURS)
    sizes = {tensor.FLOAT: 4, tensor.INT64: 8}
    count = math.prod(tensor.dims) if all(length > 0 for length in tensor.dims) else 0
    if not count or len(tensor.raw_data) != count * sizes.get(tensor.data_type, 0):
        raise _damaged(path)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is not an ONNX model, or damaged.", _REMEDY)
