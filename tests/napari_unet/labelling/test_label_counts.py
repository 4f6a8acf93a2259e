import numpy as np
import pytest

from napari_unet.labelling.label_counts import LabelCounts


def test_counts_follow_the_slices_they_are_reported_of() -> None:
    labels = np.zeros((4, 50, 60), np.uint8)
    counts = LabelCounts(labels)
    labels[2, :10] = 1
    labels[3, :, :5] = 2
    counts.update([2])
    assert counts.labelled_slices == [2]
    counts.update()
    assert counts.labelled_slices == [2, 3]
    assert counts.pixels.tolist() == [[0, 0, 600, 0], [0, 0, 0, 250]]
    assert counts.summary() == "600 pixels of membrane and 250 of inside, on 2 slices."


@pytest.mark.parametrize(
    ("membrane", "inside", "slices", "advice"),
    [
        (0, 0, 1, "Paint some membranes and insides"),
        (500, 0, 1, "Paint some inside as well"),
        (0, 500, 1, "Paint some membrane as well"),
        (500, 30, 1, "Little inside yet"),
        (500, 500, 1, "Only one slice"),
        (500, 500, 2, ""),
    ],
)
def test_advice_tells_what_is_missing(membrane: int, inside: int, slices: int, advice: str) -> None:
    labels = np.zeros((3, 50, 60), np.uint8)
    for page in labels[:slices]:
        page.ravel()[:membrane] = 1
        page.ravel()[1000 : 1000 + inside] = 2
    counts = LabelCounts(labels)
    counts.update()
    assert advice in counts.advice()
    assert bool(advice) == bool(counts.advice())


def test_a_single_image_is_one_slice() -> None:
    labels = np.zeros((50, 60), np.uint8)
    labels[:20] = 1
    labels[20:40] = 2
    counts = LabelCounts(labels)
    counts.update()
    assert counts.labelled_slices == [0]
    assert not counts.advice()


def test_classes_are_counted_by_their_names() -> None:
    labels = np.zeros((2, 50, 60), np.uint8)
    counts = LabelCounts(labels, {1: "inside", 2: "membrane", 7: "vesicle"})
    assert counts.advice().startswith("Paint some pixels as inside, membrane and vesicle on a")
    labels[:, :20], labels[:, 20:30] = 1, 2
    counts.update()
    assert counts.advice() == "Paint some vesicle as well: a model must see all classes."
    labels[:, 30:40] = 7
    counts.update()
    assert not counts.advice()
    told = "2,400 pixels of inside, 1,200 of membrane and 1,200 of vesicle, on 2 slices."
    assert counts.summary() == told
