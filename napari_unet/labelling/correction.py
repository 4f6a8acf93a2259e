"""Tools that correct a mask of membranes: they find which pixels change. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stacks.sparse_labels import INSIDE, MEMBRANE
from training.stacks.stack_axes import as_stack

Point = tuple[int, int]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]

REACH = 16  # pixels from the straight line in which a path is looked for
LONGEST = 300  # pixels: to search further would keep the window waiting
DETOUR = 0.05  # cost of the brightest pixel is 1, of the darkest this: paths are short, too


def darkest_path(image: NDArray[Any], start: Point, end: Point) -> Pixels:
    """Find the path between two pixels along which the image is darkest.

    A minimal-cost path (Dijkstra, 8 neighbours, weighted by length), as in live-wire
    segmentation: Mortensen & Barrett 1998, Graphical Models and Image Processing 60.

    Parameters
    ----------
    image : array (Y, X)
        A slice of any real dtype; membranes are dark.
    start, end : (int, int)
        Pixels (y, x) at the ends of the path. It is looked for near the line between them.

    Returns
    -------
    rows, columns : arrays (N,) of int
        From start to end, both included; a straight line where they are more than
        :data:`LONGEST` apart.
    """
    from skimage import draw, graph

    ends = np.array([start, end])
    if np.hypot(*(ends[1] - ends[0])) > LONGEST:
        line: Any = draw.line  # untyped, as route_through_array is
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
    """Compute the distance of every pixel (Y, X) to the line between two pixels (y, x)."""
    offsets = np.moveaxis(np.indices(shape), 0, -1) - start
    along = (end - start).astype(np.float64)
    place = np.clip(offsets @ along / max(float(along @ along), 1.0), 0, 1)
    distance: NDArray[np.float64] = np.linalg.norm(offsets - place[..., None] * along, axis=-1)
    return distance


def widen(path: Pixels, width: int, shape: tuple[int, int]) -> Pixels:
    """Find the pixels within half a width of a path, inside of a slice.

    Parameters
    ----------
    path : rows, columns
        Arrays (N,) of int.
    width : int
        In pixels.
    shape : (int, int)
        (Y, X) of the slice.

    Returns
    -------
    rows, columns : arrays (M,) of int
    """
    radius = width / 2
    reach = int(radius)
    offsets = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1) - reach
    offsets = offsets[:, np.hypot(*offsets) <= radius]
    rows, columns = ((axis[:, None] + off).ravel() for axis, off in zip(path, offsets, strict=True))
    is_inside = (rows >= 0) & (columns >= 0) & (rows < shape[0]) & (columns < shape[1])
    pixels = np.unique(np.stack([rows, columns])[:, is_inside], axis=1)
    return pixels[0], pixels[1]


def find_specks(mask: NDArray[Any], size: int) -> tuple[Pixels, int]:
    """Find islands of membrane of less than ``size`` pixels.

    Parameters
    ----------
    mask : array (Y, X)
        Other values than 0 are membrane; pixels that touch at a corner belong together.
    size : int
        In pixels.

    Returns
    -------
    pixels : rows, columns
        All pixels of all specks, arrays (N,) of int.
    count : int
        Number of specks.
    """
    from scipy import ndimage

    islands, _ = ndimage.label(mask != 0, structure=np.ones((3, 3)))
    sizes = np.bincount(islands.ravel())
    is_speck = sizes < size
    is_speck[0] = False
    rows, columns = np.nonzero(is_speck[islands])
    return (rows, columns), int(is_speck.sum())


def find_specks_of_stack(
    mask: Any, size: int, slices: Iterable[int]
) -> tuple[NDArray[np.intp], ...]:
    """Find the pixels of all specks on some slices.

    Parameters
    ----------
    mask : array (Z, Y, X) or (Y, X)
        As for :func:`find_specks`; may be lazy.
    size : int
        In pixels.
    slices : iterable of int
        Where to look; slice 0 is the only one of a single image.

    Returns
    -------
    planes, rows, columns, or rows, columns : arrays (N,) of int
        Indices into the mask.
    """
    stack = as_stack(mask)
    found = [(index, *find_specks(np.array(stack[index]), size)[0]) for index in slices]
    planes = [np.full(len(rows), index, np.intp) for index, rows, _ in found]
    parts = (planes, [rows for _, rows, _ in found], [columns for *_, columns in found])
    indices = tuple(np.concatenate([np.empty(0, np.intp), *part]) for part in parts)
    return in_stack(indices, mask.ndim)


def snap(stroke: Pixels, probability: NDArray[np.float32], label: int, level: float) -> Pixels:
    """Keep those pixels of a stroke that the probability agrees with.

    Parameters
    ----------
    stroke : rows, columns
        Pixels under the brush, arrays (N,) of int.
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    label : int
        What is painted: 1 keeps the pixels that are rather membrane, 0 those that are rather not.
    level : float
        Between the two, 0..1. Where nothing in reach of the brush is on the wanted side, the
        tenth of its pixels that come nearest to it are taken: the ridge, or the valley.

    Returns
    -------
    rows, columns : arrays (M,) of int
    """
    values = probability[stroke]
    if not values.size:
        return stroke
    wanted = values if label else 1 - values
    bar = min(level if label else 1 - level, float(np.quantile(wanted, 0.9)))
    agrees = wanted >= bar
    return stroke[0][agrees], stroke[1][agrees]


def as_ground_truth(mask: Any, corrected: Iterable[int]) -> NDArray[np.uint8]:
    """Make sparse labels of a mask's corrected slices.

    Parameters
    ----------
    mask : array (Z, Y, X) or (Y, X)
        Any integer dtype. Other values than 0 are membrane.
    corrected : iterable of int
        Slices that were corrected completely: each of their pixels is a label.

    Returns
    -------
    array of uint8
        In the mask's shape: 0 = unknown, 1 = membrane, 2 = inside.
    """
    labels = np.zeros(mask.shape, np.uint8)
    pages, masks = as_stack(labels), as_stack(mask)
    for index in corrected:
        pages[index] = _truth_page(masks[index])
    return labels


def changes_to_truth(
    mask: Any, corrected: Iterable[int], labels: Any
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.uint8]]:
    """Find the pixels of sparse labels that a mask's corrected slices change.

    Parameters
    ----------
    mask, corrected
        As for :func:`as_ground_truth`.
    labels : array (Z, Y, X) or (Y, X) of uint8
        Sparse labels of the same stack, which may have other axes of length 1 before these.

    Returns
    -------
    places : tuple of arrays (N,) of int
        Indices into the labels.
    values : array (N,) of uint8
        What they become: 1 = membrane, 2 = inside.
    """
    masks, pages = as_stack(mask), as_stack(labels)
    parts: list[list[NDArray[Any]]] = [[np.empty(0, np.intp)] * 4]
    for index in corrected:
        truth = _truth_page(masks[index])
        rows, columns = np.nonzero(truth != np.asarray(pages[index]))
        parts.append([np.full(len(rows), index), rows, columns, truth[rows, columns]])
    planes, rows, columns, values = map(np.concatenate, zip(*parts, strict=True))
    return in_stack((planes, rows, columns), labels.ndim), values.astype(np.uint8)


def _truth_page(membrane: Any) -> NDArray[np.uint8]:
    return np.where(np.asarray(membrane) != 0, np.uint8(MEMBRANE), np.uint8(INSIDE))


def in_stack(places: tuple[NDArray[np.intp], ...], ndim: int) -> tuple[NDArray[np.intp], ...]:
    """Make places in a stack those in an array of other axes: 0 along those before, or no Z.

    Parameters
    ----------
    places : tuple of three arrays (N,) of int
        Indices along Z, Y and X.
    ndim : int
        How many axes the array has, 2 or more.

    Returns
    -------
    tuple of ``ndim`` arrays (N,) of int
    """
    return ((np.zeros_like(places[0]),) * (ndim - 3) + places)[-ndim:]
