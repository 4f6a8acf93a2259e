"""Tools that correct a mask of membranes: they tell which pixels change. No Qt, no napari."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.sparse_labels import INSIDE, MEMBRANE

Point = tuple[int, int]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]

REACH = 16  # pixels from the straight line in which a path is looked for
LONGEST = 300  # pixels: to search further would keep the window waiting
DETOUR = 0.05  # cost of the brightest pixel is 1, of the darkest this: paths are short, too


def darkest_path(image: NDArray[Any], start: Point, end: Point) -> Pixels:
    """The path between two pixels along which the image is darkest.

    A minimal-cost path (Dijkstra, 8 neighbours, weighted by length), as in live-wire
    segmentation: Mortensen & Barrett 1998, Graphical Models and Image Processing 60.

    Parameters
    ----------
    image : array (Y, X)
        A slice; membranes are dark.
    start, end : (y, x)
        Ends of the path, inside of the slice. It is looked for near the line between them.

    Returns
    -------
    rows, columns : arrays of int
        From start to end, both included; a straight line where they are more than
        :data:`LONGEST` apart.
    """
    from skimage import draw, graph

    ends = np.array([start, end])
    if np.hypot(*(ends[1] - ends[0])) > LONGEST:
        line: Any = draw.line  # it has no types, nor has the next one
        rows, columns = line(*start, *end)
        return np.asarray(rows), np.asarray(columns)
    low = np.maximum(ends.min(axis=0) - REACH, 0)
    high = np.minimum(ends.max(axis=0) + REACH + 1, image.shape)
    window = np.asarray(image[low[0] : high[0], low[1] : high[1]], np.float64)
    dark, bright = np.percentile(window, (1, 99))
    brightness = np.clip((window - dark) / max(bright - dark, 1e-9), 0, 1)
    cost = np.where(
        _distance_to_line(window.shape, *(ends - low)) <= REACH, DETOUR + brightness**2, -1
    )
    find_route: Any = graph.route_through_array
    path, _ = find_route(cost, *(ends - low), fully_connected=True, geometric=True)
    pixels = np.array(path) + low
    return pixels[:, 0], pixels[:, 1]


def _distance_to_line(
    shape: tuple[int, ...], start: NDArray[np.intp], end: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Distance of every pixel to the line between two pixels."""
    offsets = np.moveaxis(np.indices(shape), 0, -1) - start
    along = (end - start).astype(np.float64)
    place = np.clip(offsets @ along / max(float(along @ along), 1.0), 0, 1)
    distance: NDArray[np.float64] = np.linalg.norm(offsets - place[..., None] * along, axis=-1)
    return distance


def widened(path: Pixels, width: int, shape: tuple[int, int]) -> Pixels:
    """Pixels within half a width of a path, inside of a slice of this shape (Y, X)."""
    radius = width / 2
    reach = int(radius)
    offsets = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1) - reach
    offsets = offsets[:, np.hypot(*offsets) <= radius]
    rows, columns = ((axis[:, None] + off).ravel() for axis, off in zip(path, offsets, strict=True))
    is_inside = (rows >= 0) & (columns >= 0) & (rows < shape[0]) & (columns < shape[1])
    pixels = np.unique(np.stack([rows, columns])[:, is_inside], axis=1)
    return pixels[0], pixels[1]


def find_specks(mask: NDArray[Any], size: int) -> tuple[Pixels, int]:
    """Islands of membrane of less than ``size`` pixels.

    Parameters
    ----------
    mask : array (Y, X)
        Other values than 0 are membrane; pixels that touch at a corner belong together.

    Returns
    -------
    pixels : arrays of int
        All pixels of all specks.
    count : int
        How many specks.
    """
    from scipy import ndimage

    islands, _ = ndimage.label(mask != 0, structure=np.ones((3, 3)))
    sizes = np.bincount(islands.ravel())
    is_speck = sizes < size
    is_speck[0] = False
    rows, columns = np.nonzero(is_speck[islands])
    return (rows, columns), int(is_speck.sum())


def snapped(stroke: Pixels, probability: NDArray[np.float32], label: int, level: float) -> Pixels:
    """Those pixels of a stroke that the probability agrees with.

    Parameters
    ----------
    stroke : arrays of int
        Pixels under the brush.
    probability : array (Y, X)
        Of membrane.
    label : int
        What is painted: 1 keeps the pixels that are rather membrane, 0 those that are rather not.
    level : float
        Between the two, 0..1. Where nothing in reach of the brush is on the wanted side, the
        tenth of its pixels that come nearest to it are taken: the ridge, or the valley.
    """
    values = probability[stroke]
    if not values.size:
        return stroke
    wanted = values if label else 1 - values
    bar = min(level if label else 1 - level, float(np.quantile(wanted, 0.9)))
    agrees = wanted >= bar
    return stroke[0][agrees], stroke[1][agrees]


def as_ground_truth(
    mask: Any, corrected: list[int], strokes: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Sparse labels (Z, Y, X) of the corrected slices of a mask, and of earlier strokes elsewhere.

    Parameters
    ----------
    mask : array (Z, Y, X) or (Y, X)
        Other values than 0 are membrane.
    corrected : list of int
        Slices that were corrected throughout: every pixel of them is a label.
    strokes : array of uint8, optional
        Sparse labels of the same shape.
    """
    labels = np.zeros(mask.shape, np.uint8) if strokes is None else strokes.copy()
    pages, masks = (one.reshape(-1, *one.shape[-2:]) for one in (labels, mask))
    for index in corrected:
        pages[index] = np.where(np.asarray(masks[index]) != 0, MEMBRANE, INSIDE)
    return labels
