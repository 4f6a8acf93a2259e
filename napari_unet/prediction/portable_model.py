"""The portable model of weights: built from them on this side, where onnx is.

A server trains with MindSpore alone; what comes home from it is ``best.safetensors``, with the
model's card inside.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_unet.prediction.model_check import read_card, read_onnx
from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically
from training.formats.pixel_size import PixelSize
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.model.saved_model import CARD_KEY, WEIGHT_SUFFIXES, best_weights, load_model
from training.model.weight_files import read_metadata
from training.runs.run_directory import RunDirectory


def portable_model(run: RunDirectory) -> bytes:
    """Give the ONNX file of a run's best model, see :func:`training.model.onnx_graph.build_onnx`.

    It is built from the best weights at every call, of ``compact`` in 50 ms and of ``medical`` in
    0.7 s, and kept as ``model.onnx`` for other programs where the run's folder can be written.

    Raises
    ------
    UserError
        If the run has no model yet, or its weights can't be read or are another network's.
    """
    if run.onnx.exists() and not run.best.exists():
        return read_onnx(run.onnx)
    content = build_onnx(*load_model(best_weights(run)))
    with suppress(UnwritableError):  # somebody else's run, or a full disk
        _keep(run, content)
    return content


def read_pixel_size(model: Path) -> PixelSize | None:
    """Read the pixel size of a model's training without its weights; None where it isn't known.

    Parameters
    ----------
    model : Path
        Folder of a run, or a file of a model.

    Raises
    ------
    UserError
        If it can't be read.
    """
    file = RunDirectory(model).model_file if model.is_dir() else model
    if file.suffix == ".onnx":
        return read_card(read_onnx(file), file).pixel_size
    card = read_metadata(file).get(CARD_KEY) if file.suffix == ".safetensors" else None
    return None if card is None else ModelCard.from_json(card, source=str(file)).pixel_size


def read_portable(model: Path) -> tuple[Path, bytes]:
    """Give the ONNX file of a model that a person named, and the file that it is of.

    Parameters
    ----------
    model : Path
        A run's folder, an ONNX file that this package exported, or a checkpoint: ours, or one of
        the model zoo.

    Raises
    ------
    UserError
        If there is no such file, the run has no model yet, or it can't be read.
    """
    if not model.exists():
        raise UserError(
            f"There is no run or model {model}.", "Give a run's folder, model.onnx or a checkpoint."
        )
    if model.is_dir():
        run = RunDirectory(model)
        return run.onnx, portable_model(run)
    if model.suffix in WEIGHT_SUFFIXES:
        return model, build_onnx(*load_model(model))
    return model, read_onnx(model)


def _keep(run: RunDirectory, content: bytes) -> None:
    run.check_links()
    if not run.onnx.exists() or run.onnx.read_bytes() != content:
        write_atomically(run.onnx, content)
