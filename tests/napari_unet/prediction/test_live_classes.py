"""Classes that are decided again by other thresholds, beside a person who paints."""

from typing import Any

import numpy as np
import pytest

from napari_unet.prediction.live_classes import LiveClasses
from training.label_classes import LabelClasses

CLASSES = LabelClasses.parse("membrane,mitochondria")
SHAPE = (4, 20, 30)


@pytest.fixture
def pages() -> np.ndarray:
    """Probabilities (Z, C, Y, X) that sum to 1."""
    found = np.random.default_rng(0).random((4, 3, 20, 30), np.float32)
    return found / found.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [SHAPE, (1, *SHAPE)])
def test_slices_are_decided_as_they_come_and_again_by_other_thresholds(
    pages: np.ndarray, shape: tuple[int, ...]
) -> None:
    live = LiveClasses(shape, CLASSES, {"membrane": 0.6})
    for index in (2, 0, 1):
        live.store(index, pages[index])
    live.thresholds = {"mitochondria": 0.3}
    assert live.decide(range(len(live)))
    live.store(3, pages[3])
    expected = [CLASSES.decide(page, {"mitochondria": 0.3}) for page in pages]
    np.testing.assert_array_equal(live.values.reshape(SHAPE), expected)
    assert live.values.shape == shape and live.edited_slices == []


def test_what_a_person_painted_stays_before_and_after_the_prediction(pages: np.ndarray) -> None:
    live = LiveClasses(SHAPE, CLASSES)
    live.values[1, :5] = 2
    for index in range(4):
        live.store(index, pages[index])
    live.values[3] = 1
    painted = live.values[[1, 3]].copy()
    live.thresholds = {"background": 0.9}
    assert live.decide(range(4))
    np.testing.assert_array_equal(live.values[[1, 3]], painted)
    assert live.edited_slices == [1, 3]
    np.testing.assert_array_equal(live.values[0], CLASSES.decide(pages[0], {"background": 0.9}))


def test_it_gives_up_when_thresholds_change_meanwhile(pages: np.ndarray) -> None:
    live = LiveClasses(SHAPE, CLASSES)
    for index in range(4):
        live.store(index, pages[index])
    before = live.values.copy()

    def indices() -> object:
        yield 0
        live.thresholds = {"membrane": 0.1}
        yield 1
        pytest.fail("goes on with thresholds that were changed")

    live.thresholds = {"membrane": 0.9}
    assert not live.decide(indices())
    np.testing.assert_array_equal(live.values[1:], before[1:])


def test_what_a_person_paints_while_a_slice_is_decided_stays(
    pages: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, decide = LiveClasses(SHAPE, CLASSES), LabelClasses.decide

    def decide_slowly(*given: Any) -> np.ndarray:
        live.values[0, :5] = 2
        return decide(*given)

    live.store(0, pages[0])
    expected = live.values[0].copy()
    expected[:5] = 2
    monkeypatch.setattr(LabelClasses, "decide", decide_slowly)
    live.thresholds = {"background": 0.9}
    assert live.decide([0])
    np.testing.assert_array_equal(live.values[0], expected)
    assert live.edited_slices == [0]
