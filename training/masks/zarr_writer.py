"""Writing images and labels as OME-Zarr, 0.5 or 0.4, a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.files.atomic_folders import replacing_folder
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.masks.pyramid import halve
from training.masks.stack_writer import StackWriter, report_errors
from training.masks.zarr_image import ZarrImage


class ZarrWriter(StackWriter):
    """Writes an image ``a.zarr``, or labels ``a.zarr/labels/NAME``.

    Parameters
    ----------
    path, shape, dtype, pixel_size, offset
        As :class:`StackWriter`.
    **options
        As of :class:`ZarrImage`.

    Raises
    ------
    UserError
        As :class:`ZarrImage`; while writing, if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: Any,
        *,
        pixel_size: PixelSize | None = None,
        offset: Offset = NO_OFFSET,
        **options: Any,
    ) -> None:
        place: dict[str, Any] = {"pixel_size": pixel_size, "offset": offset}
        self._image = ZarrImage(path, shape, dtype, **place, **options)
        super().__init__(path, shape, dtype, pixel_size, offset)

    def _append(self, page: NDArray[Any]) -> None:
        for level, array in enumerate(self._arrays):
            page = halve(page, self._image.is_label) if level else page
            array[self._written] = page

    @contextmanager
    def _open(self) -> Iterator[None]:
        image = self._image
        place = replacing_folder(image.place, image.container, overwrite=image.overwrite)
        with place as folder:
            with report_errors(self._path):
                self._arrays = self._image.create(folder)
            yield
            self._check_whole()
        self._image.list_added()
