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
_LABEL_CUTOFF = 0.48  # part of the full darkness from which on a pixel is labelled membrane
_MARGIN = 1.5  # cells are laid out this far beyond a section, in their diameters
_SOMA = 1.35  # radius of a cell body, in those of its nucleus


@dataclass(frozen=True)
class Style:
    """What the sections of one stack have in common. Lengths are in pixels."""

    pixel_size: float  # nanometres
    thickness: float  # of a section
    cuts: int  # whose mean is one section
    cell: float  # mean diameter
    spread: float  # of the cells' diameters: deviation of their logarithm
    merged: float  # seeds that become one cell
    bend: float  # 0..1: how much cells are bent and flattened
    stretch: float  # length of cells over their width
    membrane: float  # scale of the distance at which its darkness fades
    cleft: float  # half the distance between the two membranes of neighbours
    darkness: float  # of membranes, in grey levels of 255
    texture: float  # of the cytoplasm
    mitochondria: float  # a cell
    vesicles: float  # a cell
    reticulum: float  # darkness of membranes within cells, in grey levels
    myelinated: float  # share of the cells
    has_bodies: bool  # with nuclei
    noise: float  # of the detector
    blur: float
    uneven: float  # brightness, from place to place

    @classmethod
    def draw(cls, rng: Generator) -> Style:
        """Draw the style of a stack."""
        pixel_size = float(np.exp(rng.uniform(np.log(3), np.log(11))))
        thickness = rng.choice([rng.uniform(4, 15), rng.uniform(25, 70)]) / pixel_size
        return cls(
            pixel_size=pixel_size,
            thickness=thickness,
            cuts=int(np.clip(thickness / 2, 1, 6)),
            cell=max(28.0, rng.uniform(200, 550) / pixel_size),
            spread=rng.uniform(0.2, 0.6),
            merged=rng.uniform(1, 3),
            bend=rng.uniform(0, 1),
            stretch=rng.uniform(1, 2.2),
            membrane=rng.uniform(7, 12) / pixel_size + 0.4,
            cleft=max(0.0, rng.normal(0, 5)) / pixel_size,
            darkness=rng.uniform(70, 120),
            texture=rng.uniform(5, 16),
            mitochondria=rng.uniform(0.1, 0.7),
            vesicles=rng.uniform(0, 14),
            reticulum=rng.uniform(0, 50),
            myelinated=0.12 if rng.random() < 0.2 else 0.0,
            has_bodies=bool(rng.random() < 0.25),
            noise=rng.uniform(2, 16),
            blur=rng.uniform(0.4, 1.3),
            uneven=rng.uniform(2, 12),
        )


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
        images[z] = standardise(_photograph(section, style, rng))
        labels[z] = np.where(section.labelled, 0, 255)
        _cover(images[z], labels[z], rng)
    return images, labels


@dataclass(frozen=True)
class _Section:
    """What a section holds, before it is photographed. Arrays are (Y, X)."""

    membrane: Floats  # 0..1: how much of it there is in the depth of the section
    labelled: NDArray[np.bool_]
    inside: Floats  # distance to the nearest membrane, in pixels
    cell: NDArray[np.intp]  # which cell a pixel belongs to
    nucleus: Floats  # distance from its middle, in its radii; infinite without one
    nucleus_radius: float  # in pixels


@dataclass(frozen=True)
class _Cells:
    """Cells around a section: a power diagram whose neighbours are merged.

    Positions are (N, 3) as z, y, x in pixels; ``tree`` has the root of what a seed's weight lacks
    of the largest as a fourth coordinate, so that its distances are those of the power diagram.
    """

    seeds: NDArray[np.float64]
    cell: NDArray[np.intp]  # (N,) of each seed
    tree: cKDTree
    axes: NDArray[np.float64]  # (3, 3): from positions in the section to those of seeds

    @classmethod
    def grow(cls, style: Style, size: int, rng: Generator) -> _Cells:
        spacing = style.cell / style.merged ** (1 / 3)
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        axes = np.eye(3) - (1 - 1 / style.stretch) * np.outer(direction, direction)
        high = np.array([style.thickness, size, size])
        margin = _MARGIN * style.cell
        count = max(12, round(float(np.prod(high + 2 * margin)) / style.stretch / spacing**3))
        seeds = rng.uniform(-margin, high + margin, (count, 3)) @ axes
        radii = spacing / 2 * np.exp(style.spread * rng.standard_normal(count))
        lifted = np.sqrt((radii**2).max() - radii**2)
        heads = rng.choice(count, max(4, round(count / style.merged)), replace=False)
        cell = cKDTree(seeds[heads]).query(seeds)[1]
        return cls(
            seeds, np.asarray(cell, np.intp), cKDTree(np.column_stack([seeds, lifted])), axes
        )

    def partition(self, position: NDArray[np.float64]) -> tuple[Floats, NDArray[np.intp]]:
        """Find the distance to the nearest border of cells, in pixels, and the cell: (Y, X) each.

        The difference of two power distances, over twice the distance of their seeds, is the
        distance to the plane between the two.
        """
        points = position.reshape(-1, 3) @ self.axes
        lifted = np.column_stack([points, np.zeros(len(points))])
        distances, found = self.tree.query(lifted, k=_NEIGHBOURS)
        cells = self.cell[found]
        others = cells != cells[:, :1]
        second = np.where(others.any(axis=1), others.argmax(axis=1), _NEIGHBOURS - 1)
        rows = np.arange(len(points))
        apart = (self.seeds[found[:, 0]] - self.seeds[found[rows, second]]) @ self.axes
        length = np.maximum(np.linalg.norm(apart, axis=1), 1)
        distance = (distances[rows, second] ** 2 - distances[:, 0] ** 2) / (2 * length)
        shape = position.shape[:2]
        return distance.reshape(shape).astype(np.float32), cells[:, 0].reshape(shape)


def _cut(style: Style, size: int, rng: Generator) -> _Section:
    """Lay out cells around a section, and cut it: the mean of membranes through its depth."""
    cells = _Cells.grow(style, size, rng)
    shape = (size // _COARSE,) * 2
    line = np.arange(0.5, size, _COARSE)
    y, x = np.meshgrid(line, line, indexing="ij")
    scale = style.cell / _COARSE
    warp = [
        style.cell * (0.2 + 0.35 * style.bend) * smooth_noise(rng, shape, scale * 0.7)
        + style.cell * 0.09 * smooth_noise(rng, shape, scale * 0.2)
        + 0.8 * smooth_noise(rng, shape, 3)
        for _ in range(3)
    ]
    lean = [0.2 * smooth_noise(rng, shape, scale * 0.5) for _ in range(2)]
    width = style.membrane * np.exp(0.2 * smooth_noise(rng, shape, scale * 0.4))
    radius = rng.uniform(500, 1200) / style.pixel_size
    nucleus = np.full(shape, np.inf)
    if style.has_bodies:
        middle = rng.uniform(-0.3 * size, 1.3 * size, 2)
        nucleus = np.hypot(y + 0.5 * warp[1] - middle[0], x + 0.5 * warp[2] - middle[1]) / radius

    darkness = []
    for cut in range(style.cuts):
        depth = (cut + 0.5) / style.cuts * style.thickness
        shift = depth - style.thickness / 2
        places = [warp[0] + depth, y + warp[1] + shift * lean[0], x + warp[2] + shift * lean[1]]
        distance, cell = cells.partition(np.stack(places, axis=-1))
        is_body = nucleus < _SOMA
        if is_body.any():
            to_body = np.abs(nucleus - _SOMA) * radius
            distance = np.where(is_body, to_body, np.minimum(distance, to_body))
            cell = np.where(is_body, len(cells.seeds), cell)
        darkness.append(np.exp(-(((distance - style.cleft) / width) ** 2)))
        if cut == style.cuts // 2:
            middle_cell = cell
    membrane = np.clip(_enlarge(np.mean(darkness, axis=0)), 0, 1)
    inside = _COARSE * _enlarge(_distance_in_plane(middle_cell))
    cell = np.kron(middle_cell, np.ones((_COARSE, _COARSE), np.intp))
    sheaths = rng.random(len(cells.seeds) + 1) < style.myelinated
    myelin = sheaths[cell] & (inside < rng.uniform(40, 120) / style.pixel_size)
    membrane = np.maximum(membrane, ndimage.gaussian_filter(myelin.astype(np.float32), 1))
    labelled = (membrane > _LABEL_CUTOFF) | (inside < 0.9 * style.membrane + style.cleft)
    return _Section(membrane, labelled, inside, cell, _enlarge(nucleus), radius)


def _distance_in_plane(cell: NDArray[np.intp]) -> Floats:
    """Compute the distance to the nearest pixel of another cell, less a half; coarse (Y, X)."""
    border = np.zeros(cell.shape, np.bool_)
    border[:-1] |= cell[:-1] != cell[1:]
    border[:, :-1] |= cell[:, :-1] != cell[:, 1:]
    return np.asarray(ndimage.distance_transform_edt(~border), np.float32)


def _photograph(section: _Section, style: Style, rng: Generator) -> Floats:
    """Make the micrograph of a section: (Y, X), membranes dark."""
    shape = section.membrane.shape
    shades = 165 + rng.normal(0, 11, section.cell.max() + 1)
    image = ndimage.gaussian_filter(shades[section.cell], 1.5).astype(np.float32)
    grain = 12 / style.pixel_size
    image += style.texture * smooth_noise(rng, shape, max(0.7, grain / 2))
    image += 0.6 * style.texture * smooth_noise(rng, shape, 4 * grain)
    image -= 1.5 * style.texture * np.maximum(smooth_noise(rng, shape, grain) - 1.2, 0)
    _add_reticulum(image, section, style, rng)
    _add_vesicles(image, section, style, rng)
    _add_mitochondria(image, section, style, rng)
    if np.isfinite(section.nucleus).all():
        _add_nucleus(image, section, style, rng)
    darkness = style.darkness * (1 + 0.22 * smooth_noise(rng, shape, style.cell / 5))
    image -= darkness * section.membrane
    stain = np.clip(smooth_noise(rng, shape, style.cell / 5) - 1.4, 0, 1)
    image -= rng.uniform(20, 90) * stain * np.exp(-section.inside / 10)
    image -= rng.uniform(0, 40) * np.clip(smooth_noise(rng, shape, style.cell / 4) - 1, 0, 1)
    _damage(image, rng)
    image = ndimage.gaussian_filter(image, style.blur)
    image += 0.7 * style.noise * smooth_noise(rng, shape, 0.6)
    image += 0.7 * style.noise * rng.standard_normal(shape, np.float32)
    image += style.uneven * smooth_noise(rng, shape, 60)
    return np.asarray(image, np.float32)


def standardise(image: Floats) -> NDArray[np.uint8]:
    """Stretch an image (Y, X) to uint8, its percentiles to :data:`DARK` and :data:`BRIGHT`."""
    low, high = np.percentile(image, (5, 95))
    stretched = DARK + (image - low) * ((BRIGHT - DARK) / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(stretched), 0, 255), np.uint8)


def _add_reticulum(image: Floats, section: _Section, style: Style, rng: Generator) -> None:
    """Draw thin dark lines within cells, in place: reticulum and microtubules, no borders."""
    shape = image.shape
    field = smooth_noise(rng, shape, rng.uniform(40, 90) / style.pixel_size)
    slope = np.hypot(*np.gradient(field))
    lines = np.exp(-((field / (slope * style.membrane * 0.8 + 1e-3)) ** 2))
    lines *= smooth_noise(rng, shape, style.cell / 4) > rng.uniform(0.3, 1.5)
    room = np.clip(section.inside * style.pixel_size / 25 - 1, 0, 1)
    image -= style.reticulum * lines * room


def _add_nucleus(image: Floats, section: _Section, style: Style, rng: Generator) -> None:
    """Draw a nucleus in place: its envelope, which is no border of cells, and its chromatin."""
    distance = (1 - section.nucleus) * section.nucleus_radius
    is_within = np.clip(distance, 0, 1)
    chromatin = smooth_noise(rng, image.shape, 60 / style.pixel_size)
    image -= is_within * (rng.uniform(-10, 25) + 12 * chromatin)
    image -= 25 * is_within * np.maximum(chromatin - 0.8, 0)
    gap = 12 / style.pixel_size
    for side in (-gap, gap):
        image -= rng.uniform(30, 80) * np.exp(-(((distance - side) / style.membrane) ** 2))


def _damage(image: Floats, rng: Generator) -> None:
    """Add what cutting and handling leave, in place: folds, knife marks and dirt."""
    size = image.shape[0]
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    angle = rng.uniform(0, np.pi)
    across = (x - size / 2) * np.cos(angle) + (y - size / 2) * np.sin(angle)
    if rng.random() < 0.12:
        place = rng.uniform(-size / 2, size / 2) + 6 * smooth_noise(rng, image.shape, 40)
        image -= rng.uniform(30, 90) * np.exp(-(((across - place) / rng.uniform(3, 9)) ** 2))
    if rng.random() < 0.2:
        marks = smooth_noise(rng, (2 * size,), rng.uniform(1, 4))
        image += rng.uniform(2, 8) * marks[np.rint(across + size).astype(np.intp)]
    for _ in range(rng.poisson(0.6)):
        distance = np.hypot(*(grid - rng.uniform(0, size) for grid in (y, x)))
        spot = np.clip(rng.uniform(2, 9) - distance, 0, 1)
        image += spot * rng.choice([-110, -60, 70])


def _cover(image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: Generator) -> None:
    """Take a border of the tissue away, in place, as aligning sections does."""
    if rng.random() < 0.1:
        width = int(rng.integers(4, image.shape[0] // 6))
        turns = int(rng.integers(4))
        np.rot90(image, turns)[:width] = rng.choice([0, 255])
        np.rot90(labels, turns)[:width] = 255


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
