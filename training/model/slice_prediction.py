"""Prediction of a slice, if wanted as the mean over its flips and quarter turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.model.cuts import (
    AxisKind,
    Cut,
    Indices,
    as_array,
    cut_from,
    hold,
    resized,
    shifted,
    turned,
    turned_shape,
)
from training.model.model_card import ModelCard
from training.model.slice_view import SliceView, cut_window, turn_window
from training.model.tiling import Forward, predict_tiles, seen_window
from training.sampling.displacement import Displacement, turn_displacement
from training.sampling.resampling import cubic_axis, linear_axis, shifted_axis, zoomed_shape
from training.stacks.padding import find_any_padding
from training.stacks.scaling import check_pixels
from training.stacks.windows import Window

Predict = Callable[[Cut, tuple[int, int]], Cut]
SYMMETRIES = tuple(product((False, True), range(4)))
"""Whether an image is flipped along X, and by how many quarters it is then turned."""
WHOLE = SliceView()


def mean_over_symmetries(
    predict: Predict, cut: Cut, shape: tuple[int, int], displacement: Displacement = (0.0, 0.0)
) -> Cut:
    """Predict a slice as the mean over its eight flips and quarter turns.

    Parameters
    ----------
    predict : callable
        From an image, and its shape, to its probability, or to those of classes.
    cut : callable
        The image.
    shape : (int, int)
        Its (Y, X).
    displacement : (float, float)
        In pixels (y, x), by which the network draws membranes beside where the image has them,
        because its training labels were displaced. What it draws of a flipped image is displaced
        to the other side, and is shifted to where it draws it of the image itself.

    Returns
    -------
    callable
        The mean, computed where it is looked at.
    """

    def view(is_flipped: bool, quarters: int) -> Cut:
        seen_shape = turned_shape(shape, quarters)
        found = predict(turned(cut, shape, is_flipped, quarters), seen_shape)
        # A flip and a turn are undone by the same flip and turn, a turn by its opposite.
        undone = quarters if is_flipped else -quarters
        back = turned(found, seen_shape, is_flipped, undone)
        return shifted(back, shape, _shift(displacement, is_flipped, quarters))

    views = [view(*symmetry) for symmetry in SYMMETRIES]

    def cut_mean(rows: Indices, columns: Indices) -> NDArray[np.float32]:
        total = views[0](rows, columns).astype(np.float64)
        for each in views[1:]:
            total += each(rows, columns)
        total /= len(views)
        return total.astype(np.float32)

    return cut_mean


def _shift(displacement: Displacement, is_flipped: bool, quarters: int) -> Displacement:
    """Give the pixels (y, x) from what is drawn of a turned image to what is of the image."""
    y, x = turn_displacement(displacement, is_flipped, quarters if is_flipped else -quarters)
    return displacement[0] - y, displacement[1] - x


def predict_slice(
    forward: Forward,
    image: NDArray[Any],
    card: ModelCard,
    tta: bool = False,
    view: SliceView = WHOLE,
    padding: NDArray[np.bool_] | Literal[False] | None = None,
) -> NDArray[np.float32]:
    """Predict the probability of membrane of one slice, or of classes, at its own resolution.

    Of a window only the tiles around it are looked at, so that it takes their time and memory. It
    is equal to the whole: bit by bit where its tiles are those of the whole, else up to rounding.

    Parameters
    ----------
    forward : callable
        The network: (1, 1, H, W) float32 in [-1, 1] to (1, C, h, w) float32 probabilities.
    image : array (Y, X)
        Any real dtype.
    card : ModelCard
        Its scaling, zoom, geometry, displacement and classes are used.
    tta : bool
        Take the mean over flips and quarter turns.
    view : SliceView
        At which scale, and which part; by default all as it is.
    padding : array (Y, X) of bool, False or None
        That of the slice, see :func:`training.stacks.padding.find_any_padding`; None: unknown.

    Returns
    -------
    array (Y, X) of float32; of classes (C, Y, X)
        In the shape of the view's window, else of the image. 0 in padding.

    Raises
    ------
    UserError
        If pixels that are looked at are NaN or infinite.
    """
    empty = find_any_padding(image) if padding is None else padding
    shape = image.shape[0], image.shape[1]

    def cut(rows: Indices, columns: Indices) -> NDArray[np.float32]:
        tile = image[rows][:, columns]
        check_pixels(tile, "The image")
        scaled = card.scaling.apply(tile)
        if empty is not False:
            _clear(scaled, empty[rows][:, columns])
        return scaled

    return predict_cut(forward, cut, shape, card, tta, view, padding=empty)


def is_cut(card: ModelCard, shape: tuple[int, int], tta: bool, view: SliceView) -> bool:
    """Return whether tiles are cut out of a slice (Y, X) as it is, and not resized or turned."""
    zooms = (view.zoom, card.zoom_for(shape))
    return not tta and all(zoomed_shape(shape, zoom) == shape for zoom in zooms)


def predict_cut(
    forward: Forward,
    cut: Cut,
    shape: tuple[int, int],
    card: ModelCard,
    tta: bool,
    view: SliceView,
    *,
    limits: tuple[float, float] = (-1, 1),
    padding: NDArray[np.bool_] | Literal[False] = False,
) -> NDArray[np.float32]:
    """Predict a slice whose intensities are what the network takes.

    Parameters and result as of :func:`predict_slice`, and these:

    Parameters
    ----------
    cut : callable
        The slice.
    shape : (int, int)
        Its (Y, X).
    limits : (float, float)
        Intensities that it keeps to where it is resized.
    padding : array (Y, X) of bool, or False
        Pixels that get the probability 0; False: none.
    """
    window = view.window or (range(shape[0]), range(shape[1]))
    zoomed = zoomed_shape(shape, view.zoom)
    seen = resized(cut, shape, zoomed, cubic_axis, limits)
    predict = partial(_predict_scaled, forward, card)
    if tta:
        if card.zoom is not None:  # else few of its pixels are looked at
            wanted = _before(window, zoomed, shape, cubic_axis)
            seen = hold(seen, _seen_by_turned(card, zoomed, wanted))
        found = mean_over_symmetries(predict, seen, zoomed, card.displacement)
    else:
        found = predict(seen, zoomed)
    rows, columns = (slice(part.start, part.stop) for part in window)
    probability = resized(found, zoomed, shape, cubic_axis, (0, 1))(rows, columns)
    if padding is not False:
        _clear(probability, cut_window(padding, window))
    return probability


def _clear(planes: NDArray[np.float32], padding: NDArray[np.bool_]) -> None:
    """Set planes (..., Y, X) to 0 where there is padding (Y, X)."""
    if padding.any():
        planes[..., padding] = 0


def _predict_scaled(forward: Forward, card: ModelCard, cut: Cut, shape: tuple[int, int]) -> Cut:
    """Predict an image at the scale of the training; computed where it is looked at."""
    zoomed = zoomed_shape(shape, card.zoom_for(shape))
    seen = resized(cut, shape, zoomed, linear_axis)

    def probability(*indices: Indices) -> NDArray[np.float32]:
        rows, columns = (
            _span(as_array(part, size)) for part, size in zip(indices, zoomed, strict=True)
        )
        options = card.geometry, (rows, columns), card.label_classes.outputs
        found = predict_tiles(forward, seen, zoomed, *options)
        return cut_from(found, (rows, columns))(*indices)

    return resized(probability, zoomed, shape, linear_axis)


def _seen_by_turned(card: ModelCard, shape: tuple[int, int], window: Window) -> Window:
    """Find what of an image (Y, X) is looked at to predict a window as the mean over its turns."""
    seen = []
    for is_flipped, quarters in SYMMETRIES:
        there = turned_shape(shape, quarters)
        zoomed = zoomed_shape(there, card.zoom_for(there))
        rows, columns = (
            _span(shifted_axis(size, shift, _indices(part)).needed)
            for size, shift, part in zip(
                shape, _shift(card.displacement, is_flipped, quarters), window, strict=True
            )
        )
        wanted = turn_window((rows, columns), shape, is_flipped, quarters)
        tiles = seen_window(zoomed, card.geometry, _before(wanted, zoomed, there, linear_axis))
        back = turn_window(_before(tiles, there, zoomed, linear_axis), there, False, -quarters)
        seen.append(turn_window(back, shape, is_flipped, 0))
    return _around(rows for rows, _ in seen), _around(columns for _, columns in seen)


def _before(
    window: Window, shape: tuple[int, int], zoomed: tuple[int, int], kind: AxisKind
) -> Window:
    """Find what of an image (Y, X) a window of it resized is made of."""
    rows, columns = (
        _span(kind(size, length, _indices(part)).needed)
        for size, length, part in zip(shape, zoomed, window, strict=True)
    )
    return rows, columns


def _indices(part: range) -> NDArray[np.intp]:
    return np.arange(part.start, part.stop)


def _span(indices: NDArray[np.intp]) -> range:
    return range(int(indices.min()), int(indices.max()) + 1)


def _around(parts: Iterable[range]) -> range:
    held = list(parts)
    return range(min(part.start for part in held), max(part.stop for part in held))
