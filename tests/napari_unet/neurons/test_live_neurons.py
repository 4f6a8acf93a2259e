import numpy as np
import pytest

from napari_unet.neurons.live_neurons import SearchProgress, find_neurons
from napari_unet.neurons.segmentation import Segmentation, number_neurons, segment_slice
from napari_unet.prediction.live_prediction import LivePrediction

HOW = Segmentation(threshold=0.4)


def test_only_predicted_slices_are_filled() -> None:
    prediction = LivePrediction.empty((3, 21, 21), 0.5)
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
    progress = SearchProgress(Segmentation(threshold=0.45, seeds=0.1), 2, is_linked=False)
    assert progress.add(7, elapsed=3.0) == "Slice 1 of 2, 3 s left"
    assert progress.outcome() == "Cancelled after 1 of 2 slices."
    assert progress.add(5, elapsed=6.0) == "Slice 2 of 2"
    assert progress.outcome() == "7 regions in 2 slices (threshold 0.45, seeds 0.1)."


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("shown", [None, 0, 3, 6, 40])
def test_the_numbers_are_the_same_wherever_the_search_begins(
    is_linked: bool, shown: int | None
) -> None:
    random = np.random.default_rng(0)
    prediction = LivePrediction.empty((7, 40, 40), 0.5)
    lines = random.permutation(np.arange(4, 36, 3))
    for index in (0, 1, 3, 4, 5, 6):  # walls that come and go from slice to slice
        page = np.full((40, 40), 0.01, np.float32)
        page[lines[index : index + 4]] = page[:, lines[: index % 3 + 1]] = 0.9
        prediction.store(index, page)
    neurons = np.zeros((7, 40, 40), np.int32)
    found = [index for index, _ in find_neurons(prediction, HOW, is_linked, neurons, shown)]
    distances = [abs(index - (shown or 0)) for index in found]
    assert distances == sorted(distances)
    slices = (segment_slice(prediction.probability[index], HOW) for index in sorted(found))
    expected = np.stack(list(number_neurons(slices, is_linked)))
    np.testing.assert_array_equal(neurons[sorted(found)], expected)
