"""The networks in PyTorch, read from the portable model, so that they are always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional


class OnnxNetwork(nn.Module):
    """Computes the logit (N, 1, h, w) of an image (N, 1, H, W) as an ONNX model does.

    Parameters
    ----------
    path : Path
        A model that this package exported.
    has_norms : bool
        Put back the batch norms that were folded into the convolutions, for training.
    """

    def __init__(self, path: Path, has_norms: bool = False) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        self._constants = {
            weights.name: torch.from_numpy(numpy_helper.to_array(weights).copy())
            for weights in graph.initializer
        }
        fixed = {node.input[1] for node in graph.node if _folds_pixels(node)}
        self._weights = nn.ParameterDict(
            {
                _key(name): nn.Parameter(value)
                for name, value in self._constants.items()
                if value.is_floating_point() and name not in fixed
            }
        )
        self._nodes = [node for node in graph.node if node.op_type != "Sigmoid"]
        self._norms = nn.ModuleDict()
        if has_norms:
            self._add_norms()

    def _add_norms(self) -> None:
        before_relu = {node.input[0] for node in self._nodes if node.op_type == "Relu"}
        for node in self._nodes:
            if node.op_type == "Conv" and node.output[0] in before_relu:
                channels = len(self._weights.pop(_key(node.input[2])))
                self._norms[_key(node.output[0])] = nn.BatchNorm2d(channels)

    def forward(self, image: Tensor) -> Tensor:
        values = {"image": image}
        result = image
        for node in self._nodes:
            attributes = {
                field.name: onnx.helper.get_attribute_value(field) for field in node.attribute
            }
            result = getattr(self, f"_{node.op_type.lower()}")(node, values, attributes)
            values[node.output[0]] = result
        return result

    def _conv(self, node: Any, values: dict[str, Tensor], attributes: dict[str, Any]) -> Tensor:
        if _folds_pixels(node):
            return functional.pixel_unshuffle(values[node.input[0]], attributes["strides"][0])
        x, weight = values[node.input[0]], self._weights[_key(node.input[1])]
        norm = _key(node.output[0])
        padding = attributes.get("pads", [0])[0]
        if norm in self._norms:
            return self._norms[norm](functional.conv2d(x, weight, padding=padding))
        bias = self._weights[_key(node.input[2])]
        return functional.conv2d(x, weight, bias, padding=padding)

    def _convtranspose(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        weight = self._weights[_key(node.input[1])]
        return functional.conv_transpose2d(values[node.input[0]], weight, stride=2)

    def _relu(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        return functional.relu(values[node.input[0]])

    def _maxpool(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        return functional.max_pool2d(values[node.input[0]], 2)

    def _depthtospace(
        self, node: Any, values: dict[str, Tensor], attributes: dict[str, Any]
    ) -> Tensor:
        return functional.pixel_shuffle(values[node.input[0]], attributes["blocksize"])

    def _concat(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        return torch.cat([values[name] for name in node.input], 1)

    def _slice(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        """A border taken off rows and columns."""
        start, end = (self._constants[name] for name in node.input[1:3])
        return values[node.input[0]][:, :, start[0] : end[0], start[1] : end[1]]

    def _gather(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        return values[node.input[0]][:, self._constants[node.input[1]]]

    def _sub(self, node: Any, values: dict[str, Tensor], _: dict[str, Any]) -> Tensor:
        return values[node.input[0]] - values[node.input[1]]


def _folds_pixels(node: Any) -> bool:
    """Whether it is the convolution, the only one with strides, that is a pixel unshuffle."""
    return node.op_type == "Conv" and any(field.name == "strides" for field in node.attribute)


def _key(name: str) -> str:
    return name.replace(".", "_")
