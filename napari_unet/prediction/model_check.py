"""What an ONNX file may hold before OpenVINO reads it: the network that its card names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import UserError, raise_interrupt
from training.files.untrusted_files import open_regular
from training.model.model_card import METADATA_KEY, ModelCard
from training.model.onnx_graph import outline_onnx

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_BYTES = 2**31 - 1  # that ONNX files can have
_REMEDY = "Give a run's folder, model.onnx or a checkpoint."
_OURS = "Give a model that napari-unet exported."


def read_onnx(path: Path) -> bytes:
    """Read an ONNX file, and refuse all but an export of this package.

    Another graph could take any memory and time, however small its file. So it must be, node by
    node and in the shapes of its weights, the one that is built for the preset of its card.

    Raises
    ------
    UserError
        For a file that can't be read, is not an ONNX model or is damaged, has no card, or holds
        anything else than the network of its card.
    """
    content = read_content(path)
    check_onnx(content, path)
    return content


def read_content(path: Path) -> bytes:
    """Read what is in an ONNX file, which :func:`check_onnx` has yet to look at.

    Raises
    ------
    UserError
        If it can't be read.
    """
    try:
        with open_regular(path) as file:
            return file.read() if path.stat().st_size <= MOST_BYTES else b""
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.", _REMEDY) from error


def check_onnx(content: bytes, path: Path) -> None:
    """Refuse the content of an ONNX file, ``path``, that is no model of ours.

    Raises
    ------
    UserError
        As :func:`read_onnx`.
    """
    model = parse_onnx(content, path)
    card = _read_card(model, path)
    preset, outputs = card.preset, card.label_classes.outputs
    is_whole = all(
        len(tensor.raw_data) == 4 * math.prod(tensor.dims) for tensor in _float_weights(model)
    )
    if _outline(model) != _outline(outline_onnx(preset, outputs)):
        raise UserError(f"{path} holds another network than {preset}, which its card names.", _OURS)
    if not is_whole:
        raise _damage_error(path)


def has_card(model: ModelProto) -> bool:
    """Whether an ONNX model has a card, as the exports of this package have."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def read_card(content: bytes, path: Path) -> ModelCard:
    """Read the card of a model from its ONNX file's content.

    Raises
    ------
    UserError
        If it is missing or can't be read.
    """
    return _read_card(parse_onnx(content, path), path)


def _read_card(model: Any, path: Path) -> ModelCard:
    if not has_card(model):
        raise UserError(
            f"{path} is a model of another program: it has no {METADATA_KEY} metadata.", _OURS
        )
    texts = {entry.key: entry.value for entry in model.metadata_props}
    return ModelCard.from_json(texts[METADATA_KEY], source=str(path))


def _outline(model: Any) -> bytes:
    """Write a model without its card and its weights' data, which are taken from it."""
    model.ClearField("metadata_props")
    for tensor in _float_weights(model):
        tensor.ClearField("raw_data")
    content: bytes = model.SerializePartialToString()
    return content


def _float_weights(model: Any) -> list[Any]:
    return [tensor for tensor in model.graph.initializer if tensor.data_type == tensor.FLOAT]


def parse_onnx(content: bytes, path: Path) -> ModelProto:
    """Read the content of an ONNX file, ``path``; a UserError if it is none."""
    import onnx

    if not content:  # no error to protobuf, which takes it for an empty message
        raise _damage_error(path)
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's, which differ from version to version
        raise_interrupt(error)
        raise _damage_error(path) from error


def _damage_error(path: Path) -> UserError:
    return UserError(f"{path} is not an ONNX model, or damaged.", _REMEDY)
