from dataclasses import replace

import numpy as np
import pytest

from napari_unet.neurons.merge_learning import learn_merges
from napari_unet.neurons.segmentation import (
    Segmentation,
    find_neurons,
    segment_slice,
    segment_slices,
)
from napari_unet.neurons.segmentation_choice import TrainingSlice, choose_on
from tests.napari_unet.grid_of_cells import grid_of_cells, probability_of
from training.metrics.neuron_metrics import label_neurons, v_rand


def training_slices(images: np.ndarray, membrane: np.ndarray) -> list[TrainingSlice]:
    pages = probability_of(images)
    return [
        TrainingSlice(page, truth, tuple(pages[z] for z in (i - 1, i + 1) if 0 <= z < len(pages)))
        for i, (page, truth) in enumerate(zip(pages, membrane, strict=True))
    ]


@pytest.fixture(scope="module")
def learned() -> Segmentation:
    slices = training_slices(*grid_of_cells())
    how, _ = choose_on(slices, "watershed")
    found = learn_merges(slices, how, "a model")
    assert found.forest is not None, found.text
    assert found.forest.model == "a model"
    assert "take the threshold's place: v_rand " in found.text
    return replace(how, merges=found.forest)


def test_learned_merges_tell_shadows_that_a_threshold_takes_for_membranes(
    learned: Segmentation,
) -> None:
    images, membrane = grid_of_cells(seed=1)
    pages = probability_of(images)
    truth = [label_neurons(~page) for page in membrane]
    scores = [
        np.mean([v_rand(found, true) for found, true in zip(pages_found, truth, strict=True)])
        for pages_found in (
            segment_slices(pages, learned),
            (segment_slice(page, learned) for page in pages),
        )
    ]
    assert scores[0] > 0.97 > 0.93 > scores[1]


def test_neurons_that_merges_found_are_numbered_like_others(learned: Segmentation) -> None:
    pages = probability_of(grid_of_cells(slices=3)[0])
    found = list(find_neurons(pages, learned))
    numbers = [set(np.unique(page)) - {0} for page in found]
    assert set.union(*numbers) == set(range(1, sum(map(len, numbers)) + 1))
    for page, own in zip(found, segment_slices(pages, learned), strict=True):
        assert page.dtype == np.int32
        np.testing.assert_array_equal(page > 0, own > 0)


def test_a_slice_without_neighbours_takes_the_threshold(learned: Segmentation) -> None:
    page = probability_of(grid_of_cells(slices=1)[0])[0]
    [found] = segment_slices([page], learned)
    np.testing.assert_array_equal(found, segment_slice(page, learned))
    assert not list(segment_slices([], learned))


def test_the_threshold_stays_where_nothing_is_better() -> None:
    images, membrane = grid_of_cells()
    images[membrane] = 0  # borders of shadows come to 0.91 at most, those of membranes to 1
    slices = training_slices(images, membrane)
    found = learn_merges(slices, Segmentation(threshold=0.95))
    assert found.forest is None
    assert "The threshold stays, because learned merges gave v_rand" in found.text


def test_too_little_is_not_learned_from() -> None:
    slices = training_slices(*grid_of_cells(slices=2))
    for few in ([], slices[:1], slices, [replace(slice_, beside=()) for slice_ in slices * 4]):
        found = learn_merges(few, Segmentation())
        assert found.forest is None
        assert "Merges are not learned, because labels show" in found.text
