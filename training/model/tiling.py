"""Prediction of a slice of any size by overlapping tiles, for every network and runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from training.model.slice_view import Window
from training.presets.geometry import Geometry
from training.sampling.resampling import mirror

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def predict_tiles(
    forward: Forward,
    scaled: NDArray[np.float32],
    geometry: Geometry,
    window: Window | None = None,
) -> NDArray[np.float32]:
    """Predict the probability of membrane of an image, tile by tile.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, 1, h, w) float32 probability.
    scaled : array (Y, X) of float32
        In [-1, 1].
    geometry : Geometry
        Geometry of the network.
    window : tuple of range or None
        Rows and columns that are wanted: tiles that lie beside them are left out. None: all.

    Returns
    -------
    array (Y, X) of float32
        0 in tiles that were left out.
    """
    height, width = map(geometry.output_length, scaled.shape)
    padded = mirror(scaled, (height, width), geometry.margin)
    tiles = list(_grid(geometry, height, width))
    if len(tiles) == 1:
        probability: NDArray[np.float32] = forward(padded[np.newaxis, np.newaxis])[0, 0]
    else:
        probability = np.zeros((height, width), dtype=np.float32)
        for source, kept, target in tiles:
            if window is not None and not _overlap(target, window):
                continue
            tile = np.ascontiguousarray(padded[source])[np.newaxis, np.newaxis]
            probability[target] = forward(tile)[0, 0][kept]
    return probability[: scaled.shape[0], : scaled.shape[1]]


def _overlap(target: tuple[slice, slice], window: Window) -> bool:
    return all(
        part.start < wanted.stop and wanted.start < part.stop
        for part, wanted in zip(target, window, strict=True)
    )


def _grid(
    geometry: Geometry, height: int, width: int
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]]:
    """Yield for each tile where to read the padded input, what to keep, and where to put it."""
    tile_height, rows = geometry.tiles(height)
    tile_width, columns = geometry.tiles(width)
    border = 2 * geometry.margin
    for row in rows:
        for column in columns:
            source = (
                slice(row.start, row.start + tile_height + border),
                slice(column.start, column.start + tile_width + border),
            )
            kept = (
                slice(row.keep_from - row.start, row.keep_to - row.start),
                slice(column.keep_from - column.start, column.keep_to - column.start),
            )
            target = (
                slice(row.keep_from, row.keep_to),
                slice(column.keep_from, column.keep_to),
            )
            yield source, kept, target
