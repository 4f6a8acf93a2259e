from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.predictor import load_predictor
from napari_unet.prediction.stack_prediction import predict_slices
from training.errors import UserError

WriteModel = Callable[..., Path]


def test_slices_arrive_one_by_one(write_model: WriteModel, images: np.ndarray) -> None:
    model = write_model()
    prediction = LivePrediction.empty(images.shape, 0.5)
    expected = dict(load_predictor(model).predict(images))
    for count, index in enumerate(predict_slices(model, images, range(7), prediction)):
        assert index == count
        np.testing.assert_array_equal(prediction.probability[index], expected[index])
        np.testing.assert_array_equal(prediction.mask[index], expected[index] >= 0.5)
        assert not prediction.probability[index + 1 :].any()


def test_one_slice_is_predicted_as_it_is_among_all(
    write_model: WriteModel, images: np.ndarray
) -> None:
    """The scaling is that of the stack: one slice alone may have other extremes."""
    model = write_model()
    stack = images.astype(np.uint16)
    stack[3] //= 4
    alone, together = (LivePrediction.empty(stack.shape, 0.5) for _ in range(2))
    assert list(predict_slices(model, stack, [3], alone)) == [3]
    list(predict_slices(model, stack, range(7), together))
    np.testing.assert_array_equal(alone.probability[3], together.probability[3])


def test_a_single_image_is_predicted(write_model: WriteModel, images: np.ndarray) -> None:
    prediction = LivePrediction.empty(images[0].shape, 0.5)
    list(predict_slices(write_model(), images[0], [0], prediction))
    assert prediction.mask.shape == images[0].shape and prediction.mask.any()


def test_a_run_that_trained_on_is_loaded_again(write_model: WriteModel, images: np.ndarray) -> None:
    model = write_model()
    prediction = LivePrediction.empty(images.shape, 0.5)
    list(predict_slices(model, images, [0], prediction))
    model.write_bytes(b"something else")
    with pytest.raises(UserError, match="is not an ONNX model"):
        list(predict_slices(model, images, [0], prediction))
