"""Opening TIF stacks in napari: lazily, at their pixel size, labels as Labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet.layers import (
    CONVENTION_KEY,
    MASK_OPACITY,
    TRUTH_COLOR,
    lay_labels_over,
    mask_colormap,
)
from napari_unet.pixel_size import PixelSize, read_pixel_size
from training.errors import UserError
from training.stack_file import DAMAGED_REMEDY, StackFile
from training.stacks import DEFAULT_IMAGES, DEFAULT_LABELS, to_membrane

LayerTuple = tuple[Any, dict[str, Any], str]
Reader = Callable[[Any], list[LayerTuple]]

LABEL_NAME = re.compile(
    r"(?<![a-z])(labels?|masks?|seg(mentation)?s?|gt|ground.?truth|annotations?)(?![a-z])", re.I
)
SAMPLED_SLICES = 5
EVEN_SHARE = 0.8
EDITABLE_BYTES = 512 * 2**20


def get_reader(path: str | list[str]) -> Reader | None:
    """napari's hook: how to read these files, or None to leave them to other readers.

    Left to others are colour images, several channels, time series, pyramids of whole slides,
    and folders without a pair of volume and labels.
    """
    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    if len(paths) == 1 and paths[0].is_dir():
        paths = [paths[0] / DEFAULT_IMAGES, paths[0] / DEFAULT_LABELS]
    if not all(one.is_file() and _is_grey_stack(one) for one in paths):
        return None
    return lambda _: read_layers(paths)


def read_layers(paths: list[Path]) -> list[LayerTuple]:
    """Layers of some stacks, images first, so that labels lie over them.

    Parameters
    ----------
    paths : list of Path
        TIF files. Labels without a pixel size of their own take that of an image of the same
        shape, be it among the files or in the viewer.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    stacks = [OpenedStack.read(path) for path in paths]
    images = [stack for stack in stacks if stack.convention is None and not stack.is_labels]
    labels = [stack for stack in stacks if stack not in images]
    if images:
        _arrange_after_adding(images)
    return [stack.as_layer(images) for stack in images + labels]


@dataclass(frozen=True, eq=False)
class OpenedStack:
    """A stack in a file, and what it was recognized as.

    Parameters
    ----------
    path : Path
        The file.
    data : array (Z, Y, X) or (Y, X)
        Lazy, in native byte order, pixels as in the file.
    pixel_size : PixelSize or None
        As the file tells it.
    is_labels : bool
        Whether its pixels are labels.
    convention : str or None
        Of a mask of two values: ``isbi`` (0 is membrane) or ``membrane``.
    """

    path: Path
    data: Any
    pixel_size: PixelSize | None
    is_labels: bool
    convention: str | None

    @classmethod
    def read(cls, path: Path) -> OpenedStack:
        with StackFile(path) as stack:
            picked = np.linspace(0, len(stack) - 1, SAMPLED_SLICES).round().astype(int)
            sample = np.stack([stack[int(index)] for index in np.unique(picked)])
            data = _lazy_pixels(path, stack.shape)
        convention = mask_convention(sample)
        is_labels = convention is not None or (
            LABEL_NAME.search(path.stem) is not None and _is_even(sample)
        )
        return cls(path, data, read_pixel_size(path), is_labels, convention)

    def as_layer(self, images: list[OpenedStack]) -> LayerTuple:
        """A layer tuple for napari; labels may take their scale from one of the images."""
        metadata: dict[str, Any] = {"name": self.path.name.split(".")[0]}
        metadata |= self._scale(images)
        if not self.is_labels:
            return self.data, metadata, "image"
        if self.convention is None:
            return _editable(self.data), metadata, "labels"
        metadata |= {
            "colormap": mask_colormap(TRUTH_COLOR),
            "opacity": MASK_OPACITY,
            "metadata": {CONVENTION_KEY: self.convention},
        }
        convention = self.convention
        chunks = (1,) * (self.data.ndim - 2) + self.data.shape[-2:]
        membrane = da.from_array(self.data, chunks=chunks).map_blocks(
            lambda block: to_membrane(block, convention).astype(np.uint8), dtype=np.uint8
        )
        return _editable(membrane), metadata, "labels"

    def _scale(self, images: list[OpenedStack]) -> dict[str, Any]:
        size = self.pixel_size
        if size is None and self.is_labels:
            alike = (image.pixel_size for image in images if image.data.shape == self.data.shape)
            size = next(alike, None)
            if size is None:
                return _scale_in_viewer(self.data.shape)
        if size is None:
            return {}
        ndim = self.data.ndim
        depth = size.y if size.z is None else size.z
        return {"scale": (depth, size.y, size.x)[-ndim:], "units": ("nm",) * ndim}


def mask_convention(sample: NDArray[Any]) -> str | None:
    """Convention of a mask of two values, one of them 0; None if it isn't such a mask.

    Membranes cover less than half of any section, so the rarer value is membrane. That agrees
    with ISBI's labels, and takes those the other way round for what they are.
    """
    if sample.dtype.kind not in "bui" or not _has_two_values(sample):
        return None
    return "isbi" if np.count_nonzero(sample) * 2 >= sample.size else "membrane"


def _has_two_values(sample: NDArray[Any]) -> bool:
    low, high = sample.min(), sample.max()
    return bool(low == 0 and high > 0 and np.all((sample == low) | (sample == high)))


def _is_even(sample: NDArray[Any]) -> bool:
    """Whether neighbouring pixels mostly have the same value, as labels have, images not."""
    if sample.dtype.kind not in "bui":
        return False
    return bool(np.mean(sample[..., 1:] == sample[..., :-1]) >= EVEN_SHARE)


def _is_grey_stack(path: Path) -> bool:
    """Whether it is a stack for us. A damaged file is, so that reading it tells what is wrong."""
    try:
        with StackFile(path):
            pass
    except UserError as error:
        return error.remedy == DAMAGED_REMEDY
    with tifffile.TiffFile(path) as file:
        return not file.series[0].is_pyramidal


def _lazy_pixels(path: Path, shape: tuple[int, int, int]) -> Any:
    """Pixels mapped from the file where they lie in a row, else decoded page by page."""
    squeezed = shape if shape[0] > 1 else shape[1:]
    try:
        pixels: Any = tifffile.memmap(path, mode="r").reshape(squeezed)
    except ValueError:  # compressed or scattered
        import zarr

        store = tifffile.imread(path, aszarr=True, chunkmode="page")
        pixels = da.from_zarr(zarr.open(store, mode="r")).reshape(squeezed)
    if pixels.dtype.isnative:
        return pixels
    chunks = (1,) * (len(squeezed) - 2) + squeezed[-2:]
    return da.asarray(pixels, chunks=chunks).astype(pixels.dtype.newbyteorder("="))


def _editable(labels: Any) -> Any:
    """Labels in memory, where they can be painted on, unless there are too many."""
    return labels if labels.nbytes > EDITABLE_BYTES else np.array(labels)


def _scale_in_viewer(shape: tuple[int, ...]) -> dict[str, Any]:
    from napari import current_viewer
    from napari.layers import Image

    viewer = current_viewer()
    for layer in viewer.layers if viewer else ():
        if isinstance(layer, Image) and layer.data.shape == shape:
            return {"scale": layer.scale, "units": layer.units}
    return {}


def _arrange_after_adding(images: list[OpenedStack]) -> None:
    """Once napari has added these images, put them under labels that are there already."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        return
    waiting = [id(image.data) for image in images]

    def _on_inserted(event: Any) -> None:
        if id(event.value.data) in waiting:
            waiting.remove(id(event.value.data))
            lay_labels_over(viewer, event.value)
        if not waiting:
            viewer.layers.events.inserted.disconnect(_on_inserted)

    viewer.layers.events.inserted.connect(_on_inserted, position="last")
