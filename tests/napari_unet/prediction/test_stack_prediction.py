from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.predictor import load_predictor
from napari_unet.prediction.stack_prediction import StackPrediction, predict_slices
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.model.slice_view import SliceView

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


def test_slices_are_resampled_to_the_model_s_pixel_size(
    write_model: WriteModel, images: np.ndarray
) -> None:
    model = write_model(pixel_size=PixelSize(50, 4, 4))
    prediction = LivePrediction.empty(images.shape, 0.5)
    options = {"pixel_size": PixelSize(50, 8, 6), "resample": True}
    list(predict_slices(model, images, [2], prediction, **options))
    predictor = load_predictor(model, is_parallel=False)
    expected = predictor.predict_slice(images[2], view=SliceView((2.0, 1.5)))
    np.testing.assert_array_equal(prediction.probability[2], expected)
    assert "pixels" not in prediction.warning()


@pytest.mark.parametrize(
    ("trained", "told"), [(None, "model.onnx does not know"), (4, "of this image is not known")]
)
def test_nothing_is_predicted_where_it_can_not_be_resampled(
    write_model: WriteModel, images: np.ndarray, trained: float | None, told: str
) -> None:
    model = write_model(pixel_size=trained and PixelSize(None, trained, trained))
    prediction = LivePrediction.empty(images.shape, 0.5)
    with StackPrediction(model, images, prediction, resample=True) as work:
        for _ in range(2):
            with pytest.raises(UserError, match=told):
                work.predict(0)
    assert not prediction.predicted_slices


def test_another_pixel_size_is_warned_of_and_an_unknown_one_hinted_at(
    write_model: WriteModel, images: np.ndarray
) -> None:
    model = write_model(pixel_size=PixelSize(None, 4, 4))
    prediction = LivePrediction.empty(images.shape, 0.5)
    list(predict_slices(model, images, [0], prediction, pixel_size=PixelSize(None, 8, 8)))
    assert "pixels are 8 nm, but the model was trained on pixels of 4 nm" in prediction.warning()
    list(predict_slices(model, images, [0], prediction))
    assert prediction.warning().startswith("Hint: The model was trained on pixels of 4 nm")
    list(predict_slices(model, images, [0], prediction, pixel_size=PixelSize(None, 4.5, 4)))
    assert "pixels of" not in prediction.warning()
