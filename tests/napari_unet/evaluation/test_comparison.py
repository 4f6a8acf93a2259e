import csv
import io

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from napari_unet.evaluation.comparison import Comparison, counted_note
from napari_unet.evaluation.judging import PIXEL_FIGURES
from napari_unet.layers.wrong_pixels import FALSE_NEGATIVE, FALSE_POSITIVE
from training.errors import UserError
from training.label_convention import LabelConvention
from training.metrics.neuron_metrics import NEURON_FIGURES, label_neurons, neuron_figures_of_mask
from training.stacks.label_reading import LabelReading


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (4, 20, 30), dtype=np.uint8)


@pytest.fixture
def predicted(truth: np.ndarray) -> np.ndarray:
    """Slice 0 is right; every further one has more wrong pixels, but the last has fewer."""
    mask = truth.copy()
    for index, wrong in enumerate((0, 40, 200, 20)):
        mask[index].ravel()[:wrong] ^= 1
    return mask


def test_figures_are_scikit_learns(predicted: np.ndarray, truth: np.ndarray) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    for index in range(4):
        pair = truth[index].ravel(), predicted[index].ravel()
        assert comparison[index] == pytest.approx(
            {
                "dice": f1_score(*pair),
                "iou": jaccard_score(*pair),
                "precision": precision_score(*pair),
                "recall": recall_score(*pair),
            }
        )
    dice = [f1_score(truth[i].ravel(), predicted[i].ravel()) for i in range(4)]
    assert comparison.mean()["dice"] == pytest.approx(np.mean(dice))
    assert comparison.spread()["dice"] == pytest.approx(np.std(dice))


def test_next_worst_goes_from_the_worst_slice_to_the_best_and_round(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    assert comparison.worst_first() == [2, 1, 3, 0]
    assert [comparison.next_worst(index) for index in (2, 1, 3, 0)] == [1, 3, 0, 2]


def test_nothing_is_computed_before_it_is_asked_for(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    comparison = Comparison(predicted, truth)
    assert [comparison[index] for index in range(4)] == [None] * 4
    assert comparison.mean() == {} and comparison.worst_first() == []
    assert comparison.next_worst(3) == 3
    comparison.update(1)
    assert comparison.worst_first() == [1]


def test_an_edit_changes_its_slice_alone(predicted: np.ndarray, truth: np.ndarray) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    before = [comparison[index] for index in range(4)]
    predicted[1] = truth[1]
    assert comparison.update(1)
    assert not comparison.update(1)
    assert comparison[1] == {"dice": 1.0, "iou": 1.0, "precision": 1.0, "recall": 1.0}
    assert [comparison[i] for i in (0, 2, 3)] == [before[i] for i in (0, 2, 3)]


def test_neurons_are_measured_apart(predicted: np.ndarray, truth: np.ndarray) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    assert not comparison.has_neurons and "v_rand" not in comparison.mean()
    comparison.update_neurons(seconds=-1)
    assert not comparison.has_neurons
    comparison.update_neurons()
    assert comparison.has_neurons
    neurons = [label_neurons(page == 0) for page in truth]
    expected = [neuron_figures_of_mask(predicted[i] != 0, neurons[i]) for i in range(4)]
    for index in range(4):
        assert expected[index].items() <= comparison[index].items()
    assert comparison.mean()["v_rand"] == pytest.approx(np.mean([e["v_rand"] for e in expected]))


def test_an_edit_makes_the_figures_of_neurons_missing(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    comparison.update_neurons()
    predicted[2] = truth[2]
    comparison.update(2)
    assert "v_info" not in comparison[2] and "v_info" in comparison[1]
    assert "v_info" not in comparison.mean()
    [pending, mean] = [comparison.to_csv().splitlines()[row].split(",") for row in (3, 5)]
    assert pending[6:8] == mean[6:8] == ["", ""]
    comparison.update_neurons()
    of_itself = neuron_figures_of_mask(truth[2] != 0, label_neurons(truth[2] == 0))
    assert comparison[2]["v_rand"] == of_itself["v_rand"]


NAMES = ("mask", "truth", "thresholds")


def test_csv_has_a_line_a_slice_then_mean_and_deviation(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    rows = list(csv.DictReader(io.StringIO(comparison.to_csv())))
    assert [row["slice"] for row in rows] == ["0", "1", "2", "3", "mean", "sd"]
    assert {(row["mask"], row["truth"], row["set"]) for row in rows[:4]} == {("mask", "truth", "")}
    assert float(rows[2]["dice"]) == pytest.approx(comparison[2]["dice"], abs=1e-6)
    assert float(rows[4]["recall"]) == pytest.approx(comparison.mean()["recall"], abs=1e-6)
    tabbed = list(csv.reader(io.StringIO(comparison.to_csv(delimiter="\t")), delimiter="\t"))
    assert tabbed[0] == ["slice", "set", *PIXEL_FIGURES, *NEURON_FIGURES, *NAMES]


def test_slices_that_were_trained_on_are_marked_and_averaged_apart(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    comparison = Comparison(predicted, truth, "my, mask", "=truth")
    comparison.update_all()
    comparison.trained = [0, 2]
    rows = list(csv.DictReader(io.StringIO(comparison.to_csv())))
    assert [(row["slice"], row["set"]) for row in rows] == [
        ("0", "training"),
        ("1", "held out"),
        ("2", "training"),
        ("3", "held out"),
        ("mean", "held out"),
        ("mean", "training"),
        ("mean", "all"),
        ("sd", "all"),
    ]
    dice = [figures["dice"] for figures in comparison.by_slice().values()]
    means = [float(row["dice"]) for row in rows[4:7]]
    expected = [np.mean(dice[1::2]), np.mean(dice[::2]), np.mean(dice)]
    assert means == pytest.approx(expected, abs=1e-6)
    assert {(row["mask"], row["truth"]) for row in rows} == {("my, mask", "'=truth")}


@pytest.fixture
def strokes(truth: np.ndarray) -> np.ndarray:
    """Half of slice 1 is painted, and a few pixels inside cells of slice 3."""
    strokes = np.zeros_like(truth)
    strokes[1, :10] = np.where(truth[1, :10] == 0, 2, 1)
    strokes[3, 5] = np.where(truth[3, 5] == 0, 2, 0)
    return strokes


def test_of_strokes_only_painted_pixels_count(
    predicted: np.ndarray, truth: np.ndarray, strokes: np.ndarray
) -> None:
    comparison = Comparison(predicted, strokes, reading=LabelReading(LabelConvention.SPARSE))
    errors = comparison.keep_wrong_pixels()
    comparison.update_all()
    assert [bool(comparison[index]) for index in range(4)] == [False, True, False, True]
    painted = truth[1, :10].ravel(), predicted[1, :10].ravel()
    assert comparison[1]["dice"] == pytest.approx(f1_score(*painted))
    assert comparison[1]["precision"] == pytest.approx(precision_score(*painted))
    assert comparison[3]["dice"] == float(not predicted[3][strokes[3] != 0].any())
    assert comparison.has_neurons and comparison.names == PIXEL_FIGURES
    assert [row.split(",")[0] for row in comparison.to_csv().splitlines()] == [
        *("slice", "1", "3", "mean", "sd")
    ]
    assert "painted pixels of 2 slices count" in counted_note(comparison)
    expected = (predicted != truth) & (strokes != 0)
    np.testing.assert_array_equal(errors != 0, expected)
    assert expected.any()


@pytest.mark.parametrize("value", [0, 1])
def test_slices_of_one_label_are_not_counted(
    predicted: np.ndarray, truth: np.ndarray, value: int
) -> None:
    truth[[0, 2]] = value
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    assert list(comparison.by_slice()) == [1, 3]
    assert comparison.mean()["dice"] == np.mean([comparison[i]["dice"] for i in (1, 3)])
    assert "slice 0, 2" in counted_note(comparison)
    comparison.update_neurons()
    assert comparison.has_neurons and list(comparison.by_slice()) == [1, 3]
    truth[2, 0, 0] = 1 - value
    comparison.update(2)
    assert list(comparison.by_slice()) == [1, 2, 3]


def test_padding_of_the_image_is_not_counted(predicted: np.ndarray, truth: np.ndarray) -> None:
    image = np.random.default_rng(0).integers(1, 255, truth.shape).astype(np.uint8)
    image[1, :, 12:] = 0
    truth[1, :, 12:] = 1
    comparison = Comparison(predicted, truth, image=image)
    comparison.update_all()
    comparison.update_neurons()
    tissue = Comparison(predicted[:, :, :12], truth[:, :, :12])
    tissue.update_all()
    assert comparison[1]["dice"] == tissue[1]["dice"]
    assert "padding, a border of one value, is not counted" in counted_note(comparison)
    whole = Comparison(predicted, truth)
    whole.update_all()
    assert comparison[0]["dice"] == whole[0]["dice"] and comparison[1]["dice"] != whole[1]["dice"]
    assert counted_note(whole) == ""


@pytest.mark.parametrize("convention", [LabelConvention.SPARSE, LabelConvention.MEMBRANE])
def test_a_truth_without_labels_has_no_figures(
    predicted: np.ndarray, truth: np.ndarray, convention: LabelConvention
) -> None:
    comparison = Comparison(predicted, np.zeros_like(truth), reading=LabelReading(convention))
    comparison.update_all()
    assert comparison.mean() == {} and comparison.worst_first() == []
    assert "'truth' has no labelled slice" in counted_note(comparison)


def test_a_single_image_is_a_stack_of_one(predicted: np.ndarray, truth: np.ndarray) -> None:
    comparison = Comparison(predicted[1], truth[1])
    comparison.update_all()
    assert len(comparison) == 1
    stack = Comparison(predicted, truth)
    stack.update(1)
    assert comparison[0] == stack[1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 20, 30), r"'mine' has the shape \(4, 20, 30\), but 'theirs' has \(3, 20, 30\)"),
        ((4, 30, 20), "Choose two layers of the same stack"),
    ],
)
def test_layers_of_different_shapes_are_refused_by_name(
    shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Comparison(np.zeros((4, 20, 30)), np.zeros(shape), "mine", "theirs")


def test_four_axes_are_refused() -> None:
    with pytest.raises(UserError, match="'mask' has 4 axes"):
        Comparison(np.zeros((2, 2, 2, 2)), np.zeros((2, 2, 2, 2)))


def test_errors_follow_edits(predicted: np.ndarray, truth: np.ndarray) -> None:
    comparison = Comparison(predicted, truth)
    comparison.update_all()
    errors = comparison.keep_wrong_pixels()
    assert errors.shape == truth.shape and not errors.any()
    assert comparison.update(2)  # although the figures stay
    comparison.update_all()
    np.testing.assert_array_equal(errors[2] == FALSE_POSITIVE, (predicted > truth)[2])
    np.testing.assert_array_equal(errors[2] == FALSE_NEGATIVE, (predicted < truth)[2])
    np.testing.assert_array_equal(errors != 0, predicted != truth)
    predicted[2] = truth[2]
    assert comparison.update(2) and not errors[2].any()


def test_axes_of_length_one_before_a_stack_make_no_difference(
    predicted: np.ndarray, truth: np.ndarray
) -> None:
    plain, leading = Comparison(predicted, truth), Comparison(predicted[np.newaxis], truth)
    assert leading.keep_wrong_pixels().shape == (1, *predicted.shape)
    for comparison in (plain, leading):
        comparison.update_all()
    assert leading.by_slice() == plain.by_slice()
