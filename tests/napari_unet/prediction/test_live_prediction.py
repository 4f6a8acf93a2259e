from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_unet.prediction import live_prediction
from napari_unet.prediction.live_prediction import LivePrediction, predict_slices
from napari_unet.prediction.predictor import load_predictor
from training.errors import UserError

WriteModel = Callable[..., Path]


def test_slices_arrive_one_by_one(write_model: WriteModel, images: np.ndarray) -> None:
    model = write_model()
    prediction = LivePrediction(images.shape, 0.5)
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
    alone, together = (LivePrediction(stack.shape, 0.5) for _ in range(2))
    assert list(predict_slices(model, stack, [3], alone)) == [3]
    list(predict_slices(model, stack, range(7), together))
    np.testing.assert_array_equal(alone.probability[3], together.probability[3])


def test_a_single_image_is_predicted(write_model: WriteModel, images: np.ndarray) -> None:
    prediction = LivePrediction(images[0].shape, 0.5)
    list(predict_slices(write_model(), images[0], [0], prediction))
    assert prediction.mask.shape == images[0].shape and prediction.mask.any()


def test_a_run_that_trained_on_is_loaded_anew(write_model: WriteModel, images: np.ndarray) -> None:
    model = write_model()
    prediction = LivePrediction(images.shape, 0.5)
    list(predict_slices(model, images, [0], prediction))
    model.write_bytes(b"something else")
    with pytest.raises(UserError, match="is not an ONNX model"):
        list(predict_slices(model, images, [0], prediction))


def test_the_threshold_is_followed_without_predicting() -> None:
    prediction = LivePrediction((2, 4, 5), 0.5)
    probability = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    prediction.store(1, probability)
    prediction.threshold = 0.8
    assert prediction.threshold_all() == 0.8
    np.testing.assert_array_equal(prediction.mask[1], probability >= 0.8)
    assert not prediction.mask[0].any(), "nothing was predicted there"


def test_corrected_slices_are_left_alone_until_they_are_released() -> None:
    prediction = LivePrediction((2, 4, 5), 0.5)
    for index in range(2):
        prediction.store(index, np.full((4, 5), 0.7, np.float32))
    prediction.mask[0] = 0
    prediction.keep({0})
    prediction.threshold = 0.6
    prediction.threshold_all()
    prediction.store(0, np.full((4, 5), 0.9, np.float32))
    assert prediction.kept_slices == [0]
    assert not prediction.mask[0].any() and prediction.mask[1].all()
    prediction.release()
    prediction.threshold_all()
    assert prediction.mask.all()


def test_large_stacks_live_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_prediction, "IN_MEMORY_BYTES", 100)
    prediction = LivePrediction((3, 8, 8), 0.5)
    assert isinstance(prediction.probability, np.memmap)
    prediction.store(2, np.ones((8, 8), np.float32))
    assert prediction.mask[2].all() and not prediction.mask[:2].any()
