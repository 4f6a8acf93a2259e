"""A model of three classes whose probabilities can be computed by hand."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.napari_unet.conftest import blurring_weights
from training.config import preset_config
from training.label_classes import LabelClasses
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.model.saved_model import CARD_KEY, SavedModel
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling

CLASSES = "membrane,mitochondria"
_HEAD = ("logits.weight", "logits.bias")
_MIDDLE = 4.0  # logit of mitochondria, at the middle of the greys


def class_model(classes: str = CLASSES) -> SavedModel:
    """Make a model for which what is dark is the second class, and what is bright the first.

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
    return SavedModel(weights, ModelCard("compact", Scaling("uint8", 0, 255), **about))


def write_class_model(path: Path, classes: str = CLASSES) -> Path:
    """Write that model as ONNX."""
    path.write_bytes(build_onnx(*class_model(classes)))
    return path


def write_class_run(folder: Path) -> None:
    """Write that model as the best of a run."""
    run, model = RunDirectory(folder), class_model()
    run.create(preset_config("compact", classes=CLASSES))
    save_file(model.weights, run.best, {CARD_KEY: model.card.to_json()})


def expected_channels(images: np.ndarray) -> np.ndarray:
    """The likeliest class (Z, Y, X) by hand: the 5 x 5 mean of an image, without its edges."""
    from scipy import ndimage

    scaled = images / 127.5 - 1
    mean = ndimage.uniform_filter(scaled, (0, 5, 5), mode="constant")
    dark = -8 * mean
    return np.where(np.abs(dark) < _MIDDLE, 2, np.where(dark > 0, 1, 0))
