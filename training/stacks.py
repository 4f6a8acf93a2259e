"""Reading stacks of slices from TIF files, and pairs of images and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from training.errors import UserError
from training.folds import MINIMUM_SLICES
from training.scaling import Slices, check_pixels

DEFAULT_IMAGES = "train-volume.tif"
DEFAULT_LABELS = "train-labels.tif"
DEFAULT_TEST = "test-volume.tif"
# ImageJ stacks saved without naming their axes have a C axis too, but a longer one.
MOST_CHANNELS = 4
DAMAGED_REMEDY = "The file may be truncated; copy it again."


class StackFile:
    """A TIF of grey slices, read slice by slice. Use it in a ``with`` statement.

    A TIF of one 2-D image is a stack of one slice.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for messages: "images" or "labels".

    Raises
    ------
    UserError
        If it is missing, not a TIF, truncated, or has colours, channels or pages that differ.
        Reading a slice raises it for damaged data, and for NaN or infinite pixels.
    """

    def __init__(self, path: Path, what: str = "images") -> None:
        self.path = Path(path)
        self._file = _open(self.path, what)
        try:
            self._series = _only_series(self._file, self.path)
            self._slices = _pages(self._file, self._series, self.path)
        except BaseException:
            self._file.close()
            raise
        self.dtype: np.dtype[Any] = self._series.dtype.newbyteorder("=")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        height, width = self._series.keyframe.shape[-2:]
        return len(self._slices), height, width

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> NDArray[Any]:
        source = self._slices[index]
        try:
            image = source if isinstance(source, np.ndarray) else source.asarray()
        except Exception as error:  # each of the many codecs has exceptions of its own
            raise UserError(
                f"Slice {index} of {self.path} can't be read: {error}.", DAMAGED_REMEDY
            ) from error
        image = np.array(image, dtype=self.dtype).reshape(self.shape[1:])
        check_pixels(image, f"Slice {index} of {self.path}")
        return image

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __enter__(self) -> StackFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read_stack(path: str | Path, what: str = "images") -> NDArray[Any]:
    """All slices of a TIF as an array (Z, Y, X) of its own dtype; errors as :class:`StackFile`."""
    with StackFile(Path(path), what) as stack:
        return np.stack(list(stack))


def find_pair(data_folder: str | Path, image: str = "", labels: str = "") -> tuple[Path, Path]:
    """Paths of the image stack and of the label stack.

    Parameters
    ----------
    data_folder : str or Path
        Folder of the files; may be empty where both names are given.
    image, labels : str
        Names of the files, in the folder or as paths; empty: ``train-volume.tif`` and
        ``train-labels.tif``.

    Raises
    ------
    UserError
        If the folder or a file does not exist.
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        raise UserError(f"The data folder {folder} does not exist.", "Give another folder.")
    return _find(folder, image, DEFAULT_IMAGES), _find(folder, labels, DEFAULT_LABELS)


def read_training_pair(
    image_path: Path, labels_path: Path, label_convention: str = "isbi"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read and check images and labels.

    Parameters
    ----------
    label_convention : str
        ``isbi``: 0 is membrane. ``membrane``: every other value is.

    Returns
    -------
    images : array (Z, Y, X) of the file's dtype
    membrane : array (Z, Y, X) of bool

    Raises
    ------
    UserError
        For the first problem found, see :func:`check_pair` and :class:`StackFile`.
    """
    images, labels = read_stack(image_path, "images"), read_stack(labels_path, "labels")
    problems = check_pair(images, labels, str(image_path), str(labels_path))
    if problems:
        raise problems[0]
    return images, to_membrane(labels, label_convention)


def to_membrane(labels: NDArray[Any], label_convention: str) -> NDArray[np.bool_]:
    """Labels of either convention as True = membrane."""
    return np.asarray(labels == 0 if label_convention == "isbi" else labels != 0)


def check_pair(
    images: NDArray[Any], labels: NDArray[Any], images_name: str, labels_name: str
) -> list[UserError]:
    """What keeps a pair of arrays (Z, Y, X) from being trained on; empty if nothing does."""
    problems = []
    if images.ndim != 3 or len(images) < MINIMUM_SLICES:
        problems.append(
            UserError(
                f"{images_name} has the shape {images.shape}, but training needs a stack of at "
                f"least {MINIMUM_SLICES} slices, to hold some out.",
                "Give a stack with more slices.",
            )
        )
    if images.shape != labels.shape:
        problems.append(
            UserError(
                f"{labels_name} has the shape {labels.shape}, but {images_name} has "
                f"{images.shape}.",
                "Give labels with as many slices, rows and columns as the images.",
            )
        )
    if labels.size and labels.min() == labels.max():
        problems.append(
            UserError(
                f"All pixels of {labels_name} are {labels.min()}.",
                "Give labels that tell membrane from inside.",
            )
        )
    for array, name in ((images, images_name), (labels, labels_name)):
        try:
            check_pixels(array, name)
        except UserError as error:
            problems.append(error)
    return problems


def _find(folder: Path, name: str, default: str) -> Path:
    for path in (folder / (name or default), Path(name)):
        if path.is_file():
            return path
    if name:
        raise UserError(f"There is no file {name}, nor one in {folder}.", "Check its name.")
    raise UserError(
        f"{folder} holds no {default}.",
        f"Name the files {DEFAULT_IMAGES} and {DEFAULT_LABELS}, or name yours with the options "
        "image and labels.",
    )


def _open(path: Path, what: str) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", f"Give a TIF of the {what}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder.", f"Give a TIF of the {what}.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    except tifffile.TiffFileError as error:
        raise UserError(f"{path} is not a TIF, or damaged: {error}.", DAMAGED_REMEDY) from error


def _only_series(file: tifffile.TiffFile, path: Path) -> Any:
    _refuse_truncated(file, path)
    if len(file.series) == 0:
        raise UserError(f"{path} holds no images.", DAMAGED_REMEDY)
    if len(file.series) > 1:
        raise UserError(
            f"{path} holds pages that differ in size or type.",
            "Save them as one stack of equal slices.",
        )
    series = file.series[0]
    page = series.keyframe
    axes = dict(zip(series.axes, series.shape, strict=True))
    is_multichannel = page.samplesperpixel > 1 or 1 < axes.get("C", 1) <= MOST_CHANNELS
    if is_multichannel:
        raise UserError(
            f"{path} is a colour or multichannel image (axes {series.axes}, shape {series.shape}).",
            "Convert it to 8-bit grey, one channel, and save it as a stack of slices.",
        )
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise UserError(f"{path} has a colour palette.", "Convert it to 8-bit grey.")
    depth = [length for length in series.shape[:-2] if length > 1]
    if len(series.shape) < 2 or len(depth) > 1:
        raise UserError(
            f"{path} has the axes {series.axes} and the shape {series.shape}.",
            "Save one stack of slices, without a time axis.",
        )
    return series


def _refuse_truncated(file: tifffile.TiffFile, path: Path) -> None:
    """tifffile passes over pages that lie after the end of the file; this does not."""
    len(file.pages)  # walks the chain of pages to its last link
    handle = file.filehandle
    handle.seek(file.pages.next_page_offset or 0)
    link = handle.read(file.tiff.offsetsize)
    if len(link) < file.tiff.offsetsize or int.from_bytes(link, _byteorder(file)) >= handle.size:
        raise UserError(f"{path} ends in the middle of its pages.", DAMAGED_REMEDY)


def _byteorder(file: tifffile.TiffFile) -> Any:
    return "little" if file.byteorder == "<" else "big"


def _pages(file: tifffile.TiffFile, series: Any, path: Path) -> Slices:
    """Pages, or raw pixels where they lie in a row: some stacks have but one page for all."""
    height, width = series.keyframe.shape[-2:]
    shape = (series.size // (height * width), height, width)
    if series.dataoffset is None or not series.keyframe.is_final:
        pages: Slices = series.pages
        return pages if len(pages) == shape[0] else series.asarray().reshape(shape)
    if series.dataoffset + series.size * series.dtype.itemsize > file.filehandle.size:
        raise UserError(f"{path} ends in the middle of its pixels.", DAMAGED_REMEDY)
    dtype = series.dtype.newbyteorder(file.byteorder)
    return _Contiguous(path, series.dataoffset, dtype, shape)


@dataclass(frozen=True)
class _Contiguous:
    """Slices that lie in a row in a file. Read, not mapped: a mapping would fill the memory."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[Any]:
        pixels = self.shape[1] * self.shape[2]
        start = self.offset + range(len(self))[index] * pixels * self.dtype.itemsize
        flat = np.fromfile(self.path, self.dtype, count=pixels, offset=start)
        return flat.reshape(self.shape[1:])
