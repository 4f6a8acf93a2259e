import numpy as np

from napari_unet.neurons.live_neurons import SearchProgress, find_neurons
from napari_unet.neurons.segmentation import Segmentation, segment_slice
from napari_unet.prediction.live_prediction import LivePrediction


def test_only_predicted_slices_are_filled() -> None:
    prediction = LivePrediction((3, 21, 21), 0.5)
    walls = np.full((21, 21), 0.01, np.float32)
    walls[:, 9:12] = 0.9
    for index in (0, 2):
        prediction.store(index, walls)
    neurons = np.zeros((3, 21, 21), np.int32)
    found = list(find_neurons(prediction, Segmentation(), True, neurons))
    assert found == [(0, 2), (2, 2)]
    assert not neurons[1].any()
    np.testing.assert_array_equal(neurons[0], segment_slice(walls, Segmentation()))
    np.testing.assert_array_equal(neurons[2], neurons[0])


def test_progress_is_said_in_words() -> None:
    progress = SearchProgress(Segmentation(threshold=0.45, seeds=0.1), 2)
    assert progress.add(7, elapsed=3.0) == "Slice 1 of 2, 3 s left"
    assert progress.outcome() == "Cancelled after 1 of 2 slices."
    assert progress.add(5, elapsed=6.0) == "Slice 2 of 2"
    assert progress.outcome() == "7 neurons (threshold 0.45, seeds 0.1)."
