"""Models for other programs, compared with the network that they were made of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from training.errors import UserError
from training.learning.checkpoints import put_weights
from training.model.onnx_graph import build_onnx
from training.model.saved_model import SavedModel
from training.networks.membrane_network import build_network, build_probability
from training.presets.registry import find_preset

MOST_DIFFERENCE = 1e-3  # of a probability
COMPARED_LENGTH = 64  # pixels a side of ONNX's output: its reference in Python is slow


def make_mindir(model: SavedModel, source: Path, length: int) -> tuple[bytes, float]:
    """Make the content of a MindIR file of a model.

    Parameters
    ----------
    model : SavedModel
    source : Path
        Its file, for messages.
    length : int
        Pixels a side of the input, which MindIR fixes.

    Returns
    -------
    content : bytes
    difference : float
        The largest one between its probabilities, loaded again, and the network's.

    Raises
    ------
    UserError
        If it computes something else.
    """
    network, image = _network(model, source), _image(length)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mindir"
        mindspore.export(network, Tensor(image), file_name=str(path), file_format="MINDIR")
        loaded = nn.GraphCell(mindspore.load(str(path)))
        found = loaded(Tensor(image)).asnumpy()
        content = path.read_bytes()
    return content, _compare(found, network(Tensor(image)).asnumpy(), source)


def make_onnx(model: SavedModel, source: Path, length: int) -> tuple[bytes, float]:
    """Make the content of an ONNX file, which takes any size of image.

    Parameters, results and errors as of :func:`make_mindir`; ``length`` is not used.
    """
    from onnx import load_model_from_string
    from onnx.reference import ReferenceEvaluator

    content = build_onnx(*model)
    geometry = find_preset(model.card.preset).geometry
    image = _image(geometry.output_length(COMPARED_LENGTH) + 2 * geometry.margin)
    (found,) = ReferenceEvaluator(load_model_from_string(content)).run(None, {"image": image})
    expected = _network(model, source)(Tensor(image)).asnumpy()
    return content, _compare(np.asarray(found), expected, source)


def _network(model: SavedModel, source: Path) -> nn.Cell:
    outputs = model.card.label_classes.outputs
    network = build_network(model.card.preset, outputs)
    put_weights(network, model.weights, source)
    network.set_train(False)
    return build_probability(network, model.card.preset, outputs)


def _image(length: int) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (1, 1, length, length)).astype(np.float32)


def _compare(found: NDArray[Any], expected: NDArray[Any], source: Path) -> float:
    difference = float(np.abs(found - expected).max())
    if not difference < MOST_DIFFERENCE:  # NaN is not, either
        raise UserError(
            f"What was exported of {source} computes something else: probabilities differ by "
            f"{difference:.3g}.",
            "Take another checkpoint, or another version of MindSpore.",
        )
    return difference
