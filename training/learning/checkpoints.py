"""Weights of MindSpore's networks and optimizers: copied, packed and set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore
from mindspore import nn
from numpy.typing import NDArray

from training.errors import UserError
from training.model.weight_files import Weights


def parameters_of(cell: nn.Cell) -> Weights:
    """Copy every parameter of a network or an optimizer, by name, with its shape and dtype.

    A copy, because on a CPU MindSpore's array is the parameter's own memory, which the next step
    changes.
    """
    return {parameter.name: parameter.asnumpy().copy() for parameter in cell.get_parameters()}


def put_weights(cell: nn.Cell, weights: Mapping[str, NDArray[Any]], source: Path) -> None:
    """Set every parameter of a network or an optimizer from weights by name.

    Weights that the cell has no parameter for are passed over: a checkpoint holds the
    optimizer's as well.

    Parameters
    ----------
    cell : nn.Cell
    weights : mapping of str to array
        Each with its parameter's shape; they are converted to its dtype.
    source : Path
        Their file, for messages.

    Raises
    ------
    UserError
        If a parameter has no weight or one of another shape.
    """
    for parameter in cell.get_parameters():
        value = weights.get(parameter.name)
        if value is None or tuple(value.shape) != tuple(parameter.shape):
            found = "is missing" if value is None else f"has shape {tuple(value.shape)}"
            raise UserError(
                f"{source} is a checkpoint of another network: {parameter.name} {found}, "
                f"but must have shape {tuple(parameter.shape)}.",
                "Choose the preset that it was trained with.",
            )
        parameter.set_data(
            mindspore.Tensor(value.astype(mindspore.dtype_to_nptype(parameter.dtype)))
        )
