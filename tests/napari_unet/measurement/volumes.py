"""A small volume of objects of many shapes, for the tests of measures."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import label

NM = (30.0, 4.0, 4.0)
FAR_IDS = (7, 2**53 + 1, 2**63 + 5)  # that neither float64 nor int64 keep apart


def blobs(shape: tuple[int, int, int] = (7, 48, 60)) -> np.ndarray:
    """Ids (Z, Y, X) of int32: smooth objects, many of which touch the borders."""
    noise = gaussian_filter(np.random.default_rng(3).random(shape), (1, 3, 3))
    numbers = label(noise > np.quantile(noise, 0.6), connectivity=1)
    numbers[3, 20:24, 20] = numbers.max() + 1  # a line
    numbers[5, 2, 2] = numbers.max() + 1  # a single voxel
    numbers[4] = 0  # a slice without objects
    return numbers.astype(np.int32)


def touching() -> np.ndarray:
    """Ids (3, 12, 12) of int32: 1 and 2 touch, 3 lies over them, 4 is two pixels from 2."""
    ids = np.zeros((3, 12, 12), np.int32)
    ids[:2, 1:5, 1:5] = 1
    ids[:2, 1:5, 5:8] = 2
    ids[2, 2:4, 3:7] = 3
    ids[0, 1:5, 10:12] = 4
    return ids
