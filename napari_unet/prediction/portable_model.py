"""The portable model of a run: built from its best weights on this side, where onnx is.

A server trains with MindSpore alone; what comes home from it is ``best.safetensors``, with the
model's card inside.
"""

from __future__ import annotations

from contextlib import suppress

from napari_unet.prediction.model_check import read_onnx
from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically
from training.model.model_card import ModelCard
from training.runs.run_directory import RunDirectory


def portable_model(run: RunDirectory) -> bytes:
    """Give the ONNX file of a run's best model, see :func:`training.model.onnx_graph.build_onnx`.

    It is built from the best weights at every call, within milliseconds, and kept as
    ``model.onnx`` for other programs where the run's folder can be written.

    Raises
    ------
    UserError
        If the run has no model yet, or its weights can't be read or are another network's.
    """
    if run.best.exists():
        content = _build(run)
        with suppress(UnwritableError):  # somebody else's run, or a full disk
            _keep(run, content)
        return content
    if run.onnx.exists():
        return read_onnx(run.onnx)
    run.read_config()
    raise UserError(
        f"The run {run.path} has no model yet.", "Wait until its training has validated once."
    )


def _build(run: RunDirectory) -> bytes:
    from training.model.onnx_graph import build_onnx
    from training.model.weight_files import read_safetensors

    weights, metadata = read_safetensors(run.best)
    card = ModelCard.from_json(metadata.get("model_card", ""), source=str(run.best))
    try:
        return build_onnx(weights, card)
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{run.best} does not hold the weights of the network {card.preset}.",
            "Copy it again from where it was trained, or train again.",
        ) from error


def _keep(run: RunDirectory, content: bytes) -> None:
    run.check_links()
    if not run.onnx.exists() or run.onnx.read_bytes() != content:
        write_atomically(run.onnx, content)
