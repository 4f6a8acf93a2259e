import numpy as np
import pytest

from napari_unet.neurons import segmentation
from napari_unet.neurons.border_features import FEATURES
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.live_neurons import SearchProgress, find_neurons
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.segmentation import (
    Segmentation,
    number_neurons,
    segment_slice,
    segment_slices,
)
from napari_unet.prediction.live_prediction import LivePrediction
from tests.napari_unet.grid_of_cells import grid_of_cells, probability_of

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
    assert progress.add(9, elapsed=6.0) == "Slice 2 of 2"
    assert progress.outcome() == "9 regions in 2 slices (threshold 0.45, seeds 0.1)."


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
    found = list(find_neurons(prediction, HOW, is_linked, neurons, shown))
    searched = [index for index, _ in found]
    distances = [abs(index - (shown or 0)) for index in searched]
    assert distances == sorted(distances)
    pages = prediction.probability[sorted(searched)]
    linker = StackLinker()
    expected = np.stack(list(segmentation.find_neurons(pages, HOW, linker)))
    if is_linked:
        linker.renumber(expected)
    assert found[-1][1] == expected.max()
    np.testing.assert_array_equal(neurons[sorted(searched)], expected)


@pytest.mark.parametrize("shown", [None, 3])
def test_learned_merges_see_the_slices_beside_that_are_predicted(shown: int | None) -> None:
    random = np.random.default_rng(0)
    features = random.uniform(size=(200, len(FEATURES))).astype(np.float32)
    of_beside = features[:, FEATURES.index("higher_probability_beside")] > 0.5
    forest = MergeForest.learn(features, of_beside, np.ones(200))
    how = Segmentation(merges=forest)
    pages = probability_of(grid_of_cells(slices=8)[0])
    prediction = LivePrediction.empty(pages.shape, 0.5)
    for index in (0, 1, 2, 3, 4, 7):
        prediction.store(index, pages[index])
    neurons = np.zeros(pages.shape, np.int32)
    assert len(list(find_neurons(prediction, how, False, neurons, shown))) == 6
    expected = [*segment_slices(pages[:5], how), segment_slice(pages[7], how)]
    expected = list(number_neurons(expected))
    np.testing.assert_array_equal(neurons[[0, 1, 2, 3, 4, 7]], np.stack(expected))
    assert not neurons[5:7].any()


def test_learned_merges_are_said() -> None:
    forest = MergeForest.learn(
        np.eye(20, len(FEATURES), dtype=np.float32), np.arange(20) > 9, np.ones(20)
    )
    progress = SearchProgress(Segmentation(merges=forest), 1, is_linked=True)
    progress.add(7, elapsed=1.0)
    assert progress.outcome() == (
        "7 neurons, linked (merges learned; threshold 0.5, seeds 0.03 where no neighbouring slice "
        "is predicted)."
    )
