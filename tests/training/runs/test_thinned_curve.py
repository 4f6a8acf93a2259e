"""Curves in bounded memory."""

import numpy as np
import pytest

from training.runs.thinned_curve import MAX_POINTS, ThinnedCurve


def test_a_short_curve_is_kept_to_the_letter() -> None:
    curve = ThinnedCurve().append([1, 2], [0.5, 0.25]).append([3], [0.75])
    assert curve.steps.tolist() == [1, 2, 3]
    assert curve.means.tolist() == curve.lowest.tolist() == [0.5, 0.25, 0.75]


@pytest.mark.parametrize("piece", [1000, 7777, 50_001])
def test_a_long_one_keeps_its_means_and_every_peak(piece: int) -> None:
    steps = np.arange(1, 50_001)
    values = np.random.default_rng(0).random(len(steps))
    values[31_415], values[27_182] = 9.0, -9.0
    curve = ThinnedCurve()
    for begin in range(0, len(steps), piece):
        curve = curve.append(steps[begin : begin + piece], values[begin : begin + piece])
    assert MAX_POINTS / 2 < len(curve) <= MAX_POINTS
    assert (curve.highest.max(), curve.lowest.min()) == (9.0, -9.0)
    firsts = np.arange(0, len(steps), curve.stride)
    counts = np.diff(firsts, append=len(steps))
    np.testing.assert_allclose(curve.means, np.add.reduceat(values, firsts) / counts)
    assert curve.steps[-1] == steps[-1]


def test_a_curve_goes_on_from_an_earlier_step() -> None:
    steps = np.arange(1, 3 * MAX_POINTS + 1)
    whole = ThinnedCurve().append(steps, steps)
    again = whole.until(5000.0).append(np.arange(5001, len(steps) + 1), steps[5000:])
    assert again == whole
    assert whole.until(steps[-1]) is whole
    assert len(whole.until(0.0)) == 0
