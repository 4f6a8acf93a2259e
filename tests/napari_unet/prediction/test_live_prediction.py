import numpy as np
import pytest

from napari_unet.prediction import large_array
from napari_unet.prediction.live_prediction import LivePrediction


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
    prediction.protect_slices({0})
    prediction.threshold = 0.6
    prediction.threshold_all()
    prediction.store(0, np.full((4, 5), 0.9, np.float32))
    assert prediction.protected_slices == [0]
    assert not prediction.mask[0].any() and prediction.mask[1].all()
    prediction.release_slices()
    prediction.threshold_all()
    assert prediction.mask.all()


def test_large_stacks_live_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_array, "IN_MEMORY_BYTES", 100)
    prediction = LivePrediction((3, 8, 8), 0.5)
    assert isinstance(prediction.probability, np.memmap)
    prediction.store(2, np.ones((8, 8), np.float32))
    assert prediction.mask[2].all() and not prediction.mask[:2].any()
