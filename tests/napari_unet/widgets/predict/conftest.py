from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet.widgets.predict.predicted_layers import PredictedLayers


@pytest.fixture
def canvas() -> ViewerModel:
    """A viewer without a window, at its first slice."""
    return ViewerModel()


@pytest.fixture
def image(canvas: ViewerModel) -> Image:
    """Three slices, with scale and units."""
    stack = np.zeros((3, 21, 21), np.uint8)
    image = canvas.add_image(stack, name="tissue", scale=(50, 4, 4), units=("nm",) * 3)
    canvas.dims.set_current_step(0, 0)
    return image


@pytest.fixture
def predicted(canvas: ViewerModel, image: Image, tmp_path: Path) -> PredictedLayers:
    """A prediction of the image in which no slice was predicted yet."""
    return PredictedLayers.add(canvas, image, tmp_path / "model.onnx", threshold=0.5)


@pytest.fixture
def walls() -> np.ndarray:
    """Probability (Y, X) of two rooms beside each other, with a wall between them."""
    probability = np.full((21, 21), 0.01, np.float32)
    probability[:, 9:12] = 0.6
    return probability
