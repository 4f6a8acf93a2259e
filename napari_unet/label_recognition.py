"""Telling labels from images, and membrane from inside, by a look at some pixels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABEL_NAME = re.compile(
    r"(?<![a-z])(labels?|masks?|seg(mentation)?s?|gt|ground.?truth|annotations?)(?![a-z])", re.I
)
EVEN_SHARE = 0.8


def mask_convention(sample: NDArray[Any]) -> str | None:
    """Convention of a mask of two values, one of them 0; None if it isn't such a mask.

    Membranes cover less than half of any section, so the rarer value is membrane. That agrees
    with ISBI's labels, and takes those the other way round for what they are.
    """
    if sample.dtype.kind not in "bui" or not _has_two_values(sample):
        return None
    return "isbi" if np.count_nonzero(sample) * 2 >= sample.size else "membrane"


def are_named_labels(name: str, sample: NDArray[Any]) -> bool:
    """Whether a file's name says that it holds labels, and its pixels don't gainsay it.

    Neighbouring pixels of labels mostly have the same value, those of images do not.
    """
    if LABEL_NAME.search(name) is None or sample.dtype.kind not in "bui":
        return False
    return bool(np.mean(sample[..., 1:] == sample[..., :-1]) >= EVEN_SHARE)


def _has_two_values(sample: NDArray[Any]) -> bool:
    low, high = sample.min(), sample.max()
    return bool(low == 0 and high > 0 and np.all((sample == low) | (sample == high)))
