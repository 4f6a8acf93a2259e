"""Labels that are mirrored or turned against their images are questioned, others are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.dataset.pair_search import find_pair
from training.dataset.training_pair import open_pair
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning
from training.stacks.synthetic import synthetic_stack

Array = np.ndarray
SIDE = 144
MENDS: dict[str, Callable[[Array], Array]] = {
    "flipped top to bottom": lambda labels: labels[:, ::-1],
    "flipped left to right": lambda labels: labels[:, :, ::-1],
    "turned by 180 degrees": lambda labels: labels[:, ::-1, ::-1],
    "with rows and columns exchanged": lambda labels: labels.transpose(0, 2, 1),
    "turned by 180 degrees with rows and columns exchanged": lambda labels: labels.transpose(
        0, 2, 1
    )[:, ::-1, ::-1],
    "turned by 90 degrees to the left": lambda labels: labels.transpose(0, 2, 1)[:, ::-1],
    "turned by 90 degrees to the right": lambda labels: labels.transpose(0, 2, 1)[:, :, ::-1],
}
UNDONE_BY = dict(zip(MENDS, MENDS, strict=True)) | {
    "turned by 90 degrees to the left": "turned by 90 degrees to the right",
    "turned by 90 degrees to the right": "turned by 90 degrees to the left",
}


@pytest.fixture(scope="module")
def synthetic() -> tuple[Array, Array]:
    return synthetic_stack(3, SIDE, seed=1)


def question(images: Array, labels: Array) -> str:
    return LabelMeaning.of(LabelCensus.of(labels, images)).question


@pytest.mark.parametrize("mend", MENDS)
def test_labels_in_a_wrong_orientation_are_questioned(
    synthetic: tuple[Array, Array], mend: str
) -> None:
    images, labels = synthetic
    wrong = MENDS[UNDONE_BY[mend]](labels)
    np.testing.assert_array_equal(MENDS[mend](wrong), labels)
    assert question(images, labels) == ""
    asked = question(images, wrong)
    assert asked == f"The labels fit the images much better {mend}: is their orientation right?"
    assert question(255 - images, wrong) == asked  # of bright membranes
    assert question(images + np.int64(2**32), wrong) == asked  # float32 has too few digits
    assert question(images, paint(wrong)) == asked


@pytest.mark.isbi
def test_real_labels_fit_as_they_are_alone(isbi: Path) -> None:
    images, labels = (
        tifffile.imread(isbi / f"train-{name}.tif", key=range(3)) for name in ("volume", "labels")
    )
    assert question(images, labels) == ""
    assert question(images, paint(labels)) == question(255 - images, paint(labels)) == ""
    for mend in MENDS:
        wrong = MENDS[UNDONE_BY[mend]](labels)
        assert f"better {mend}:" in question(images, wrong)
        assert f"better {mend}:" in question(images, paint(wrong))


def test_files_that_are_no_squares_can_be_flipped(
    synthetic: tuple[Array, Array], tmp_path: Path
) -> None:
    images, labels = (stack[:, :130] for stack in synthetic)
    for name, stack in (("volume", images), ("labels", labels[:, :, ::-1])):
        tifffile.imwrite(tmp_path / f"train-{name}.tif", stack, photometric="minisblack")
    with open_pair(*find_pair(tmp_path), None) as pair:
        assert "better flipped left to right" in pair.meaning.describe()[-1]


def test_labels_that_lie_right_are_not_questioned(synthetic: tuple[Array, Array]) -> None:
    images, labels = synthetic
    assert question(images, paint(labels)) == ""
    for width in (20, 50, 90):
        padded, on_padding = images.copy(), labels.copy()
        padded[:, :, :width], on_padding[:, :, :width] = 0, 255
        assert question(padded, on_padding) == ""


def paint(labels: Array) -> Array:
    """Strokes of labels: 0 is unknown, 1 membrane, 2 inside."""
    is_painted = np.arange(labels.shape[-1]) % 20 < 6
    return np.where(is_painted, np.where(labels == 0, 1, 2), 0).astype(np.uint8)


def test_uneven_light_and_unlabelled_pixels_do_not_hide_it(
    synthetic: tuple[Array, Array],
) -> None:
    images, labels = synthetic[0], synthetic[1].transpose(0, 2, 1)
    assert "rows and columns" in question(images + np.linspace(0, 350, SIDE), labels)
    marked = labels.astype(np.int16)
    images = images.copy()
    marked[:, :40], images[:, :, :40] = -1, 10
    assert "rows and columns" in question(images, marked)


def test_labels_that_fit_in_no_way_or_are_few_are_not_questioned(
    synthetic: tuple[Array, Array],
) -> None:
    images, labels = synthetic
    assert question(images, np.roll(labels, 70, (1, 2))) == ""
    few = slice(1), slice(40, 104), slice(40, 104)
    assert question(images[few], labels[few].transpose(0, 2, 1)) == ""
    few_strokes = paint(labels.transpose(0, 2, 1))
    few_strokes[:, 8:] = 0
    assert "orientation" not in question(images, few_strokes)
    corner = labels.copy()
    corner[:, 8:], corner[:, :, 8:] = 255, 255
    assert "orientation" not in question(images, corner)
