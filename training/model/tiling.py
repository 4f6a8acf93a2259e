"""Prediction of a slice of any size by overlapping tiles, for every network and runtime."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from training.presets.geometry import Geometry, Span
from training.stacks.windows import Window

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Indices = slice | NDArray[np.intp]
Cut = Callable[[Indices, Indices], NDArray[np.float32]]
"""Gives some rows and columns of an image (Y, X), in [-1, 1]."""


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
        Gives what a tile is made of: :func:`cut_from` an array, or computed when it is needed.
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
    source = [
        np.pad(np.arange(length), (geometry.margin, output - length + geometry.margin), "reflect")
        for length, output in zip(shape, (height, width), strict=True)
    ]
    rows, columns = window or (range(shape[0]), range(shape[1]))
    wanted = list(product(_wanted(geometry, height, rows), _wanted(geometry, width, columns)))
    probability = np.empty((channels, len(rows), len(columns)), np.float32)
    for row, column in wanted:
        tile = cut(_seen_by(row, source[0], geometry), _seen_by(column, source[1], geometry))
        found = forward(np.ascontiguousarray(tile)[np.newaxis, np.newaxis])[0]
        (kept_rows, to_rows), (kept_columns, to_columns) = _kept(row, rows), _kept(column, columns)
        kept = found[:, kept_rows, kept_columns]
        if len(wanted) == 1:
            probability = kept
        else:
            probability[:, to_rows, to_columns] = kept
    return probability if channels > 1 else probability[0]


def tile_starts(geometry: Geometry, length: int) -> list[int]:
    """List where what is kept of each tile begins, along an axis of an image of some length."""
    return [span.keep_from for span in geometry.tiles(geometry.output_length(length))]


def cut_from(image: NDArray[np.float32]) -> Cut:
    """Cut tiles out of an image (Y, X) of float32."""
    return lambda rows, columns: image[rows][:, columns]


def _wanted(geometry: Geometry, length: int, wanted: range) -> list[Span]:
    """List the tiles along an axis that keep any of what is wanted."""
    return [
        span
        for span in geometry.tiles(length)
        if span.keep_from < wanted.stop and wanted.start < span.keep_to
    ]


def _kept(span: Span, wanted: range) -> tuple[slice, slice]:
    """Give what is wanted of a tile's output along an axis, and its place in what is wanted."""
    start, stop = max(span.keep_from, wanted.start), min(span.keep_to, wanted.stop)
    return (
        slice(start - span.start, stop - span.start),
        slice(start - wanted.start, stop - wanted.start),
    )


def _seen_by(span: Span, source: NDArray[np.intp], geometry: Geometry) -> Indices:
    """Give the pixels that a tile is made of; as a slice, which is quicker, where they rise."""
    seen = source[span.start : span.stop + 2 * geometry.margin]
    is_rising = bool((np.diff(seen) == 1).all())
    return slice(int(seen[0]), int(seen[-1]) + 1) if is_rising else seen
