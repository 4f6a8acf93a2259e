"""Writing masks, numbers of objects and probabilities, in the conventions of labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.label_convention import LabelConvention
from training.masks.writer_choice import write_stack
from training.stacks.sparse_labels import LabelNote


def write_sparse_labels(
    path: Path,
    labels: Any,
    corrected_slices: Iterable[int] = (),
    **options: Any,
) -> None:
    """Write sparse labels as 8-bit pages, whole or not at all.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
        Values 0, 1 and 2. May be a dask array.
    corrected_slices : iterable of int
        Slices that a person corrected throughout; kept in the file's note.
    **options
        ``pixel_size``, ``offset`` and ``overwrite`` of :func:`writer_choice.open_writer`.

    Raises
    ------
    UserError
        As :func:`writer_choice.open_writer`.
    """
    note = LabelNote(LabelConvention.SPARSE, tuple(corrected_slices)).line()
    write_stack(path, labels, np.uint8, is_label=True, note=note, **options)


def write_numbers(path: Path, numbers: Any, largest: int, **options: Any) -> None:
    """Write numbers of objects, such as neurons, with a note that says what they are.

    Parameters
    ----------
    path : Path
        The file to write.
    numbers : array (Z, Y, X) or (Y, X) of int
        0 and more. May be a dask array.
    largest : int
        The largest of them.
    **options
        ``compression``, ``pixel_size``, ``offset`` and ``overwrite`` of
        :func:`writer_choice.open_writer`.

    Raises
    ------
    UserError
        As :func:`writer_choice.open_writer`.
    """
    dtype = label_dtype(numbers.dtype, largest)
    note = LabelNote(convention=None).line()
    write_stack(path, numbers, dtype, is_label=True, note=note, **options)


def mask_page(
    membrane: NDArray[Any], convention: LabelConvention = LabelConvention.ISBI
) -> NDArray[np.uint8]:
    """Make a page (Y, X) of uint8, 0 and 255, of a slice of a mask.

    Parameters
    ----------
    membrane : array (Y, X)
        Any dtype. Other values than 0 are membrane.
    convention : LabelConvention
        ``isbi``: membrane is 0. ``membrane``: membrane is 255.
    """
    is_white = np.asarray(membrane, np.bool_)
    is_white = is_white if convention == LabelConvention.MEMBRANE else ~is_white
    page: NDArray[np.uint8] = is_white.view(np.uint8) * np.uint8(255)
    return page


def submission_page(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a slice (Y, X) the form of the ISBI 2012 challenge: 0 is surely membrane, 1 surely not.

    ``probability`` is that of membrane, float32 from 0 to 1.
    """
    return np.float32(1) - probability


def write_mask(
    path: str | Path,
    membrane: Any,
    convention: LabelConvention = LabelConvention.ISBI,
    **options: Any,
) -> None:
    """Write a whole mask as 8-bit pages.

    Parameters
    ----------
    path : str or Path
        The file to write.
    membrane : array (Z, Y, X) or (Y, X)
        Any dtype. Other values than 0 are membrane. May be a dask array.
    convention : LabelConvention
        See :func:`mask_page`.
    **options
        ``compression``, ``pixel_size``, ``offset``, ``note`` and ``overwrite`` of
        :func:`writer_choice.open_writer`.

    Raises
    ------
    UserError
        As :func:`writer_choice.open_writer`.
    """

    def to_page(page: NDArray[Any]) -> NDArray[np.uint8]:
        return mask_page(page, convention)

    write_stack(Path(path), membrane, np.uint8, to_page, is_label=True, **options)


def write_probability(
    path: str | Path, probability: Any, *, is_submission: bool = False, **options: Any
) -> None:
    """Write a probability of membrane as float32 pages.

    Parameters
    ----------
    path : str or Path
        The file to write.
    probability : array (Z, Y, X) or (Y, X) of float32
        From 0 to 1. May be a dask array.
    is_submission : bool
        Whether it is written in the challenge's form, see :func:`submission_page`.
    **options
        As for :func:`write_mask`.

    Raises
    ------
    UserError
        As :func:`writer_choice.open_writer`.
    """
    to_page = submission_page if is_submission else np.asarray
    write_stack(Path(path), probability, np.float32, to_page, is_label=False, **options)


def label_dtype(dtype: np.dtype[Any], largest: int) -> np.dtype[Any]:
    """Choose a dtype to save labels: 8 and 16 bits stay; wider ones get the fewest bits that fit.

    These are 16 at least; more programs read 16 bits than 32.
    """
    if dtype in (np.uint8, np.uint16):
        return dtype
    fitting = (np.uint16, np.uint32, np.uint64)
    return np.dtype(next(kind for kind in fitting if largest <= np.iinfo(kind).max))
