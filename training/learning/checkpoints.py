"""Saving and loading weights: safetensors, and the zoo's legacy ``.ckpt``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import nn
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from training.errors import UserError

Weights = dict[str, NDArray[Any]]


def parameters_of(cell: nn.Cell) -> Weights:
    """Every parameter of a network or an optimizer, by name."""
    return {parameter.name: parameter.asnumpy() for parameter in cell.get_parameters()}


def pack_weights(weights: Weights, metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file."""
    contiguous = {name: np.asarray(value, order="C") for name, value in weights.items()}
    return save(contiguous, metadata=dict(metadata))


def load_weights(path: Path) -> tuple[Weights, dict[str, str]]:
    """Weights by name, and the file's metadata, of a ``.safetensors`` or ``.ckpt`` file.

    Raises
    ------
    UserError
        If the file is missing or not a checkpoint.
    """
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}.", "Check the path.")
    try:
        if path.suffix == ".ckpt":
            loaded = mindspore.load_checkpoint(str(path))
            return {name: value.asnumpy() for name, value in loaded.items()}, {}
        with safe_open(path, framework="numpy") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return weights, file.metadata() or {}
    except Exception as error:  # MindSpore and safetensors have no common one
        raise _unreadable(path) from error


def read_metadata(path: Path) -> dict[str, str]:
    """A ``.safetensors`` file's metadata alone.

    Raises
    ------
    UserError
        If the file can't be read.
    """
    if not path.is_file():
        raise _unreadable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except Exception as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> UserError:
    return UserError(
        f"{path} is no checkpoint that can be read.", "Give a .ckpt or .safetensors file."
    )


def put_weights(cell: nn.Cell, weights: Mapping[str, NDArray[Any]], source: Path) -> None:
    """Set every parameter of a network or an optimizer from weights by name.

    Weights that the cell has no parameter for are passed over: a checkpoint holds the
    optimizer's as well.

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
