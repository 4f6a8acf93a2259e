"""From a network's parameters to a portable ONNX model, without MindSpore.

MindSpore's own export writes wrong shapes for transposed convolutions and fails on batch
norm, so the graph is built here from the parameters; batch norms are folded into the
convolutions before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.model.model_card import METADATA_KEY, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto

Parameters = Mapping[str, NDArray[Any]]
OPSET = 17
IR_VERSION = 8
BATCH_NORM_EPSILON = 1e-5  # MindSpore's default


def build_onnx(parameters: Parameters, card: ModelCard) -> bytes:
    """The network of a preset as an ONNX model.

    Input ``image``: (N, 1, H, W) float32, scaled to [-1, 1]. Output ``probability``:
    (N, 1, h, w) float32, of membrane. The card is in the metadata.

    Parameters
    ----------
    parameters : mapping of str to array
        By MindSpore's parameter names; others than the network's are passed over.
    card : ModelCard

    Raises
    ------
    KeyError
        If a parameter of the preset's network is missing.
    """
    from onnx import checker, helper

    graph = _Graph(parameters)
    build = _medical if card.preset == "medical" else _compact
    graph.node("Sigmoid", [build(graph)], output="probability")
    model = graph.model()
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


class _Graph:
    """Collects nodes and weights; every method returns the name of its output."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []

    def node(self, operation: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{operation.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._initializers.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self._parameters[name].astype(np.float32))

    def conv(self, x: str, prefix: str, padding: int, size: int = 3) -> str:
        """Convolution with a bias."""
        inputs = [x, self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")]
        return self.node("Conv", inputs, kernel_shape=[size, size], pads=[padding] * 4)

    def conv_norm_relu(self, x: str, conv: str, norm: str) -> str:
        """Padded 3x3 convolution with the batch norm after it folded in, then ReLU."""
        weight = self._parameters[f"{conv}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self._parameters[f"{norm}.{name}"].astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        folded = (weight * factor[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.float32)
        bias = (beta - mean * factor).astype(np.float32)
        inputs = [
            x,
            self.constant(f"{conv}.weight", folded),
            self.constant(f"{conv}.bias", bias),
        ]
        return self.relu(self.node("Conv", inputs, kernel_shape=[3, 3], pads=[1] * 4))

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def pool(self, x: str) -> str:
        return self.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])

    def up(self, x: str, prefix: str) -> str:
        inputs = [x, self.weight(f"{prefix}.weight")]
        return self.node("ConvTranspose", inputs, kernel_shape=[2, 2], strides=[2, 2])

    def fold(self, x: str, size: int) -> str:
        """Pixel unshuffle of one channel; as a convolution, OpenVINO does it in half the time."""
        pixels = np.eye(size**2, dtype=np.float32).reshape(size**2, 1, size, size)
        inputs = [x, self.constant("fold.weight", pixels)]
        return self.node("Conv", inputs, kernel_shape=[size] * 2, strides=[size] * 2)

    def unfold(self, x: str, size: int) -> str:
        """Pixel shuffle."""
        return self.node("DepthToSpace", [x], blocksize=size, mode="CRD")

    def crop(self, x: str, border: int) -> str:
        """Take a border off each side."""
        limits = {"starts": [border] * 2, "ends": [-border] * 2, "axes": [2, 3]}
        names = [
            self.constant(f"{x}.{name}", np.array(values, dtype=np.int64))
            for name, values in limits.items()
        ]
        return self.node("Slice", [x, *names])

    def channel(self, x: str, index: int) -> str:
        """One channel as (N, 1, h, w)."""
        indices = self.constant(f"{x}.channel{index}", np.array([index], dtype=np.int64))
        return self.node("Gather", [x, indices], axis=1)

    def model(self) -> ModelProto:
        from onnx import TensorProto, helper

        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, "H", "W"])
        probability = helper.make_tensor_value_info(
            "probability", TensorProto.FLOAT, ["N", 1, "h", "w"]
        )
        graph = helper.make_graph(
            self._nodes, "unet", [image], [probability], initializer=self._initializers
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="napari-unet-mindspore",
        )


def _compact(graph: _Graph) -> str:
    """Logit of membrane; mirrors ``networks.compact``."""

    def double_conv(x: str, prefix: str) -> str:
        x = graph.conv_norm_relu(x, f"{prefix}.conv1", f"{prefix}.norm1")
        return graph.conv_norm_relu(x, f"{prefix}.conv2", f"{prefix}.norm2")

    x = double_conv(graph.fold("image", 4), "down0")
    skips = [x]
    for level in (1, 2):
        x = double_conv(graph.pool(x), f"down{level}")
        skips.append(x)
    for level in (1, 0):
        joined = graph.node("Concat", [graph.unfold(x, 2), skips[level]], axis=1)
        x = double_conv(joined, f"merge{level}")
    logits = graph.conv(x, "logits", padding=0, size=1)
    return graph.unfold(logits, 4)


def _medical(graph: _Graph) -> str:
    """Logit of membrane; mirrors ``networks.medical``."""

    def double_conv(x: str, prefix: str) -> str:
        x = graph.relu(graph.conv(x, f"{prefix}.double_conv.0", padding=0))
        return graph.relu(graph.conv(x, f"{prefix}.double_conv.2", padding=0))

    x = double_conv("image", "inc")
    skips = [x]
    for level in (1, 2, 3, 4):
        x = double_conv(graph.pool(x), f"down{level}.maxpool_conv.1")
        skips.append(x)
    for level, border in zip((1, 2, 3, 4), SKIP_BORDERS, strict=True):
        upsampled = graph.relu(graph.up(x, f"up{level}.up"))
        cropped = graph.crop(skips[4 - level], border)
        joined = graph.node("Concat", [upsampled, cropped], axis=1)
        x = double_conv(joined, f"up{level}.conv")
    logits = graph.conv(x, "outc.conv", padding=0, size=1)
    return graph.node("Sub", [graph.channel(logits, 0), graph.channel(logits, 1)])


# 64 -> 56, 136 -> 104, 280 -> 200 and 568 -> 392, whatever the tile's size.
SKIP_BORDERS = (4, 16, 40, 88)
