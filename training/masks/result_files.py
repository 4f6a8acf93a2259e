"""The files that a prediction is written to, slice by slice: mask, probability, submission."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.label_convention import LabelConvention
from training.masks.mask_files import mask_page, submission_page
from training.masks.result_warnings import share_warning
from training.masks.tif_writer import TifWriter, check_output, check_tif_output

RESULT_ENDINGS = {
    "mask": ".tif",
    "probability": ".tif",
    "submission": ".tif",
    "uncertainty": ".csv",
    "neurons": ".tif",
}
"""The endings of results of each kind, where only their folder is named."""


def check_outputs(stack: Path, results: Mapping[str, Path], overwrite: bool = False) -> None:
    """Refuse results that can't be written; call before any long work.

    Parameters
    ----------
    stack : Path
        What they are made of.
    results : mapping of str to Path
        By kind, see :data:`RESULT_ENDINGS`.
    overwrite : bool
        Whether files that are there may be replaced.

    Raises
    ------
    UserError
        As :func:`tif_writer.check_tif_output`; if one is the stack, or two have the same name.
    """
    for kind, path in results.items():
        check = check_output if RESULT_ENDINGS[kind] == ".csv" else check_tif_output
        check(path, overwrite)
    files = [os.path.realpath(path) for path in results.values()]  # resolve fails for a ring
    if os.path.realpath(stack) in files:
        raise UserError(f"{stack} is the stack itself.", "Choose another name for the result.")
    if len({*files}) < len(files):
        raise UserError("Two results have the same name.", "Choose a name for each.")


class Extent(Protocol):
    """How large results are, in pixels (Z, Y, X), and how large their pixels are."""

    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def pixel_size(self) -> PixelSize | None: ...


class ResultFiles:
    """Writes the TIFs of a prediction, a slice at a time. Use it in a ``with`` statement.

    They appear under their names when they are complete.

    Parameters
    ----------
    paths : mapping of str to Path
        By kind: ``mask``, ``probability`` (of membrane) and ``submission`` (the ISBI 2012
        challenge's form).
    extent : Extent
        Of the results: a stack that is predicted, or what is predicted of it.
    threshold : float
        Probability from which on a pixel is membrane.
    convention : LabelConvention
        Of the mask, see :func:`mask_files.mask_page`.
    **options
        ``compression`` and ``overwrite`` of :class:`tif_writer.TifWriter`.

    Raises
    ------
    UserError
        As :class:`tif_writer.TifWriter`.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        extent: Extent,
        threshold: float,
        convention: LabelConvention,
        **options: Any,
    ) -> None:
        self._writers = {
            kind: TifWriter(
                path,
                extent.shape,
                "uint8" if kind == "mask" else "float32",
                pixel_size=extent.pixel_size,
                **options,
            )
            for kind, path in paths.items()
        }
        self._threshold, self._convention = threshold, convention
        self._pixels = math.prod(extent.shape)
        self._membrane = 0
        self._opened = ExitStack()

    def write(self, probability: NDArray[np.float32]) -> None:
        """Append the next slice: the probability of membrane (Y, X), float32 from 0 to 1.

        Raises
        ------
        UserError
            As :meth:`tif_writer.TifWriter.write`.
        """
        self._membrane += np.count_nonzero(probability >= self._threshold)
        for kind, writer in self._writers.items():
            writer.write(self._page(kind, probability))

    def warning(self) -> str:
        """Say what speaks against the whole mask; empty where nothing does."""
        return share_warning(self._membrane, self._pixels)

    def _page(self, kind: str, probability: NDArray[np.float32]) -> NDArray[Any]:
        if kind == "mask":
            return mask_page(probability >= self._threshold, self._convention)
        return submission_page(probability) if kind == "submission" else probability

    def __enter__(self) -> ResultFiles:
        with ExitStack() as opened:
            for writer in self._writers.values():
                opened.enter_context(writer)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)
