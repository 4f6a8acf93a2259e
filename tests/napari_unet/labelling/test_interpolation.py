"""Slices made from painted ones: right shapes, and nothing that a person painted is lost."""

import dask.array as da
import numpy as np
import pytest
from skimage.draw import disk

from napari_unet.labelling.interpolation import Filling, copy_from_before, interpolate
from training.errors import UserError

SHAPE = 9, 80, 90


def with_disks(*disks: tuple[int, tuple[int, int], int], label: int = 3) -> np.ndarray:
    """Labels with a disk (slice, centre, radius) each."""
    labels = np.zeros(SHAPE, np.int32)
    for index, center, radius in disks:
        labels[(index, *disk(center, radius, shape=SHAPE[1:]))] = label
    return labels


def filled(labels: np.ndarray, filling: Filling, label: int = 3) -> np.ndarray:
    result = labels.copy()
    assert not result[filling.indices].any()
    result[filling.indices] = label
    return result


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("index", [2, 3, 5, 6])  # in the gap, and at both ends
def test_a_disk_grows_and_moves_evenly(index: int) -> None:
    labels = with_disks((2, (30, 25), 8), (6, (42, 61), 16))  # they do not overlap
    filling = interpolate(labels, 3, index, "cell")
    assert (filling.painted, filling.empty, filling.source) == ([3, 4, 5], [], [2, 6])
    result = filled(labels, filling)
    for step, radius in ((1, 10), (2, 12), (3, 14)):
        wanted = with_disks((0, (30 + 3 * step, 25 + 9 * step), radius))[0] == 3
        assert dice(result[2 + step] == 3, wanted) > 0.95
    assert not result[[0, 1, 7, 8]].any()


def test_what_does_not_change_is_the_same_in_between() -> None:
    labels = with_disks((1, (0, 40), 20), (1, (79, 89), 12), (5, (0, 40), 20), (5, (79, 89), 12))
    result = filled(labels, interpolate(labels, 3, 3, "cell"))  # both are cut by the border
    assert (result[1:6] == labels[1]).all()
    whole = np.zeros(SHAPE, np.uint8)
    whole[[0, 2]] = 1
    assert filled(whole, interpolate(whole, 1, 1, "cell"), 1)[1].all()


def test_a_shape_may_leave_the_slice() -> None:
    labels = with_disks((0, (10, 40), 20), (2, (1, 40), 4))
    result = filled(labels, interpolate(labels, 3, 1, "cell"))
    assert (result[1] == 3).any() and not (result[1, 40:] == 3).any()


def test_the_gap_before_a_painted_slice_goes_first() -> None:
    labels = with_disks(*((z, (40, 40), 9) for z in (0, 3, 6, 7)))
    assert interpolate(labels, 3, 3, "cell").source == [0, 3]
    assert interpolate(labels, 3, 0, "cell").source == [0, 3]
    assert interpolate(labels, 3, 6, "cell").source == [3, 6]


def test_other_labels_stay() -> None:
    labels = with_disks((1, (40, 40), 15), (4, (40, 40), 15))
    labels[2, 38:42] = 7
    filling = interpolate(labels, 3, 2, "cell")
    result = filled(labels, filling)
    assert (result[labels != 0] == labels[labels != 0]).all()
    assert (result[2] == 3).sum() == (labels[1] == 3).sum() - (
        (labels[1] == 3) & (labels[2] == 7)
    ).sum()
    assert (result[3] == labels[1]).all()
    labels[2:4][labels[1:2].repeat(2, axis=0) == 3] = 7
    with pytest.raises(UserError, match="is painted already"):
        interpolate(labels, 3, 2, "cell")


def test_of_many_parts_those_that_overlap_go_on_and_the_others_shrink() -> None:
    labels = with_disks((0, (20, 20), 10), (0, (60, 20), 10), (4, (20, 24), 10))
    result = filled(labels, interpolate(labels, 3, 2, "cell"))
    assert (result[1:4, 20, 20] == 3).all()
    assert not result[2:4, 60].any()


def test_parts_that_do_not_overlap_are_told() -> None:
    labels = with_disks((0, (20, 20), 5), (0, (60, 20), 5), (4, (20, 70), 5))
    with pytest.raises(UserError, match="Nothing of cell is left between slices 0 and 4"):
        interpolate(labels, 3, 2, "cell")


@pytest.mark.parametrize(
    ("slices", "index", "problem"),
    [
        ((), 4, "No slice has cell"),
        ((2,), 4, "Only slices on one side of slice 4"),
        ((2,), 2, "Only slices on one side of slice 2"),
        ((2, 3, 4), 3, "there is no gap"),
    ],
)
def test_where_there_is_no_gap_is_told(slices: tuple[int, ...], index: int, problem: str) -> None:
    labels = with_disks(*((z, (40, 40), 9) for z in slices))
    before = labels.copy()
    with pytest.raises(UserError, match=problem):
        interpolate(labels, 3, index, "cell")
    assert (labels == before).all()


def test_lazy_labels_and_axes_of_length_1_are_the_same() -> None:
    labels = with_disks((2, (30, 25), 8), (6, (42, 61), 16))
    wanted = interpolate(labels, 3, 4, "cell").indices
    lazy = interpolate(da.from_array(labels[np.newaxis]), 3, 4, "cell").indices
    assert len(lazy) == 4 and not lazy[0].any()
    assert all((a == b).all() for a, b in zip(wanted, lazy[1:], strict=True))


def test_a_copy_is_the_label_before_where_nothing_is_painted() -> None:
    labels = with_disks((3, (40, 40), 9))
    labels[3, :10], labels[4, 40] = 5, 7
    result = filled(labels, copy_from_before(labels, 3, 4, "cell"))
    assert (result[4] == np.where(labels[4] == 7, 7, np.where(labels[3] == 3, 3, 0))).all()
    assert (result[:4] == labels[:4]).all()


@pytest.mark.parametrize(
    ("index", "problem"), [(0, "no slice before"), (6, "Slice 5, the one before"), (4, "already")]
)
def test_what_can_not_be_copied_is_told(index: int, problem: str) -> None:
    labels = with_disks((3, (40, 40), 9), (4, (40, 40), 9))
    with pytest.raises(UserError, match=problem):
        copy_from_before(labels, 3, index, "cell")
