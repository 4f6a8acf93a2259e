"""What the ONNX file of somebody else may hold before an engine reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import UserError

if TYPE_CHECKING:
    from onnx import ModelProto

# What networks of images are made of; none has a graph of its own, reads a file or runs code.
ALLOWED = {
    *("Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant"),
    *("ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace", "Div", "Dropout", "Elu"),
    *("Erf", "Exp", "Expand", "Floor", "Gather", "GlobalAveragePool", "GroupNormalization"),
    *("HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization"),
    *("LeakyRelu", "MaxPool", "Mul", "Neg", "Pad", "Pow", "PRelu", "ReduceMean", "Relu"),
    *("Reshape", "Resize", "Selu", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus"),
    *("SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze"),
    "Upsample",
}
MOST_NODES = 5000
MOST_ELEMENTS = 2**27  # of a tensor: half a gigabyte
MOST_MULTIPLICATIONS = 2**42  # of a tile: minutes on a CPU; the zoo's U-Nets take up to 2**38
_CONVOLUTIONS = ("Conv", "ConvTranspose")


def check_graph(model: ModelProto, shape: tuple[int, ...], path: Path) -> None:
    """Refuse a graph with other operations, or one that would take all memory or time.

    Parameters
    ----------
    model : ModelProto
        Its input's shape is set.
    shape : tuple of int
        That of the largest input.
    path : Path
        Where it is from, for messages.

    Raises
    ------
    UserError
    """
    from onnx import TensorProto, shape_inference

    graph = model.graph
    unknown = sorted({node.op_type for node in graph.node} - ALLOWED)
    unknown += [node.domain for node in graph.node if node.domain not in ("", "ai.onnx")]
    if unknown or model.functions:
        named = unknown[0] if unknown else model.functions[0].name
        raise _misfit(path, f"its network uses {named:.50}, which is not allowed")
    if len(graph.node) > MOST_NODES:
        raise _misfit(path, f"its network has more than {MOST_NODES} operations")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(graph)):
        raise _misfit(path, "its weights lie in another file")
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if (len(inputs), len(graph.output)) != (1, 1):
        raise _misfit(path, "its network has not one input and one output")
    tensor_type = inputs[0].type.tensor_type
    if len(tensor_type.shape.dim) != len(shape) or tensor_type.elem_type != TensorProto.FLOAT:
        raise _misfit(path, "its network's input is not the one that it describes, in float32")
    for dim, length in zip(tensor_type.shape.dim, shape, strict=True):
        if dim.HasField("dim_value") and dim.dim_value != length:
            raise _misfit(path, "its network takes images of another shape than it says")
        dim.dim_value = length
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except Exception as error:  # of a class of its own
        raise _misfit(path, "its network is not valid") from error
    shapes = weights | {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*inferred.value_info, *inferred.output, *inferred.input]
        if all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
        and value.type.tensor_type.HasField("shape")
    }
    work = 0
    for node in graph.node:
        for name in filter(None, node.output):
            if name not in shapes or math.prod(shapes[name]) > MOST_ELEMENTS:
                raise _misfit(path, "its network would take too much memory, or how much is unsure")
        if node.op_type in _CONVOLUTIONS:
            kernel = shapes.get(node.input[1], ())
            tensor = node.output[0] if node.op_type == "Conv" else node.input[0]
            work += math.prod(shapes[tensor]) * math.prod(kernel[1:])
    if work > MOST_MULTIPLICATIONS:
        raise _misfit(path, "its network would take too long")


def _tensors(graph: Any) -> Iterator[Any]:
    """Give all tensors that a graph holds; a sparse one by its values."""
    yield from graph.initializer
    yield from (sparse.values for sparse in graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _misfit(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} can't be used: {reason}.",
        "Packages whose ONNX weights map one grey channel to one or two, in 2-D, can.",
    )
