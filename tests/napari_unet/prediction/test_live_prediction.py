import numpy as np
import pytest

from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.stacks import large_array


def test_the_threshold_is_followed_without_predicting() -> None:
    prediction = LivePrediction.empty((2, 4, 5), 0.5)
    probability = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    prediction.store(1, probability)
    prediction.threshold = 0.8
    assert prediction.threshold_all() == 0.8
    np.testing.assert_array_equal(prediction.mask[1], probability >= 0.8)
    assert not prediction.mask[0].any(), "nothing was predicted there"


def test_corrected_slices_are_left_alone_until_they_are_released() -> None:
    prediction = LivePrediction.empty((2, 4, 5), 0.5)
    for index in range(2):
        prediction.store(index, np.full((4, 5), 0.7, np.float32))
    prediction.mask[0] = 0
    prediction.protect_slices({0})
    prediction.threshold = 0.6
    prediction.threshold_all()
    prediction.store(0, np.full((4, 5), 0.9, np.float32))
    assert prediction.protected_slices == [0]
    assert not prediction.mask[0].any() and prediction.mask[1].all()
    prediction.release_slices({0})
    prediction.threshold_all()
    assert prediction.mask.all()


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5)])
def test_corrections_are_found_pixel_by_pixel(shape: tuple[int, ...]) -> None:
    prediction = LivePrediction.empty(shape, 0.5)
    last = len(prediction) - 1
    prediction.store(last, np.eye(4, 5, dtype=np.float32))
    expected = prediction.mask.copy()
    prediction.mask[..., 1, 1], prediction.mask[..., 3, 0] = 0, 1
    prediction.mask[..., 0, 4] = 1
    places, values = prediction.find_corrections([last])
    assert len(places) == len(shape) and sorted(values) == [0, 0, 1]
    prediction.mask[places] = values
    np.testing.assert_array_equal(prediction.mask[..., :, :].reshape(-1, 4, 5)[last], np.eye(4, 5))
    assert np.count_nonzero(prediction.mask != expected) == 2 * last


def test_an_undo_of_a_release_protects_again() -> None:
    prediction = LivePrediction.empty((2, 4, 5), 0.5)
    for index in range(2):
        prediction.store(index, np.full((4, 5), 0.7, np.float32))
    prediction.mask[:] = 0
    prediction.protect_slices({0, 1})
    prediction.release_slices({0, 1})
    prediction.threshold_slice(1)
    prediction.protect_restored()
    assert prediction.protected_slices == [0]


def test_large_stacks_live_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_array, "IN_MEMORY_BYTES", 100)
    prediction = LivePrediction.empty((3, 8, 8), 0.5)
    assert isinstance(prediction.probability, np.memmap)
    prediction.store(2, np.ones((8, 8), np.float32))
    assert prediction.mask[2].all() and not prediction.mask[:2].any()


def test_what_is_there_already_is_gone_on_with() -> None:
    probability, mask = np.zeros((5, 4, 5), np.float32), np.zeros((5, 4, 5), np.uint8)
    probability[:3] = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    mask[:3] = probability[:3] >= 0.6
    mask[1, 2, 3] ^= 1  # painted over a prediction
    mask[4, 0, 0] = 1  # and where nothing is predicted
    prediction = LivePrediction.of(probability, mask, 0.6)
    assert prediction.predicted_slices == [0, 1, 2]
    assert prediction.protected_slices == [1, 4]
    painted = mask[1].copy()
    prediction.threshold = 0.2
    prediction.threshold_all()
    np.testing.assert_array_equal(mask[0], probability[0] >= 0.2)
    np.testing.assert_array_equal(mask[1], painted)


def test_another_model_s_slices_count_as_outdated_until_they_are_predicted_again() -> None:
    prediction = LivePrediction.empty((3, 4, 5), 0.5)
    for index in (0, 1):
        prediction.store(index, np.full((4, 5), 0.7, np.float32))
    prediction.change_model()
    assert prediction.outdated_slices == [0, 1] and not prediction.has(0)
    prediction.store(0, np.full((4, 5), 0.3, np.float32))
    assert prediction.outdated_slices == [1] and prediction.has(0)
    assert not prediction.mask[0].any() and prediction.mask[1].all()
