"""How much pixels count in a training, by hand."""

import numpy as np

from training.dataset.pixel_weights import known_weights, stroke_weights

STROKES = np.array([[1, 1, 2, 2], [0, 0, 255, 0]], np.uint8)
WHOLE = np.array([[1, 2, 2, 2], [2, 2, 2, 2]], np.uint8)


def test_strokes_of_each_kind_count_by_its_usual_share() -> None:
    """Half of what is painted is membrane, and 22 % of tissue is."""
    weights = stroke_weights({3: STROKES, 5: WHOLE}, {})
    expected = [[0.44, 0.44, 1.56, 1.56], [0, 0, 0, 0]]
    np.testing.assert_allclose(weights[3], np.array(expected, np.float32), rtol=1e-6)
    assert (weights[5] == 1).all()


def test_what_is_held_out_or_not_known_does_not_count() -> None:
    held_out = {3: np.array([[True, False, False, True], [False] * 4])}
    expected = [[0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(known_weights({3: STROKES}, held_out)[3], expected)
