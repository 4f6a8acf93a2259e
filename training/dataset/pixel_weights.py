"""How much each pixel of labels counts in a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.sparse_labels import INSIDE, MEMBRANE, is_known

USUAL_SHARE = 0.22  # of membrane in a section


def known_weights(
    labels: Mapping[int, NDArray[Any]], held_out: Mapping[int, NDArray[np.bool_]]
) -> dict[int, NDArray[np.float32]]:
    """Weigh the pixels of labels that are trained on by 1, and others by 0.

    Labels are arrays (Y, X) of uint8, and weights of float32; parameters and result as of
    :func:`stroke_weights`.
    """
    return {
        index: (is_known(page) & ~held_out.get(index, np.False_)).astype(np.float32)
        for index, page in labels.items()
    }


def stroke_weights(
    labels: Mapping[int, NDArray[Any]], held_out: Mapping[int, NDArray[np.bool_]]
) -> dict[int, NDArray[np.float32]]:
    """Weigh the pixels of sparse labels that are trained on.

    A person paints about as many strokes on membranes as inside cells, but membranes are rarer:
    each kind counts by its usual share. Slices that are labelled throughout show that share
    themselves, so their pixels count 1.

    Parameters
    ----------
    labels : mapping of int to array (Y, X) of uint8
        The training slices: 0 is unknown, 1 membrane, 2 inside, 255 padding.
    held_out : mapping of int to array (Y, X) of bool
        Labelled pixels that validate.

    Returns
    -------
    mapping of int to array (Y, X) of float32
        0 where nothing is known or it is held out.
    """
    weights = known_weights(labels, held_out)
    known = {index: page > 0 for index, page in weights.items()}
    strokes = [index for index, page in labels.items() if not page.all()]
    membrane = sum(
        np.count_nonzero(known[index] & (labels[index] == MEMBRANE)) for index in strokes
    )
    share = membrane / max(sum(np.count_nonzero(known[index]) for index in strokes), 1)
    if 0 < share < 1:
        of_kind = {MEMBRANE: USUAL_SHARE / share, INSIDE: (1 - USUAL_SHARE) / (1 - share)}
        for index in strokes:
            for kind, weight in of_kind.items():
                weights[index][known[index] & (labels[index] == kind)] = weight
    return weights
