"""Cases worked out by hand; entropies in bits, as the scores do not depend on the base."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import normalized_mutual_info_score, pair_confusion_matrix

from training.metrics import neuron_metrics
from training.metrics.neuron_metrics import (
    grow_neurons,
    label_neurons,
    neuron_figures,
    neuron_figures_of_mask,
    neuron_figures_of_segments,
    part_neurons,
    v_info,
    v_rand,
)

SIZE = 21
WALL = slice(9, 12)


def row(*labels: int) -> np.ndarray:
    return np.array([labels], dtype=np.int32)


def two_rooms() -> np.ndarray:
    """Membrane of two neurons parted by a wall three pixels wide."""
    membrane = np.zeros((SIZE, SIZE), dtype=bool)
    membrane[:, WALL] = True
    return membrane


def two_neurons() -> np.ndarray:
    return label_neurons(~two_rooms())


def probability_of(membrane: np.ndarray) -> np.ndarray:
    return np.where(membrane, 0.95, 0.05).astype(np.float32)


@pytest.mark.parametrize(
    ("segments", "truth", "rand", "info"),
    [
        pytest.param(row(1, 1, 2, 2), row(2, 2, 1, 1), 1, 1, id="the numbers do not matter"),
        # p = 1/2, 1/2; s = 1; t = 1/2, 1/2: (1/2) / ((1 + 1/2) / 2); no information shared
        pytest.param(row(1, 1, 1, 1), row(1, 1, 2, 2), 2 / 3, 0, id="merged"),
        pytest.param(row(1, 1, 2, 2), row(1, 1, 1, 1), 2 / 3, 0, id="split"),
        # p = 1/4, 1/4, 1/2; s = 1/4, 3/4; t = 1/2, 1/2: (6/16) / ((10/16 + 8/16) / 2)
        # H(S) = 0.811278, H(T) = 1, H(S, T) = 1.5: I = 0.311278
        pytest.param(
            row(1, 2, 2, 2), row(1, 1, 2, 2), 2 / 3, 2 * 0.311278 / 1.811278, id="border moved"
        ),
        # p = s = 1/4, 1/4, 1/2 with the single; t = 1/2, 1/2: (6/16) / ((6/16 + 8/16) / 2)
        # H(S) = H(S, T) = 1.5, H(T) = I = 1
        pytest.param(row(1, 0, 2, 2), row(1, 1, 2, 2), 6 / 7, 0.8, id="a border pixel is single"),
        # p = s = 3/4, 1/4; t = 1: (10/16) / ((10/16 + 1) / 2)
        pytest.param(row(1, 1, 1, 0), row(1, 1, 1, 1), 10 / 13, 0, id="border in one neuron"),
        # all single: p = s = four of 1/4; t = 1/2, 1/2: (4/16) / ((4/16 + 8/16) / 2)
        # H(S) = 2, H(T) = I = 1
        pytest.param(row(0, 0, 0, 0), row(1, 1, 2, 2), 2 / 3, 2 / 3, id="only borders"),
        pytest.param(row(1, 2, 1, 3), row(1, 2, 0, 0), 1, 1, id="truth's background is ignored"),
        pytest.param(row(1, 1, 1, 1), row(1, 1, 1, 1), 1, 1, id="one neuron"),
        pytest.param(row(1, 2, 0, 1), row(0, 0, 0, 0), 1, 1, id="no neuron"),
    ],
)
def test_scores_by_hand(segments, truth, rand, info):
    assert v_rand(segments, truth) == pytest.approx(rand)
    assert v_info(segments, truth) == pytest.approx(info, abs=1e-6)


labels = arrays(np.int32, (4, 5), elements=st.integers(1, 4))


@given(labels, labels)
def test_scores_agree_with_scikit_learn(segments, truth):
    (_, false_positive), (false_negative, true_positive) = pair_confusion_matrix(
        truth.ravel(), segments.ravel()
    )
    same = true_positive + truth.size  # pairs of pixels, each with itself too
    expected = 2 * same / (2 * same + false_positive + false_negative)
    assert v_rand(segments, truth) == pytest.approx(expected)
    if segments.min() != segments.max() or truth.min() != truth.max():
        mutual = normalized_mutual_info_score(truth.ravel(), segments.ravel())
        assert v_info(segments, truth) == pytest.approx(mutual, abs=1e-9)


@given(labels, labels, st.permutations([1, 2, 3, 4]))
def test_scores_are_symmetric_and_blind_to_numbering(segments, truth, order):
    renumbered = np.array([0, *order], dtype=np.int32)[segments]
    for score in (v_rand, v_info):
        assert score(renumbered, truth) == pytest.approx(score(truth, segments), abs=1e-9)


def test_neurons_that_touch_at_a_corner_are_two():
    assert label_neurons(np.eye(2, dtype=bool)).tolist() == [[1, 0], [0, 2]]


def test_borders_are_thinned_to_one_pixel():
    grown = grow_neurons(label_neurons(~two_rooms()))
    assert (np.count_nonzero(grown == 0, axis=1) == 1).all()
    assert not (grown[:, WALL.start - 1] == 0).any()
    assert not (grown[:, WALL.stop] == 0).any()
    assert sorted(np.unique(grown)) == [0, 1, 2]


@given(arrays(np.bool_, (12, 15)), st.integers(0, 1))
def test_grown_neurons_are_parted_wherever_they_meet(inside, flipped):
    seeds = label_neurons(inside.T if flipped else inside)
    grown = grow_neurons(seeds)
    assert (grown[seeds > 0] >= 0).all()
    for here, there in ((grown[1:], grown[:-1]), (grown[:, 1:], grown[:, :-1])):
        assert ((here == there) | (here == 0) | (there == 0)).all()


def test_neurons_grow_as_by_a_watershed_of_a_flat_image():
    from skimage.segmentation import watershed

    seeds = np.zeros((60, 80), np.int32)
    places = np.random.default_rng(0).integers(0, (60, 80), (12, 2))
    seeds[tuple(places.T)] = np.arange(1, 13)
    flooded = watershed(np.zeros(seeds.shape, np.uint8), seeds, watershed_line=True)
    grown = grow_neurons(seeds)
    inner = (grown > 0) & (flooded > 0)
    assert inner.mean() > 0.8
    assert (grown == flooded)[inner].mean() > 0.995


def test_a_slice_of_membrane_alone_is_one_region():
    assert (grow_neurons(np.zeros((3, 4), dtype=np.int32)) == 1).all()


def test_a_perfect_probability_scores_one():
    figures = neuron_figures([probability_of(two_rooms())], [two_neurons()])
    assert (figures.v_rand, figures.v_info) == (1, 1)


def test_a_wider_membrane_costs_little_and_a_gap_costs_much():
    wide, gap = two_rooms(), two_rooms()
    wide[:, WALL.start - 1 : WALL.stop + 1] = True
    gap[10, :] = False
    assert neuron_figures([probability_of(wide)], [two_neurons()]).v_rand == 1
    merged = neuron_figures([probability_of(gap)], [two_neurons()])
    # 378 pixels, two neurons of one half each in one segment
    assert merged.v_rand == pytest.approx(2 / 3)
    assert merged.v_info == 0


def test_the_threshold_is_the_best_for_all_slices_together():
    leaky = probability_of(two_rooms())
    leaky[10, WALL] = 0.35  # merges the rooms at thresholds from 0.4
    dark = probability_of(two_rooms())
    dark[:, : WALL.start] = 0.45  # has no seed in the left room below a threshold of 0.5
    truth = [two_neurons(), two_neurons()]

    assert neuron_figures([leaky], truth[:1]).v_rand_threshold <= 0.3
    assert neuron_figures([dark], truth[:1]).v_rand_threshold == 0.5
    both = neuron_figures([leaky, dark], truth)
    # at either threshold one slice is perfect and the other is merged: (1 + 2/3) / 2
    assert both.v_rand == pytest.approx(5 / 6)
    assert both.v_info == pytest.approx(1 / 2)


def test_every_slice_is_reported_at_the_threshold_that_is_best_for_all():
    leaky = probability_of(two_rooms())
    leaky[10, WALL] = 0.35
    figures = neuron_figures([leaky, probability_of(two_rooms())], [two_neurons()] * 2, [0.5])
    assert np.ravel(figures.slices) == pytest.approx([2 / 3, 0, 1, 1])


def test_a_mask_is_measured_as_it_is():
    gap = two_rooms()
    gap[10, :] = False
    figures = neuron_figures_of_mask(gap, two_neurons())
    assert figures == pytest.approx({"v_rand": 2 / 3, "v_info": 0})


def touching_neurons() -> np.ndarray:
    return np.where(np.arange(SIZE) < WALL.start + 1, 1, 2) * np.ones((SIZE, 1), np.int32)


def test_true_neurons_that_touch_are_met_without_a_border():
    """The wall of three pixels is one pixel nearer to the left neuron, and filled up."""
    figures = neuron_figures_of_mask(two_rooms(), touching_neurons())
    moved = np.where(np.arange(SIZE) < WALL.start + 2, 1, 2) * np.ones((SIZE, 1), np.int32)
    assert figures["v_rand"] == v_rand(moved, touching_neurons()) < 1
    wall = np.zeros((SIZE, SIZE), bool)
    wall[:, WALL.start : WALL.start + 2] = True
    assert neuron_figures_of_mask(wall, touching_neurons()) == {"v_rand": 1, "v_info": 1}


def test_numbered_neurons_are_measured_as_they_are():
    parted = part_neurons(touching_neurons())
    assert neuron_figures_of_segments(parted, touching_neurons()) == {"v_rand": 1, "v_info": 1}
    of_walls = neuron_figures_of_segments(parted, two_neurons())
    assert of_walls == {"v_rand": 1, "v_info": 1}
    one = np.ones_like(parted)
    merged = neuron_figures_of_segments(one, touching_neurons())
    assert merged == {"v_rand": v_rand(one, touching_neurons()), "v_info": 0}


def test_neurons_are_numbered_and_parted_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of a row or two see the pixels above as they were."""
    rng = np.random.default_rng(0)
    regions = np.kron(rng.integers(1, 9, (7, 5)), np.ones((3, 3), int)).astype(np.int32)
    numbers = np.array([0, 1, 2, 2, 3, 1, 4, 5, 4], np.int32)
    expected = part_neurons(numbers[regions])
    assert 0 < np.count_nonzero(expected == 0) < expected.size / 2
    for pixels in (1, 30):
        monkeypatch.setattr(neuron_metrics, "_BAND", pixels)
        np.testing.assert_array_equal(part_neurons(numbers[regions]), expected)
        found = regions.copy()
        part_neurons(found, numbers=numbers, out=found)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("neurons", [[], [two_neurons()]])
def test_slices_must_be_given_in_pairs(neurons):
    probabilities = [] if not neurons else [probability_of(two_rooms())] * 2
    with pytest.raises(ValueError, match="slices"):
        neuron_figures(probabilities, neurons)
