"""Models of the folds of a stack, and its labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_unet.evaluation.model_evaluation import JudgedModel
from napari_unet.prediction.predictor import load_predictor
from training.stacks.sparse_labels import INSIDE, MEMBRANE

Load = Callable[[int], JudgedModel]


@pytest.fixture
def load(write_model: Callable[..., Path]) -> Load:
    def load(fold: int) -> JudgedModel:
        path = write_model(f"fold{fold}.onnx", fold=fold)
        return JudgedModel(load_predictor(path, precision="f32"))

    return load


def codes(membrane: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.where(membrane, MEMBRANE, INSIDE).astype(np.uint8)))
