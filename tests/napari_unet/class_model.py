"""A model of three classes whose probabilities can be computed by hand."""

from pathlib import Path

import numpy as np

from tests.napari_unet.conftest import blurring_weights
from training.label_classes import LabelClasses
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.stacks.scaling import Scaling

CLASSES = "membrane,mitochondria"
_HEAD = ("logits.weight", "logits.bias")
_MIDDLE = 4.0  # logit of mitochondria, at the middle of the greys


def write_class_model(path: Path, classes: str = CLASSES) -> Path:
    """Write an ONNX model: what is dark is the second class, what is bright the first.

    The third is what lies between them.
    """
    named = LabelClasses.parse(classes)
    weights = blurring_weights()
    dark = {name: weights[name] for name in _HEAD}
    weights["logits.weight"] = np.concatenate(
        [-dark[_HEAD[0]], dark[_HEAD[0]], np.zeros_like(dark[_HEAD[0]])]
    )
    zero = np.zeros_like(dark[_HEAD[1]])
    weights["logits.bias"] = np.concatenate([zero, zero, zero + _MIDDLE])
    about = {"classes": named.members, "num_classes": len(named)}
    path.write_bytes(build_onnx(weights, ModelCard("compact", Scaling("uint8", 0, 255), **about)))
    return path


def expected_channels(images: np.ndarray) -> np.ndarray:
    """The likeliest class (Z, Y, X) by hand: the 5 x 5 mean of an image, without its edges."""
    from scipy import ndimage

    scaled = images / 127.5 - 1
    mean = ndimage.uniform_filter(scaled, (0, 5, 5), mode="constant")
    dark = -8 * mean
    return np.where(np.abs(dark) < _MIDDLE, 2, np.where(dark > 0, 1, 0))
