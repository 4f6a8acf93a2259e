"""Made-up sections of many tissues, stains and microscopes, to train a starter model on.

Cells are merged neighbours of a warped power diagram in three dimensions, so that they are of all
sizes, long and bent; a section shows the mean of its thickness, so that membranes that lie oblique
to the cut are wide and faint. Lengths are drawn in nanometres and divided by a pixel's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Floats = NDArray[np.float32]
Generator = np.random.Generator

DARK, BRIGHT = 50, 190  # of 255: what the 5th and the 95th percentile of a section become

_COARSE = 2  # the partition is smooth: it is computed on every second pixel
_NEIGHBOURS = 8  # seeds of a power diagram that are searched for the two nearest cells
_LABEL_CUTOFF = 0.42  # part of the full darkness from which on a pixel is labelled membrane


@dataclass(frozen=True)
class Style:
    """What the sections of one stack have in common. Lengths are in pixels."""

    pixel_size: float  # nanometres
    thickness: float  # of a section
    cuts: int  # whose mean is one section
    cell: float  # mean diameter
    spread: float  # of the cells' diameters: deviation of their logarithm
    merged: float  # seeds that become one cell
    sheet: float  # how much cells are flattened by the warp
    membrane: float  # scale of the distance at which its darkness fades
    cleft: float  # half the distance between the two membranes of neighbours
    darkness: float  # of membranes, in grey levels of 255
    texture: float  # of the cytoplasm
    mitochondria: float  # a cell
    vesicles: float  # a cell
    noise: float  # of the detector
    blur: float
    uneven: float  # brightness, from place to place

    @classmethod
    def draw(cls, rng: Generator) -> Style:
        """Draw the style of a stack."""
        pixel_size = float(np.exp(rng.uniform(np.log(3), np.log(9))))
        thickness = rng.choice([rng.uniform(4, 15), rng.uniform(25, 70)]) / pixel_size
        style = cls(
            pixel_size=pixel_size,
            thickness=thickness,
            cuts=int(np.clip(thickness / 2, 1, 6)),
            cell=rng.uniform(170, 380) / pixel_size,
            spread=rng.uniform(0.2, 0.6),
            merged=rng.uniform(1, 3),
            sheet=rng.uniform(0, 1),
            membrane=rng.uniform(7, 12) / pixel_size + 0.4,
            cleft=max(0.0, rng.normal(0, 5)) / pixel_size,
            darkness=rng.uniform(70, 120),
            texture=rng.uniform(5, 16),
            mitochondria=rng.uniform(0.1, 0.7),
            vesicles=rng.uniform(0, 14),
            noise=rng.uniform(2, 16),
            blur=rng.uniform(0.4, 1.3),
            uneven=rng.uniform(2, 12),
        )
        rng.random()  # of no use; without it the starter's tissue would be another
        return style


def varied_stack(
    slices: int, size: int, rng: Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make sections of one style, each of another place of the tissue.

    Parameters
    ----------
    slices : int
        Number of sections Z.
    size : int
        Height and width of a section, in pixels; even.
    rng : Generator
        Decides everything random.

    Returns
    -------
    images : array (Z, Y, X) of uint8
        Membranes are dark; the percentiles are those of :data:`DARK` and :data:`BRIGHT`.
    labels : array (Z, Y, X) of uint8
        In ISBI's convention: 0 = membrane, 255 = inside of a cell.
    """
    style = Style.draw(rng)
    images = np.empty((slices, size, size), np.uint8)
    labels = np.empty_like(images)
    for z in range(slices):
        section = _cut(style, size, rng)
        images[z] = _photograph(section, style, rng)
        labels[z] = np.where(section.labelled, 0, 255)
    return images, labels


@dataclass(frozen=True)
class _Section:
    """What a section holds, before it is photographed. Arrays are (Y, X)."""

    membrane: Floats  # 0..1: how much of it there is in the depth of the section
    labelled: NDArray[np.bool_]
    inside: Floats  # distance to the nearest membrane, in pixels
    cell: NDArray[np.intp]
    center: Floats  # (N, 2) of cells that are cut, y and x in pixels


def _cut(style: Style, size: int, rng: Generator) -> _Section:
    """Lay out cells around a section, and cut it."""
    margin = 1.5 * style.cell
    seed_spacing = style.cell / style.merged ** (1 / 3)
    depth = style.thickness + 2 * margin
    count = max(12, round(depth * (size + 2 * margin) ** 2 / seed_spacing**3))
    low = np.array([-margin] * 3)
    high = np.array([style.thickness, size, size]) + margin
    seeds = rng.uniform(low, high, (count, 3))
    radii = seed_spacing / 2 * np.exp(style.spread * rng.standard_normal(count))
    lifted = np.sqrt(np.maximum((radii**2).max() - radii**2, 0))
    tree = cKDTree(np.column_stack([seeds, lifted]))
    group = _merge(seeds, style.merged, rng)

    coarse = size // _COARSE
    line = np.arange(0.5, size, _COARSE)
    y, x = np.meshgrid(line, line, indexing="ij")
    scale = style.cell / _COARSE
    warp = [
        style.cell * (0.22 + 0.4 * style.sheet) * smooth_noise(rng, (coarse,) * 2, scale * 0.7)
        + style.cell * 0.09 * smooth_noise(rng, (coarse,) * 2, scale * 0.2)
        + 0.8 * smooth_noise(rng, (coarse,) * 2, 3)
        for _ in range(3)
    ]
    tilt = [style.cell * 0.2 * smooth_noise(rng, (coarse,) * 2, scale * 0.5) for _ in range(2)]
    width = style.membrane * np.exp(0.2 * smooth_noise(rng, (coarse,) * 2, scale * 0.4))
    darkness = []
    for cut in range(style.cuts):
        place = (cut + 0.5) / style.cuts
        share = (place - 0.5) * style.thickness / style.cell
        position = np.stack(
            [
                np.full_like(y, place * style.thickness) + warp[0],
                y + warp[1] + share * tilt[0],
                x + warp[2] + share * tilt[1],
            ],
            axis=-1,
        )
        distance, cell = _partition(position, tree, seeds, radii, group)
        if cut == style.cuts // 2:
            middle, middle_cell = distance, cell
        darkness.append(np.exp(-((np.maximum(np.abs(distance - style.cleft), 0) / width) ** 2)))
    membrane = np.clip(_enlarge(np.mean(darkness, axis=0)), 0, 1)
    inside = _enlarge(_distance_in_plane(middle_cell)) * _COARSE
    labelled = (membrane > _LABEL_CUTOFF) | (inside < 0.9 * style.membrane + style.cleft)
    cell = np.kron(middle_cell, np.ones((_COARSE, _COARSE), np.intp))
    del middle
    return _Section(membrane, labelled, inside, cell, seeds[:, 1:].astype(np.float32))


def _merge(seeds: NDArray[np.float64], merged: float, rng: Generator) -> NDArray[np.intp]:
    """Give each seed the number of its cell: that of the nearest of fewer points."""
    heads = rng.choice(len(seeds), max(4, round(len(seeds) / merged)), replace=False)
    stretch = np.exp(rng.normal(0, 0.5, 3))
    nearest = cKDTree(seeds[heads] * stretch).query(seeds * stretch)[1]
    return np.asarray(nearest, np.intp)


def _partition(
    position: NDArray[np.float64],
    tree: cKDTree,
    seeds: NDArray[np.float64],
    radii: NDArray[np.float64],
    group: NDArray[np.intp],
) -> tuple[Floats, NDArray[np.intp]]:
    """Find the distance to the nearest border of cells, in pixels, and the cell; coarse (Y, X)."""
    points = position.reshape(-1, 3)
    lifted = np.column_stack([points, np.zeros(len(points))])
    distances, found = tree.query(lifted, k=_NEIGHBOURS)
    cells = group[found]
    other = cells != cells[:, :1]
    second = np.where(other.any(axis=1), other.argmax(axis=1), _NEIGHBOURS - 1)
    rows = np.arange(len(points))
    apart = np.linalg.norm(seeds[found[:, 0]] - seeds[found[rows, second]], axis=1)
    distance = (distances[rows, second] ** 2 - distances[:, 0] ** 2) / (2 * np.maximum(apart, 1))
    shape = position.shape[:2]
    return distance.reshape(shape).astype(np.float32), cells[:, 0].reshape(shape)


def _distance_in_plane(cell: NDArray[np.intp]) -> Floats:
    """Compute the distance to the nearest pixel of another cell, less a half; coarse (Y, X)."""
    border = np.zeros(cell.shape, np.bool_)
    border[:-1] |= cell[:-1] != cell[1:]
    border[:, :-1] |= cell[:, :-1] != cell[:, 1:]
    return np.asarray(ndimage.distance_transform_edt(~border), np.float32)


def _photograph(section: _Section, style: Style, rng: Generator) -> NDArray[np.uint8]:
    """Make the micrograph of a section: (Y, X) of uint8."""
    shape = section.membrane.shape
    shades = 165 + rng.normal(0, 11, section.cell.max() + 1)
    image = ndimage.gaussian_filter(shades[section.cell], 1.5).astype(np.float32)
    grain = 12 / style.pixel_size
    image += style.texture * smooth_noise(rng, shape, max(0.7, grain / 2))
    image += 0.6 * style.texture * smooth_noise(rng, shape, 4 * grain)
    image -= 1.5 * style.texture * np.maximum(smooth_noise(rng, shape, grain) - 1.2, 0)
    _add_vesicles(image, section, style, rng)
    _add_mitochondria(image, section, style, rng)
    darkness = style.darkness * (1 + 0.22 * smooth_noise(rng, shape, style.cell / 5))
    image -= darkness * section.membrane
    stain = np.clip(smooth_noise(rng, shape, style.cell / 5) - 1.4, 0, 1)
    image -= rng.uniform(20, 90) * stain * np.exp(-section.inside / 10)
    image = ndimage.gaussian_filter(image, style.blur)
    image += 0.7 * style.noise * smooth_noise(rng, shape, 0.6)
    image += 0.7 * style.noise * rng.standard_normal(shape, np.float32)
    image += style.uneven * smooth_noise(rng, shape, 60)
    return standardise(image)


def standardise(image: Floats) -> NDArray[np.uint8]:
    """Stretch an image (Y, X) to uint8, its percentiles to :data:`DARK` and :data:`BRIGHT`."""
    low, high = np.percentile(image, (5, 95))
    stretched = DARK + (image - low) * ((BRIGHT - DARK) / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(stretched), 0, 255), np.uint8)


def _add_mitochondria(image: Floats, section: _Section, style: Style, rng: Generator) -> None:
    """Draw mitochondria in place, each in the cell of its middle, clear of that cell's membrane."""
    size = image.shape[0]
    count = rng.poisson(style.mitochondria * (size / style.cell) ** 2)
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    for _ in range(count):
        middle = rng.integers(0, size, 2)
        if section.inside[tuple(middle)] < 80 / style.pixel_size:
            continue
        long = rng.uniform(90, 320) / style.pixel_size
        short = min(long, rng.uniform(70, 150) / style.pixel_size)
        angle = rng.uniform(0, np.pi)
        along = (x - middle[1]) * np.cos(angle) + (y - middle[0]) * np.sin(angle)
        across = (y - middle[0]) * np.cos(angle) - (x - middle[1]) * np.sin(angle)
        across = across + rng.normal(0, 0.1) * along**2 / long
        radius = np.sqrt((along / long) ** 2 + (across / short) ** 2)
        gap = 22 / style.pixel_size
        room = 1 / (1 + np.exp(-np.clip((section.inside - gap) / 0.8, -50, 50)))
        room *= section.cell == section.cell[tuple(middle)]
        body = room / (1 + np.exp(np.clip((radius - 1) * short, -50, 50)))
        period = 26 / style.pixel_size
        cristae = np.sin(across / period * 2 + 1.5 * np.sin(along * 0.25))
        edge = np.exp(-(((radius - 0.97) * short / style.membrane) ** 2))
        image -= body * (rng.uniform(15, 60) + rng.uniform(5, 30) * cristae)
        image -= rng.uniform(15, 60) * room * edge


def _add_vesicles(image: Floats, section: _Section, style: Style, rng: Generator) -> None:
    """Draw small dark rings and dots in the cytoplasm, in place; they cluster, as at synapses."""
    size = image.shape[0]
    count = rng.poisson(style.vesicles * (size / style.cell) ** 2)
    clusters = rng.uniform(0, size, (max(1, count // 12), 2))
    places = clusters[rng.integers(len(clusters), size=count)]
    places = places + rng.normal(0, 90 / style.pixel_size, (count, 2))
    places[::2] = rng.uniform(0, size, places[::2].shape)
    for y, x in places:
        radius = rng.uniform(12, 32) / style.pixel_size
        reach = int(np.ceil(radius + 4))
        row, column = int(y), int(x)
        if not (reach <= row < size - reach and reach <= column < size - reach):
            continue
        if section.inside[row, column] < radius + 16 / style.pixel_size:
            continue
        offsets = np.arange(-reach, reach + 1)
        window = (slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1))
        distance = np.hypot(offsets[:, None] - y % 1, offsets[None, :] - x % 1)
        width = 0.5 + 4 / style.pixel_size
        image[window] -= rng.uniform(15, 60) * np.exp(-(((distance - radius) / width) ** 2))
        if rng.random() < 0.3:
            image[window] -= rng.uniform(10, 40) * (distance < radius)


def _enlarge(coarse: NDArray[Any]) -> Floats:
    enlarged = ndimage.zoom(coarse, _COARSE, order=1, mode="nearest", grid_mode=True)
    return np.asarray(enlarged, dtype=np.float32)


def smooth_noise(rng: Generator, shape: tuple[int, ...], sigma: float) -> Floats:
    """Make Gaussian noise of mean 0 and deviation 1, correlated over ``sigma`` pixels.

    It is float32, in the shape given, such as (Y, X).
    """
    factor = max(1, int(sigma / 3))
    small = tuple(-(-length // factor) for length in shape)
    noise = ndimage.gaussian_filter(
        rng.standard_normal(small, np.float32), sigma / factor, mode="wrap", truncate=3
    )
    if factor > 1:
        noise = ndimage.zoom(noise, factor, order=1)[tuple(map(slice, shape))]
    return np.asarray((noise - noise.mean()) / max(noise.std(), 1e-6), np.float32)
