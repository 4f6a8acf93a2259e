"""From a network's parameters to a portable ONNX model, without MindSpore.

MindSpore's own export writes wrong shapes for transposed convolutions and fails on batch
norm, so the graph is built from the parameters; batch norms are folded into the convolutions
before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.model.model_card import METADATA_KEY, ModelCard
from training.presets.onnx_nodes import OnnxNodes, OutlineNodes, Parameters
from training.presets.registry import find_preset

if TYPE_CHECKING:
    from onnx import ModelProto


def build_onnx(parameters: Parameters, card: ModelCard) -> bytes:
    """Build the network of a preset as an ONNX model, with the card in its metadata.

    Its input ``image`` is (N, 1, H, W) float32, scaled to [-1, 1]; its output ``probability``
    is (N, 1, h, w) float32, of membrane, or (N, C, h, w), of the card's classes.

    Parameters
    ----------
    parameters : mapping of str to array
        By MindSpore's parameter names, each with the shape that the network gives it; others than
        the network's are passed over.
    card : ModelCard

    Returns
    -------
    bytes
        Content of a file.

    Raises
    ------
    KeyError
        If a parameter of the preset's network is missing.
    ValueError
        If a parameter has another shape than the network's.
    UserError
        If the card's preset is unknown.
    """
    from onnx import checker, helper  # here, because a server that trains has none

    model = _build(OnnxNodes(parameters), card.preset, card.label_classes.outputs)
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    content: bytes = model.SerializeToString()
    checker.check_model(content)  # which would make these bytes of a model again
    return content


def outline_onnx(preset: str, outputs: int = 1) -> ModelProto:
    """Build the network of a preset as an ONNX model without weights: no data, but their shapes.

    Raises
    ------
    UserError
        If the preset is unknown.
    """
    return _build(OutlineNodes(), preset, outputs)


def _build(nodes: OnnxNodes, preset: str, outputs: int) -> ModelProto:
    logits = find_preset(preset).build_graph(nodes, outputs)
    if outputs == 1:
        nodes.node("Sigmoid", [logits], output="probability")
    else:
        nodes.node("Softmax", [logits], output="probability", axis=1)
    return nodes.model()
