"""The files that a prediction is written to, slice by slice: mask, probability, submission."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import permutations
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.label_classes import NO_CLASSES, NO_THRESHOLDS, LabelClasses
from training.label_convention import LabelConvention
from training.masks.mask_files import mask_page, submission_page
from training.masks.mrc_writer import MRC_ENDINGS
from training.masks.result_checks import check_kept, check_tables
from training.masks.result_warnings import share_warning
from training.masks.tif_writer import TIF_ENDINGS
from training.masks.writer_choice import check_stack_output, is_stack_name, is_zarr, open_writer
from training.masks.zarr_image import partial_folder

RESULT_FORMATS = ("tif", "zarr", "h5", "mrc")
"""Of results where only their folder is named."""
LABEL_FORMATS = ("tif", "zarr", "h5")
"""Those that hold numbers of neurons."""
PROBABILITY_DTYPES = ("float32", "float16", "uint8")
"""Of probabilities that are written; in uint8, 255 is 1."""
_LABELS = ("mask", "neurons")
_NOT_WRITTEN = {
    **dict.fromkeys(TIF_ENDINGS, ("float16",)),
    **dict.fromkeys(MRC_ENDINGS, ("float16", "uint8")),
}
_TABLES = ("uncertainty",)


def result_name(stack: str, kind: str, file_format: str = "tif") -> str:
    """Name a result after its stack, within a folder.

    Parameters
    ----------
    stack : str
        Name of the stack.
    kind : str
        ``mask``, ``neurons``, ``probability``, ``submission`` or ``uncertainty``.
    file_format : str
        One of :data:`RESULT_FORMATS`. Labels are TIFs where it is ``mrc``; tables are CSV.
    """
    if kind in _TABLES:
        return f"{stack}.csv"
    if file_format == "h5":
        return f"{stack}.h5/{kind}"
    return f"{stack}.tif" if kind in _LABELS and file_format == "mrc" else f"{stack}.{file_format}"


def check_outputs(stack: Path, results: Mapping[str, Path], overwrite: bool = False) -> None:
    """Refuse results that can't be written; call before any long work.

    Parameters
    ----------
    stack : Path
        What they are made of.
    results : mapping of str to Path
        By kind, see :func:`result_name`.
    overwrite : bool
        Whether files that are there may be replaced.

    Raises
    ------
    UserError
        As :func:`writer_choice.check_stack_output` and :func:`result_checks.check_kept`; if two
        have the same name.
    """
    goes_on = is_begun(results.values())
    for kind, path in results.items():
        if kind in _TABLES:
            check_tables([path], overwrite)
        else:
            # What is there may be a result of the run that is gone on with, which that finds out.
            is_replaced = overwrite or (goes_on and is_zarr(path))
            check_stack_output(path, kind in _LABELS, is_replaced)
    check_kept(results.values(), [stack])
    files = [Path(os.path.realpath(path)) for path in results.values()]
    if any(one.is_relative_to(other) for one, other in permutations(files, 2)):
        raise UserError("Two results have the same name.", "Choose a name for each.")


def is_begun(results: Iterable[Path]) -> bool:
    """Whether some results that grow chunk by chunk were begun, and are not whole yet."""
    return any(is_zarr(path) and partial_folder(path).exists() for path in results)


def check_probability_dtype(path: Path, dtype: str, file_format: str | None = None) -> None:
    """Refuse probabilities that a format is not written with; call before any long work.

    Parameters
    ----------
    path : Path
        The result, or a folder of them.
    dtype : str
        One of :data:`PROBABILITY_DTYPES`.
    file_format : str or None
        Of results in a folder, see :func:`result_name`; None: TIF.

    Raises
    ------
    UserError
    """
    if not is_stack_name(path):
        path = path / result_name("NAME", "probability", file_format or "tif")
    if dtype in _NOT_WRITTEN.get(path.suffix.lower(), ()):
        raise UserError(
            f"{path} would hold probabilities of {dtype}, which are not written to "
            f"{path.suffix[1:].upper()}.",
            "Leave out --probability-dtype, or end its name in .zarr or .h5/DATASET.",
        )


def result_pixels(kind: str, probability_dtype: str = "float32") -> dict[str, Any]:
    """Give ``dtype`` and ``is_label`` of a kind of result, as writers take them.

    Parameters
    ----------
    probability_dtype : str
        One of :data:`PROBABILITY_DTYPES`.
    """
    if kind in _LABELS:
        return {"dtype": "uint8", "is_label": True}
    dtype = probability_dtype if kind == "probability" else "float32"
    return {"dtype": dtype, "is_label": False}


class SliceResult(NamedTuple):
    """What is written of a slice, or of a band of its rows.

    Parameters
    ----------
    pages : dict of arrays (Y, X)
        By kind, of uint8, float16 or float32: see :func:`make_result`.
    membrane : int
        Pixels of it that are membrane; 0 of classes.
    """

    pages: dict[str, NDArray[Any]]
    membrane: int

    @classmethod
    def of_bands(cls, bands: Sequence[SliceResult]) -> SliceResult:
        """Put a slice together of bands of its rows, the first row first."""
        if len(bands) == 1:
            return bands[0]
        kinds = bands[0].pages
        pages = {kind: np.concatenate([band.pages[kind] for band in bands]) for kind in kinds}
        return cls(pages, sum(band.membrane for band in bands))


def make_result(
    kinds: Iterable[str],
    probability: NDArray[np.float32],
    threshold: float,
    convention: LabelConvention,
    probability_dtype: str = "float32",
    classes: LabelClasses = NO_CLASSES,
    class_thresholds: Mapping[str, float] = NO_THRESHOLDS,
) -> SliceResult:
    """Make what is written of a slice or a part of one.

    Parameters
    ----------
    kinds : iterable of str
        ``mask``, ``probability`` or ``submission``; of classes only the first.
    probability : array (Y, X) of float32; of classes (C, Y, X)
        From 0 to 1.
    threshold, convention, probability_dtype, classes, class_thresholds
        As of :class:`ResultFiles`.
    """
    if classes:
        page = classes.decide(probability, class_thresholds)
        return SliceResult(dict.fromkeys(kinds, page), 0)
    is_membrane = probability >= threshold
    pages: dict[str, NDArray[Any]] = {}
    for kind in kinds:
        if kind == "mask":
            pages[kind] = mask_page(is_membrane, convention)
        elif kind == "submission":
            pages[kind] = submission_page(probability)
        elif probability_dtype == "uint8":
            pages[kind] = np.asarray(np.rint(255 * probability), np.uint8)
        else:
            pages[kind] = probability.astype(probability_dtype, copy=False)
    return SliceResult(pages, np.count_nonzero(is_membrane))


def check_class_results(
    classes: LabelClasses,
    kinds: Iterable[str],
    convention: LabelConvention = LabelConvention.ISBI,
) -> None:
    """Refuse what is of one class where all are predicted; call before any long work.

    Parameters
    ----------
    classes : LabelClasses
        What is predicted; empty: one probability, of which any result is made.
    kinds : iterable of str
        See :func:`result_name`.
    convention : LabelConvention
        Of a mask of membrane; one of classes has their values.

    Raises
    ------
    UserError
    """
    of_one = [kind for kind in kinds if kind != "mask"]
    if convention != LabelConvention.ISBI:
        of_one.append(f"convention {convention}")
    if classes and of_one:
        raise UserError(
            f"The model tells {', '.join(classes.names)} apart, and the {of_one[0]} is of one.",
            f"Name it, such as --class {classes.example}.",
        )


class ResultFiles:
    """Writes the stacks of a prediction, a slice at a time. Use it in a ``with`` statement.

    They appear under their names when they are complete.

    Parameters
    ----------
    paths : mapping of str to Path
        By kind: ``mask``, ``probability`` (of membrane) and ``submission`` (the ISBI 2012
        challenge's form).
    shape : (int, int, int)
        (Z, Y, X) of the results.
    threshold : float
        Probability from which on a pixel is membrane.
    convention : LabelConvention
        Of the mask, see :func:`mask_files.mask_page`.
    probability_dtype : str
        One of :data:`PROBABILITY_DTYPES`.
    classes : LabelClasses
        If they are predicted, the mask holds their values, and is the only result.
    class_thresholds : mapping of str to float
        Of some of them, see :meth:`LabelClasses.decide`.
    of_class : str or None
        The class that is predicted as membrane is; None: membrane.
    **options
        ``pixel_size``, ``offset``, ``compression``, ``overwrite`` and ``ome_zarr`` of
        :func:`writer_choice.open_writer`.

    Raises
    ------
    UserError
        As :func:`writer_choice.open_writer`.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        shape: tuple[int, int, int],
        threshold: float,
        convention: LabelConvention,
        probability_dtype: str = "float32",
        classes: LabelClasses = NO_CLASSES,
        class_thresholds: Mapping[str, float] = NO_THRESHOLDS,
        of_class: str | None = None,
        **options: Any,
    ) -> None:
        check_class_results(classes, paths)
        self._writers = {
            kind: open_writer(
                path,
                shape,
                **result_pixels(kind, probability_dtype),
                classes=classes,
                **options,
            )
            for kind, path in paths.items()
        }
        self._make = partial(
            make_result,
            self._writers,
            threshold=threshold,
            convention=convention,
            probability_dtype=probability_dtype,
            classes=classes,
            class_thresholds=class_thresholds,
        )
        self._pixels = 0 if classes else math.prod(shape)
        self._membrane, self._of_class = 0, of_class
        self._opened = ExitStack()

    def write(self, probability: NDArray[np.float32]) -> None:
        """Append the next slice: its probability (Y, X), or those of classes (C, Y, X).

        They are float32, from 0 to 1.

        Raises
        ------
        UserError
            As :meth:`tif_writer.TifWriter.write`.
        """
        self.put(self.make(probability))

    def make(self, probability: NDArray[np.float32]) -> SliceResult:
        """Make what is written of a slice, or of a band of its rows.

        Parameters
        ----------
        probability : array (Y, X), or (C, Y, X) of classes, of float32
            From 0 to 1.
        """
        return self._make(probability)

    def put(self, result: SliceResult) -> None:
        """Append the next slice as it was made; errors as of :meth:`write`."""
        self._membrane += result.membrane
        for kind, writer in self._writers.items():
            writer.write(result.pages[kind])

    def warning(self) -> str:
        """Say what speaks against the whole mask; empty where nothing does."""
        return share_warning(self._membrane, self._pixels, self._of_class)

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
