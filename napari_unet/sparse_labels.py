"""Sparse labels as TIF: 0 = unknown, 1 = membrane, 2 = inside, with a note that says so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet.pixel_size import PixelSize
from napari_unet.tif import TifWriter
from training.sparse import LabelNote


def write_sparse_labels(
    path: Path,
    labels: Any,
    corrected_slices: Iterable[int] = (),
    *,
    pixel_size: PixelSize | None = None,
    overwrite: bool = False,
) -> None:
    """Write sparse labels as 8-bit pages, whole or not at all.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        Of 0, 1 and 2. May be a dask array.
    corrected_slices : iterable of int
        Slices that a person corrected throughout; kept in the file's note.

    Raises
    ------
    UserError
        As :class:`TifWriter`.
    """
    note = LabelNote("sparse", tuple(corrected_slices)).line()
    shape = tuple(labels.shape)
    with TifWriter(
        path, shape, np.uint8, pixel_size=pixel_size, note=note, overwrite=overwrite
    ) as writer:
        for page in labels:
            writer.write(np.asarray(page))
