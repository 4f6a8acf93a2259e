"""A made-up stack of serial sections, to try and test everything without data of one's own.

Tissue is modelled in three dimensions and then cut: cells are a warped Voronoi partition, and
a section shows the mean of its thickness, so that membranes that lie oblique to the cut are
wide and blurred, as in an electron microscope. Mitochondria have dark borders of their own,
which the labels do not call membrane, and vesicles and stain make the task less than trivial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from training.files.atomic_files import replacing
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.stacks.sparse_labels import LabelNote

Floats = NDArray[np.float32]
OnSlice = Callable[[int, int], None]
MEMBRANE, MITOCHONDRIA = 1, 2
"""Of the classes' labels."""
CLASSES = "membrane=1,mitochondria=2"
"""Their names, as the option ``classes`` has them; 0 is the background."""

_SECTION_SPACING = 4.5  # distance from section to section, in pixels of the image
_LEVELS = 3  # cuts whose mean is one section
_CELL_VOLUME = 62.0**3  # mean volume of a cell, in cubic pixels
_MARGIN = 40.0  # cells and organelles are laid out this far beyond the stack, in pixels
_COARSE = 2  # the partition is smooth: it is computed on every second pixel
_MEMBRANE_WIDTH = 2.4  # scale of the distance at which a membrane's darkness fades, in pixels
_MITOCHONDRION_CUTOFF = 0.5  # part of its body or border from which on a pixel is labelled so
_LABEL_CUTOFF = 0.38  # part of the full darkness from which on a pixel is labelled membrane


def _ignore(done: int, total: int) -> None: ...


def synthetic_stack(
    slices: int = 30, size: int = 256, seed: int = 0, on_slice: OnSlice = _ignore
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make images and labels that look like serial-section transmission electron microscopy.

    Parameters
    ----------
    slices : int
        Number of sections Z.
    size : int
        Height and width of a section, in pixels; even.
    seed : int
        Seed of everything random: the same seed gives the same stack.
    on_slice : callable
        Called after each section with the number of those done and of all. What it raises ends
        the work.

    Returns
    -------
    images : array (Z, Y, X) of uint8
        Membranes are dark.
    labels : array (Z, Y, X) of uint8
        In ISBI's convention: 0 = membrane, 255 = inside of a cell.
    """
    images, classes = synthetic_classes(slices, size, seed, on_slice)
    return images, np.where(classes == MEMBRANE, 0, 255).astype(np.uint8)


def synthetic_classes(
    slices: int = 30, size: int = 256, seed: int = 0, on_slice: OnSlice = _ignore
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make the images of :func:`synthetic_stack` with labels of three classes.

    Parameters
    ----------
    slices, size, seed, on_slice
        As there.

    Returns
    -------
    images : array (Z, Y, X) of uint8
    labels : array (Z, Y, X) of uint8
        0 = inside of a cell, 1 = membrane, 2 = mitochondria with their own borders.
    """
    images = np.empty((slices, size, size), dtype=np.uint8)
    labels = np.zeros_like(images)
    for z, (section, image) in enumerate(_sections(slices, size, seed)):
        images[z] = image
        for radius, _ in section.mitochondria:
            drawn = np.maximum(*_mitochondrion(section, radius))
            labels[z][drawn > _MITOCHONDRION_CUTOFF] = MITOCHONDRIA
        labels[z][section.membrane > _LABEL_CUTOFF] = MEMBRANE
        on_slice(z + 1, slices)
    return images, labels


def synthetic_neurons(
    slices: int = 30, size: int = 256, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Make the images of :func:`synthetic_stack` with the cells, followed through all sections.

    Parameters
    ----------
    slices, size, seed : int
        As there.

    Returns
    -------
    images : array (Z, Y, X) of uint8
    neurons : array (Z, Y, X) of int32
        0 = membrane, as in the labels there; a cell has one number in all sections.
    """
    images = np.empty((slices, size, size), dtype=np.uint8)
    neurons = np.zeros(images.shape, np.int32)
    for z, (section, image) in enumerate(_sections(slices, size, seed)):
        images[z] = image
        neurons[z] = np.where(section.membrane > _LABEL_CUTOFF, 0, section.cell + 1)
    return images, neurons


def write_synthetic(
    folder: Path, slices: int = 30, size: int = 256, seed: int = 0, *, has_classes: bool = False
) -> None:
    """Write train-volume.tif, train-labels.tif and test-volume.tif as ISBI names them.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. Files of these names are overwritten.
    slices, size, seed : int
        As in :func:`synthetic_stack`; the test volume is another tissue of the same size.
    has_classes : bool
        Write the labels of :func:`synthetic_classes`; the file names their classes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = synthetic_classes if has_classes else synthetic_stack
    images, labels = draw(slices, size, seed)
    test_images, _ = draw(slices, size, seed + 1)
    stacks = {"train-volume": images, "train-labels": labels, "test-volume": test_images}
    note = LabelNote(LabelConvention.CLASSES, classes=LabelClasses.parse(CLASSES)).line()
    notes = {"train-labels": note} if has_classes else {}
    for name, stack in stacks.items():
        with replacing(folder / f"{name}.tif") as file:
            tifffile.imwrite(
                file,
                stack,
                compression="zlib",
                photometric="minisblack",
                description=notes.get(name),
            )


def _sections(slices: int, size: int, seed: int) -> Iterator[tuple[_Section, NDArray[np.uint8]]]:
    """Give each section of a tissue, and its micrograph (Y, X)."""
    rng = np.random.default_rng(seed)
    tissue = _Tissue.grow(slices, size, rng)
    for z in range(slices):
        section = tissue.cut(z)
        yield section, _photograph(section, rng)


@dataclass(frozen=True)
class _Section:
    """What a section of the tissue holds, before it is photographed. Arrays are (Y, X)."""

    membrane: Floats  # 0..1: how much membrane there is in the depth of the section
    inside: Floats  # distance to the nearest membrane, in pixels
    cell: NDArray[np.intp]  # which cell a pixel belongs to
    cytoplasm: Floats  # brightness of the cytoplasm
    mitochondria: list[tuple[Floats, Floats]]  # (radius: 1 = border, cristae: -1..1) of each


@dataclass(frozen=True)
class _Tissue:
    """Cells and organelles in a block. Positions are (N, 3) as z, y, x in pixels."""

    size: int
    seeds: Floats
    weights: Floats  # (N,) squared pixels: cells of larger weight are larger
    brightness: Floats  # (N,) of a cell's cytoplasm
    warp: Floats  # (3, Z * _LEVELS, Y, X) displacement of the cut, coarse
    thickness: Floats  # (Z, Y, X) factor on the width of membranes, coarse
    organelles: Floats  # (M, 3) centres of mitochondria
    shapes: Floats  # (M, 4): semi-axes z, long, short in pixels; angle in radians

    @classmethod
    def grow(cls, slices: int, size: int, rng: np.random.Generator) -> _Tissue:
        low = np.array([-_MARGIN] * 3)
        high = np.array([slices * _SECTION_SPACING, size, size]) + _MARGIN
        cells = max(8, round(float(np.prod(high - low)) / _CELL_VOLUME))
        organelles = max(2, cells // 2)
        coarse = (size // _COARSE, size // _COARSE)
        warp = [
            7.0 * _smooth_noise(rng, (slices * _LEVELS, *coarse), (9, 13, 13))
            + 1.2 * _smooth_noise(rng, (slices * _LEVELS, *coarse), (4, 4, 4))
            for _ in range(3)
        ]
        jitter = np.repeat(rng.normal(0, 0.8, (2, slices)), _LEVELS, axis=1)
        warp[1] += jitter[0, :, None, None]
        warp[2] += jitter[1, :, None, None]
        axes = rng.uniform([18, 12, 7], [40, 21, 12], (organelles, 3))
        angle = rng.uniform(0, np.pi, (organelles, 1))
        return cls(
            size=size,
            seeds=rng.uniform(low, high, (cells, 3)).astype(np.float32),
            weights=rng.normal(0, 500, cells).astype(np.float32),
            brightness=rng.normal(162, 9, cells).astype(np.float32),
            warp=np.stack(warp).astype(np.float32),
            thickness=np.exp(0.28 * _smooth_noise(rng, (slices, *coarse), (1, 9, 9))),
            organelles=rng.uniform(low, high, (organelles, 3)).astype(np.float32),
            shapes=np.hstack([axes, angle]).astype(np.float32),
        )

    def cut(self, z: int) -> _Section:
        """Cut the section at index ``z``: the mean of the membranes through its depth."""
        depths = (np.arange(_LEVELS) + 0.5) / _LEVELS
        darkness = []
        for level, depth in enumerate(depths):
            position = self._positions((z + float(depth)) * _SECTION_SPACING, z * _LEVELS + level)
            distance, cell = self._partition(position)
            if level == _LEVELS // 2:
                middle, middle_distance, middle_cell = position, distance, cell
            width = _MEMBRANE_WIDTH * self.thickness[z]
            darkness.append(np.exp(-((distance / width) ** 2)))
        membrane = self._enlarge(np.mean(darkness, axis=0))
        inside = self._enlarge(middle_distance)
        cell = np.kron(middle_cell, np.ones((_COARSE, _COARSE), dtype=np.intp))
        return _Section(
            membrane=np.clip(membrane, 0, 1),
            inside=inside,
            cell=cell,
            cytoplasm=self._enlarge(ndimage.gaussian_filter(self.brightness[middle_cell], 1.5)),
            mitochondria=self._mitochondria(middle),
        )

    def _positions(self, depth: float, level: int) -> Floats:
        """Find where in the tissue the pixels of a cut lie: (3, Y, X), coarse."""
        line = np.arange(0.5, self.size, _COARSE, dtype=np.float32)
        y, x = np.meshgrid(line, line, indexing="ij")
        return np.asarray(
            np.stack([np.full_like(y, depth), y, x]) + self.warp[:, level], np.float32
        )

    def _partition(self, position: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Find the distance to the nearest border of cells, in pixels, and the cell; coarse (Y, X).

        In a power diagram the difference of the two smallest power distances, over twice the
        distance of their seeds, is the distance to the plane between the two cells.
        """
        points = position.reshape(3, -1)
        power = (self.seeds**2).sum(1)[:, None] - 2 * self.seeds @ points - self.weights[:, None]
        nearest = power.argmin(axis=0)
        columns = np.arange(points.shape[1])
        smallest = power[nearest, columns]
        power[nearest, columns] = np.inf
        second = power.argmin(axis=0)
        apart = np.linalg.norm(self.seeds[nearest] - self.seeds[second], axis=1)
        distance = (power[second, columns] - smallest) / (2 * apart)
        shape = position.shape[1:]
        return np.asarray(distance.reshape(shape), np.float32), nearest.reshape(shape)

    def _mitochondria(self, position: Floats) -> list[tuple[Floats, Floats]]:
        """Find radius and cristae of every mitochondrion that the section meets, in full size."""
        found = []
        for centre, (depth, long, short, angle) in zip(self.organelles, self.shapes, strict=True):
            dz, dy, dx = position - centre[:, None, None]
            along = dx * np.cos(angle) + dy * np.sin(angle)
            across = dy * np.cos(angle) - dx * np.sin(angle)
            radius = np.sqrt((dz / depth) ** 2 + (along / long) ** 2 + (across / short) ** 2)
            if radius.min() < 1:
                cristae = np.sin(across * 1.1 + 1.5 * np.sin(along * 0.25))
                found.append((self._enlarge(radius), self._enlarge(cristae)))
        return found

    def _enlarge(self, coarse: Floats) -> Floats:
        enlarged = ndimage.zoom(coarse, _COARSE, order=1, mode="nearest", grid_mode=True)
        return np.asarray(enlarged, dtype=np.float32)


def _photograph(section: _Section, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make the micrograph of a section: (Y, X) of uint8."""
    shape = section.membrane.shape
    image = section.cytoplasm.copy()
    image += 8 * _smooth_noise(rng, shape, (2.5, 2.5)) + 6 * _smooth_noise(rng, shape, (9, 9))
    _add_vesicles(image, section, rng)
    for radius, cristae in section.mitochondria:
        _add_mitochondrion(image, section, radius, cristae)
    contrast = 114 + 20 * _smooth_noise(rng, shape, (14, 14))
    image -= contrast * section.membrane
    stain = np.clip(_smooth_noise(rng, shape, (16, 16)) - 1.5, 0, 1)
    image -= 60 * stain * np.exp(-section.inside / 12)
    image = ndimage.gaussian_filter(image, rng.uniform(0.5, 0.9))
    image += 15 * _smooth_noise(rng, shape, (0.6, 0.6)) + 6 * rng.standard_normal(shape)
    image += 5 * _smooth_noise(rng, shape, (40, 40))
    gain, offset = rng.normal(1.0, 0.06), rng.normal(0, 7)
    image = (image - 128) * gain + 128 + offset
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def _add_mitochondrion(image: Floats, section: _Section, radius: Floats, cristae: Floats) -> None:
    """Draw a mitochondrion in place."""
    body, border = _mitochondrion(section, radius)
    image -= body * (34 + 22 * cristae)
    image -= 52 * border


def _mitochondrion(section: _Section, radius: Floats) -> tuple[Floats, Floats]:
    """Lay a mitochondrion into the cell of its middle, clear of that cell's membrane.

    Gives its body, and the border of that, as 0 to 1 (Y, X).
    """
    middle = np.unravel_index(radius.argmin(), radius.shape)
    room = 1 / (1 + np.exp(-(section.inside - 6) / 0.8))
    room *= section.cell == section.cell[middle]
    body = room / (1 + np.exp(np.minimum((radius - 1) * 25, 80)))  # float32 holds e**88
    return body, room * np.exp(-(((radius - 0.97) * 7) ** 2))


def _add_vesicles(image: Floats, section: _Section, rng: np.random.Generator) -> None:
    """Draw small dark rings in the cytoplasm, in place; they cluster, as at synapses."""
    size = image.shape[0]
    clusters = rng.uniform(0, size, (max(1, size // 40), 2))
    count = size // 3
    places = clusters[rng.integers(len(clusters), size=count)] + rng.normal(0, 16, (count, 2))
    places[::3] = rng.uniform(0, size, places[::3].shape)
    reach = np.arange(-6, 7)
    for y, x in places:
        row, column = int(y), int(x)
        if not (6 <= row < size - 6 and 6 <= column < size - 6):
            continue
        if section.inside[row, column] < 9:
            continue
        window = (slice(row - 6, row + 7), slice(column - 6, column + 7))
        distance = np.hypot(reach[:, None] - y % 1, reach[None, :] - x % 1)
        image[window] -= rng.uniform(20, 55) * np.exp(-((distance - rng.uniform(2, 3.6)) ** 2))


def _smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, ...]
) -> Floats:
    """Make Gaussian noise of mean 0 and deviation 1, correlated over ``sigma`` pixels an axis."""
    noise = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap", truncate=3
    )
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)
