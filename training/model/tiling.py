"""Prediction of a slice of any size by overlapping tiles, for every network and runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from training.model.cuts import Cut, Indices, as_slice
from training.presets.geometry import Geometry, Span
from training.stacks.windows import Window

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def predict_tiles(
    forward: Forward,
    cut: Cut,
    shape: tuple[int, int],
    geometry: Geometry,
    window: Window | None = None,
    channels: int = 1,
) -> NDArray[np.float32]:
    """Predict the probability of membrane of an image, or those of classes, tile by tile.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, C, h, w) float32 probabilities.
    cut : callable
        Gives what a tile is made of, in [-1, 1].
    shape : (int, int)
        (Y, X) of the image.
    geometry : Geometry
        Geometry of the network.
    window : tuple of range or None
        Rows and columns that are wanted: tiles that lie beside them are left out. None: all.
    channels : int
        Those of the network.

    Returns
    -------
    array (Y, X) or, of several channels, (C, Y, X), of float32
        In the shape of the window, else of the image.
    """
    height, width = map(geometry.output_length, shape)
    rows, columns = window or (range(shape[0]), range(shape[1]))
    wanted = list(product(geometry.tiles(height, rows), geometry.tiles(width, columns)))
    probability = np.empty((channels, len(rows), len(columns)), np.float32)
    for row, column in wanted:
        tile = cut(_seen_by(row, shape[0], geometry), _seen_by(column, shape[1], geometry))
        found = forward(np.ascontiguousarray(tile)[np.newaxis, np.newaxis])[0]
        (kept_rows, to_rows), (kept_columns, to_columns) = _kept(row, rows), _kept(column, columns)
        kept = found[:, kept_rows, kept_columns]
        if len(wanted) == 1:
            probability = kept
        else:
            probability[:, to_rows, to_columns] = kept
    return probability if channels > 1 else probability[0]


def tile_starts(geometry: Geometry, length: int, wanted: range | None = None) -> list[int]:
    """List where what is kept of each tile begins, along an axis of an image of some length.

    ``wanted`` is the part of the axis that is covered; None: all.
    """
    return [span.keep_from for span in geometry.tiles(geometry.output_length(length), wanted)]


def seen_window(shape: tuple[int, int], geometry: Geometry, window: Window) -> Window:
    """Find what of an image (Y, X) the tiles of a window are made of."""
    rows, columns = (
        _seen_along(length, geometry, wanted) for length, wanted in zip(shape, window, strict=True)
    )
    return rows, columns


def _seen_along(length: int, geometry: Geometry, wanted: range) -> range:
    spans = geometry.tiles(geometry.output_length(length), wanted)
    seen = _source(length, geometry)[spans[0].start : spans[-1].stop + 2 * geometry.margin]
    return range(int(seen.min()), int(seen.max()) + 1)


def _source(length: int, geometry: Geometry) -> NDArray[np.intp]:
    """List the pixels that a network's input is made of along an axis: mirrored at the ends."""
    beyond = geometry.output_length(length) - length
    return np.pad(np.arange(length), (geometry.margin, beyond + geometry.margin), "reflect")


def _kept(span: Span, wanted: range) -> tuple[slice, slice]:
    """Give what is wanted of a tile's output along an axis, and its place in what is wanted."""
    start, stop = max(span.keep_from, wanted.start), min(span.keep_to, wanted.stop)
    return (
        slice(start - span.start, stop - span.start),
        slice(start - wanted.start, stop - wanted.start),
    )


@lru_cache(maxsize=256)
def _seen_by(span: Span, length: int, geometry: Geometry) -> Indices:
    """Give the pixels that a tile is made of, along an axis of some length."""
    return as_slice(_source(length, geometry)[span.start : span.stop + 2 * geometry.margin])
