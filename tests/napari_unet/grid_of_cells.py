"""Cells of which no threshold tells membranes from shadows: only the slices beside do."""

import numpy as np
from scipy.ndimage import uniform_filter

CELLS, PERIOD, WALL = 8, 12, 5  # along each side; pixels of a cell with its wall, and of a wall
_OFF = 0.04  # probability of a shadow in slices where it is none; above that of any seed


def grid_of_cells(slices: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (Z, Y, X) of uint8, dark where membrane is likely, and true membranes (bool).

    Every second wall across is a shadow that is as dark as a membrane, but in every third slice
    alone. Blurred as the model of ``write_model`` does it, walls come to a probability of 0.04, or
    0.55 to 0.75.
    """
    random = np.random.default_rng(seed)
    size = CELLS * PERIOD
    bright = np.ones((slices, size, size))
    membrane = np.zeros(bright.shape, bool)
    phases = random.integers(3, size=(CELLS, CELLS))
    for z, line, place in np.ndindex(slices, CELLS - 1, CELLS):
        across = slice((line + 1) * PERIOD - WALL // 2, (line + 1) * PERIOD + WALL // 2 + 1)
        along = slice(place * PERIOD, (place + 1) * PERIOD)
        for is_column in (True, False):
            where = (z, along, across) if is_column else (z, across, along)
            is_shadow = not is_column and line % 2 == 0
            is_off = is_shadow and (z + phases[line, place]) % 3 > 0
            likely = _OFF if is_off else random.uniform(0.55, 0.75)
            gray = (1 - np.log(likely / (1 - likely)) / 8) / 2
            bright[where] = np.minimum(bright[where], gray)
            if not is_shadow:
                membrane[where] = True
    return np.rint(255 * bright).astype(np.uint8), membrane


def probability_of(images: np.ndarray) -> np.ndarray:
    """What the model of ``write_model`` predicts, float32."""
    mean = uniform_filter(images / 127.5 - 1, (1, 5, 5), mode="nearest")
    return (1 / (1 + np.exp(8 * mean))).astype(np.float32)
