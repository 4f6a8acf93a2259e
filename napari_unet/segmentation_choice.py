"""Which threshold a model's neurons take: the best on slices that it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction import Predictor
from napari_unet.segmentation import Segmentation, choose_segmentation

MOST_SLICES = 24


def choose_on_training_slices(
    predictor: Predictor,
    images: NDArray[Any],
    membrane: NDArray[np.bool_],
    method: str = "watershed",
    on_slice: Callable[[], object] = lambda: None,
) -> tuple[Segmentation, float]:
    """:func:`segmentation.choose_segmentation` on some training slices of a model's fold.

    Parameters
    ----------
    images : array (Z, Y, X)
        The stack that the model was trained on.
    membrane : array (Z, Y, X) of bool
        Its ground truth.
    on_slice : callable
        Called after each slice that is predicted.
    """
    trained = predictor.card.seen_slices(len(images))
    chosen = sorted(trained)[:: -(-len(trained) // MOST_SLICES)]
    scaling = predictor.card.scaling.for_stack(images)
    probabilities = []
    for _, probability in predictor.predict(images[chosen], scaling):
        probabilities.append(probability)
        on_slice()
    return choose_segmentation(probabilities, [membrane[index] for index in chosen], method)
