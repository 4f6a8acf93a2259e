"""Prediction of a slice, if wanted as the mean over its flips and quarter turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.model.model_card import ModelCard
from training.model.slice_view import (
    SliceView,
    cut_window,
    grow_window,
    turn_window,
    zoom_window,
)
from training.model.tiling import Forward, Indices, cut_from, predict_tiles
from training.sampling.displacement import Displacement, shift_plane, turn_displacement
from training.sampling.resampling import resize_bicubic, resize_bilinear, zoomed_shape
from training.stacks.padding import find_padding
from training.stacks.scaling import check_pixels
from training.stacks.windows import Window

Predict = Callable[[NDArray[Any], Window | None], NDArray[np.float32]]
COUNT = 8
WHOLE = SliceView()


def mean_over_symmetries(
    predict: Predict,
    image: NDArray[Any],
    displacement: Displacement = (0.0, 0.0),
    window: Window | None = None,
) -> NDArray[np.float32]:
    """Predict a slice as the mean over its eight flips and quarter turns.

    Parameters
    ----------
    predict : callable
        From an image, and the window of it that is wanted, to its probability, of one shape
        (Y, X), or to those of classes (C, Y, X).
    image : array (Y, X)
        Any real dtype.
    displacement : (float, float)
        In pixels (y, x), by which the network draws membranes beside where the image has them,
        because its training labels were displaced. What it draws of a flipped image is displaced
        to the other side, and is shifted to where it draws it of the image itself.
    window : tuple of range or None
        Rows and columns that are wanted; None: all.

    Returns
    -------
    array (Y, X) or (C, Y, X) of float32
        Outside of the window it may be anything.
    """
    if window is not None:
        window = grow_window(window, math.ceil(2 * max(map(abs, displacement))) + 1, image.shape)
    total: Any = 0.0
    for is_flipped in (False, True):
        for quarters in range(4):
            seen = np.rot90(np.flip(image, 1) if is_flipped else image, quarters)
            turned = window and turn_window(window, image.shape, is_flipped, quarters)
            predicted = predict(np.ascontiguousarray(seen), turned)
            found = np.rot90(predicted, -quarters, axes=(-2, -1))
            back = np.flip(found, -1) if is_flipped else found
            # A flip and a turn are undone by the same flip and turn, a turn by its opposite.
            undone = quarters if is_flipped else -quarters
            y, x = turn_displacement(displacement, is_flipped, undone)
            shifted = _each_plane(_shift, back, (displacement[0] - y, displacement[1] - x))
            total = total + shifted.astype(np.float64)
    return np.asarray(total / COUNT, np.float32)


def _shift(probability: NDArray[np.float32], shift: Displacement) -> NDArray[np.float32]:
    """Shift a probability (Y, X) by pixels (y, x), its edges repeated."""
    border = math.ceil(max(map(abs, shift)))
    return shift_plane(np.pad(probability, border, mode="edge"), shift, border)


def predict_slice(
    forward: Forward,
    image: NDArray[Any],
    card: ModelCard,
    tta: bool = False,
    view: SliceView = WHOLE,
    padding: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Predict the probability of membrane of one slice, or of classes, at its own resolution.

    Where tiles are cut out of the slice as it is, of a window only those are looked at that it
    lies in, so that it takes their time and memory.

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
    padding : array (Y, X) of bool, optional
        That of the slice, see :func:`training.stacks.padding.find_padding`, where it is known.

    Returns
    -------
    array (Y, X) of float32; of classes (C, Y, X)
        In the shape of the view's window, else of the image. 0 in padding.

    Raises
    ------
    UserError
        If pixels that are looked at are NaN or infinite.
    """
    empty = find_padding(image) if padding is None else padding
    shape = image.shape[0], image.shape[1]

    def cut(rows: Indices, columns: Indices) -> NDArray[np.float32]:
        tile = image[rows][:, columns]
        check_pixels(tile, "The image")
        scaled = card.scaling.apply(tile)
        _clear(scaled, empty[rows][:, columns])
        return scaled

    if is_cut(card, shape, tta, view):
        options = card.geometry, view.window, card.label_classes.outputs
        probability = predict_tiles(forward, cut, shape, *options)
        _clear(probability, cut_window(empty, view.window))
        return probability
    everything = slice(None)
    prepared = cut(everything, everything)
    return predict_prepared(forward, prepared, card, tta, view, padding=empty)


def is_cut(card: ModelCard, shape: tuple[int, int], tta: bool, view: SliceView) -> bool:
    """Return whether tiles are cut out of a slice (Y, X) as it is, and not resized or turned."""
    zooms = (view.zoom, card.zoom_for(shape))
    return not tta and all(zoomed_shape(shape, zoom) == shape for zoom in zooms)


def predict_prepared(
    forward: Forward,
    prepared: NDArray[np.float32],
    card: ModelCard,
    tta: bool,
    view: SliceView,
    *,
    limits: tuple[float, float] = (-1, 1),
    padding: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Predict a slice whose intensities are what the network takes.

    Parameters and result as of :func:`predict_slice`, and these:

    Parameters
    ----------
    prepared : array (Y, X) of float32
        The slice.
    limits : (float, float)
        Intensities that it keeps to where it is resized.
    padding : array (Y, X) of bool, optional
        Pixels that get the probability 0.
    """
    shape = zoomed_shape(prepared.shape, view.zoom)
    seen = resize_bicubic(prepared, shape, limits)
    window = view.window and zoom_window(view.window, prepared.shape, shape)
    predict = partial(_predict_scaled, forward, card)
    probability = (
        mean_over_symmetries(predict, seen, card.displacement, window)
        if tta
        else predict(seen, window)
    )
    probability = _each_plane(resize_bicubic, probability, prepared.shape, (0, 1))
    if view.window is not None:
        probability = cut_window(probability, view.window).copy()  # the rest is let go
    if padding is not None:
        _clear(probability, cut_window(padding, view.window))
    return probability


def _clear(planes: NDArray[np.float32], padding: NDArray[np.bool_]) -> None:
    """Set planes (..., Y, X) to 0 where there is padding (Y, X)."""
    if padding.any():
        planes[..., padding] = 0


def _predict_scaled(
    forward: Forward, card: ModelCard, scaled: NDArray[np.float32], window: Window | None
) -> NDArray[np.float32]:
    shape = scaled.shape[0], scaled.shape[1]
    zoomed = zoomed_shape(shape, card.zoom_for(shape))
    window = window and zoom_window(window, shape, zoomed)
    seen = resize_bilinear(scaled, zoomed)
    options = card.geometry, window, card.label_classes.outputs
    probability = predict_tiles(forward, cut_from(seen), zoomed, *options)
    if window is not None:
        # Zeros take no memory before something else is written there.
        whole = np.zeros((*probability.shape[:-2], *zoomed), np.float32)
        cut_window(whole, window)[...] = probability
        probability = whole
    return _each_plane(resize_bilinear, probability, shape)


def _each_plane(
    function: Callable[..., NDArray[np.float32]], planes: NDArray[np.float32], *options: Any
) -> NDArray[np.float32]:
    """Apply a function to a plane (Y, X), or to each of several (C, Y, X)."""
    if planes.ndim == 2:
        return function(planes, *options)
    return np.stack([function(plane, *options) for plane in planes])
