"""Opening TIF stacks in napari: lazily, at their pixel size, labels as Labels."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_unet.layers import (
    CONVENTION_KEY,
    CORRECTED_KEY,
    MASK_OPACITY,
    SPARSE,
    TRUTH_COLOR,
    lay_labels_over,
    mask_colormap,
    sparse_colormap,
)
from napari_unet.pixel_size import PixelSize, read_pixel_size
from training.errors import UserError
from training.sparse import LabelNote, read_label_note
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
        if not all(one.is_file() for one in paths):
            return None
    files: list[StackFile] = []
    try:
        files.extend(StackFile(one) for one in paths)
        is_ours = not any(file.series.is_pyramidal for file in files)
    except UserError as error:
        _close(files)
        return _raiser(error) if error.remedy == DAMAGED_REMEDY else None
    if not is_ours:
        _close(files)
        return None
    return lambda _: read_layers(files)


def read_layers(files: list[StackFile]) -> list[LayerTuple]:
    """Layers of some stacks, images first, so that labels lie over them.

    Labels without a pixel size of their own take that of an image of the same shape, be it
    among the files or in the viewer.

    Parameters
    ----------
    files : list of StackFile
        They are closed as soon as their pixels are no longer needed.
    """
    try:
        stacks = [OpenedStack.of(file) for file in files]
    except UserError:
        _close(files)
        raise
    images = [stack for stack in stacks if not stack.is_labels]
    labels = [stack for stack in stacks if stack.is_labels]
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
    note : LabelNote or None
        What the file says of its labels.
    """

    path: Path
    data: Any
    pixel_size: PixelSize | None
    is_labels: bool
    convention: str | None
    note: LabelNote | None = None

    @classmethod
    def of(cls, file: StackFile) -> OpenedStack:
        """Look at a few slices to recognize what is in a file."""
        picked = np.linspace(0, len(file) - 1, SAMPLED_SLICES).round().astype(int)
        sample = np.stack([file[int(index)] for index in np.unique(picked)])
        note = read_label_note(file.path)
        convention = mask_convention(sample)
        is_labels = (
            note is not None
            or convention is not None
            or (LABEL_NAME.search(file.path.stem) is not None and _is_even(sample))
        )
        size = read_pixel_size(file.path)
        return cls(file.path, _lazy_pixels(file), size, is_labels, convention, note)

    def as_layer(self, images: list[OpenedStack]) -> LayerTuple:
        """A layer tuple for napari; labels may take their scale from one of the images."""
        metadata: dict[str, Any] = {"name": self.path.name.split(".")[0]}
        metadata |= self._scale(images)
        if not self.is_labels:
            return self.data, metadata, "image"
        if self.note is not None and self.note.convention == SPARSE:
            metadata |= {
                "colormap": sparse_colormap(),
                "opacity": MASK_OPACITY,
                "metadata": {CONVENTION_KEY: SPARSE} | self._corrected,
            }
            return _editable(self.data), metadata, "labels"
        if self.convention is None:
            return _editable(self.data), metadata, "labels"
        metadata |= {
            "colormap": mask_colormap(TRUTH_COLOR),
            "opacity": MASK_OPACITY,
            "metadata": {CONVENTION_KEY: self.convention} | self._corrected,
        }
        convention = self.convention
        pixels = da.asarray(self.data, chunks=_page_chunks(self.data.shape))
        membrane = pixels.map_blocks(
            lambda block: to_membrane(block, convention).astype(np.uint8), dtype=np.uint8
        )
        return _editable(membrane), metadata, "labels"

    @property
    def _corrected(self) -> dict[str, list[int]]:
        return {} if self.note is None else {CORRECTED_KEY: list(self.note.corrected_slices)}

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


def _raiser(error: UserError) -> Reader:
    """A reader that says what is wrong with a file, as other readers would not."""

    def read(_: Any) -> list[LayerTuple]:
        raise error

    return read


def _close(files: list[StackFile]) -> None:
    for file in files:
        file.close()


def _lazy_pixels(file: StackFile) -> Any:
    """Pixels mapped from the file where they lie in a row, else decoded page by page."""
    shape = file.shape if len(file) > 1 else file.shape[1:]
    series = file.series
    if series.dataoffset is not None and series.keyframe.is_final:
        dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        file.close()
        pixels: Any = np.memmap(file.path, dtype, "r", series.dataoffset, shape)
        if dtype.isnative:
            return pixels
        return da.from_array(pixels, chunks=_page_chunks(shape)).astype(file.dtype)
    import zarr

    store = series.aszarr(chunkmode="page")
    weakref.finalize(store, file.close)
    return da.from_zarr(zarr.open(store, mode="r")).reshape(shape).astype(file.dtype)


def _page_chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(shape) - 2) + shape[-2:]


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
