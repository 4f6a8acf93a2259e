"""The nodes that the networks' ONNX graphs are made of.

``onnx`` is imported in the methods, because a server that trains has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

Parameters = Mapping[str, NDArray[Any]]
OPSET = 17
IR_VERSION = 8
BATCH_NORM_EPSILON = 1e-5  # MindSpore's default


class OnnxNodes:
    """Collects the nodes and weights of a graph.

    Every method adds a node that maps ``x``, the name of a tensor (N, C, H, W) float32, and
    returns the name of its output. A weight that the parameters lack raises a KeyError, one of
    another shape a ValueError.

    Parameters
    ----------
    parameters : mapping of str to array
        The network's parameters by MindSpore's names, each with the shape that it has there.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self._channels = {"image": 1}  # of each tensor

    def node(
        self,
        operation: str,
        inputs: list[str],
        output: str = "",
        channels: int = 0,
        **attributes: Any,
    ) -> str:
        """Add a node of any operation of ONNX; by default it keeps its first input's channels."""
        from onnx import helper

        output = output or f"{operation.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        self._channels[output] = channels or self._channels[inputs[0]]
        return output

    def conv(self, x: str, prefix: str, channels: int, padding: int, size: int = 3) -> str:
        """Convolve to ``channels`` with a square kernel of ``size``, and add a bias."""
        shape = (channels, self._channels[x], size, size)
        inputs = [
            x,
            self._weight(f"{prefix}.weight", shape),
            self._weight(f"{prefix}.bias", (channels,)),
        ]
        options: dict[str, Any] = {"kernel_shape": [size, size], "pads": [padding] * 4}
        return self.node("Conv", inputs, channels=channels, **options)

    def conv_norm_relu(self, x: str, conv: str, norm: str, channels: int) -> str:
        """Convolve 3x3 to ``channels``, padded, with the batch norm after it folded in; ReLU."""
        shape = (channels, self._channels[x], 3, 3)
        weight = self._parameter(f"{conv}.weight", shape).astype(np.float64)
        gamma, beta, mean, variance = (
            self._parameter(f"{norm}.{name}", (channels,)).astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        folded = (weight * factor[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.float32)
        bias = (beta - mean * factor).astype(np.float32)
        inputs = [
            x,
            self._constant(f"{conv}.weight", folded),
            self._constant(f"{conv}.bias", bias),
        ]
        options: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1] * 4}
        return self.relu(self.node("Conv", inputs, channels=channels, **options))

    def relu(self, x: str) -> str:
        """Set what is negative to zero."""
        return self.node("Relu", [x])

    def pool(self, x: str) -> str:
        """Take the maximum of 2x2 pixels."""
        return self.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])

    def up(self, x: str, prefix: str, channels: int) -> str:
        """Convolve 2x2, transposed, to ``channels`` of twice the size; without a bias."""
        inputs = [x, self._weight(f"{prefix}.weight", (self._channels[x], channels, 2, 2))]
        options: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
        return self.node("ConvTranspose", inputs, channels=channels, **options)

    def concat(self, tensors: list[str]) -> str:
        """Join tensors along their channels."""
        channels = sum(self._channels[tensor] for tensor in tensors)
        return self.node("Concat", tensors, channels=channels, axis=1)

    def fold(self, x: str, size: int) -> str:
        """Unshuffle the pixels of one channel to ``size`` ** 2 channels.

        As a convolution, OpenVINO does it in half the time.
        """
        pixels = np.eye(size**2, dtype=np.float32).reshape(size**2, 1, size, size)
        inputs = [x, self._constant("fold.weight", pixels)]
        options: dict[str, Any] = {"kernel_shape": [size] * 2, "strides": [size] * 2}
        return self.node("Conv", inputs, channels=size**2, **options)

    def unfold(self, x: str, size: int) -> str:
        """Shuffle ``size`` ** 2 channels to pixels."""
        channels = self._channels[x] // size**2
        return self.node("DepthToSpace", [x], channels=channels, blocksize=size, mode="CRD")

    def crop(self, x: str, border: int) -> str:
        """Take a border off each side."""
        limits = {"starts": [border] * 2, "ends": [-border] * 2, "axes": [2, 3]}
        names = [
            self._constant(f"{x}.{name}", np.array(values, dtype=np.int64))
            for name, values in limits.items()
        ]
        return self.node("Slice", [x, *names])

    def channel(self, x: str, index: int) -> str:
        """Take one channel: (N, 1, H, W)."""
        indices = self._constant(f"{x}.channel{index}", np.array([index], dtype=np.int64))
        return self.node("Gather", [x, indices], channels=1, axis=1)

    def model(self) -> ModelProto:
        """Make the model from ``image`` (N, 1, H, W) to ``probability`` (N, C, h, w).

        It has as many channels as the node of that name.
        """
        from onnx import TensorProto, helper

        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, "H", "W"])
        probability = helper.make_tensor_value_info(
            "probability", TensorProto.FLOAT, ["N", self._channels["probability"], "h", "w"]
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

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._initializers.append(numpy_helper.from_array(value, name))
        return name

    def _weight(self, name: str, shape: tuple[int, ...]) -> str:
        return self._constant(name, self._parameter(name, shape).astype(np.float32, copy=False))

    def _parameter(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        value = self._parameters[name]
        if value.shape != shape:
            raise ValueError(f"{name} has the shape {value.shape}, not {shape}")
        return value


class ParameterShapes(OnnxNodes):
    """Collects no nodes but the shapes of a graph's parameters, in ``shapes``; needs no onnx."""

    def __init__(self) -> None:
        super().__init__({})
        self.shapes: dict[str, tuple[int, ...]] = {}

    def node(
        self,
        operation: str,
        inputs: list[str],
        output: str = "",
        channels: int = 0,
        **attributes: Any,
    ) -> str:
        output = f"{operation}{len(self._channels)}"
        self._channels[output] = channels or self._channels[inputs[0]]
        return output

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        return name

    def _parameter(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        self.shapes[name] = shape
        return _without_memory(shape)


class OutlineNodes(OnnxNodes):
    """Collects the nodes of a graph without weights: of those there are names and shapes alone."""

    def __init__(self) -> None:
        super().__init__({})

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import TensorProto

        if value.dtype != np.float32:
            return super()._constant(name, value)
        tensor = TensorProto(name=name, dims=value.shape, data_type=TensorProto.FLOAT)
        self._initializers.append(tensor)
        return name

    def _parameter(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        return _without_memory(shape)


def _without_memory(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.broadcast_to(np.float32(0), shape)
