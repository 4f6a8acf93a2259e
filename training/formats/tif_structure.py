"""Opening a TIF, after a look at its structure: a damaged or hostile one must not hang its reader.

tifffile follows a ring of pages for ever, opens whatever files OME metadata name, and makes
lists as long as they say.
"""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import tifffile
from tifffile import COMPRESSION

from training.errors import OPEN_FILES_REMEDY, UserError, raise_interrupt
from training.files.untrusted_files import open_regular

DAMAGED_REMEDY = "The file may be truncated; copy it again."
# Bytes of blank pixels for a byte of the file, at most: as measured, and a little more.
LARGEST_RATIO = 1100  # of deflate, which most compressed TIFs use
_RATIOS = {
    COMPRESSION.LZW: 1400,
    COMPRESSION.ZSTD: 33_000,
    COMPRESSION.ZSTD_DEPRECATED: 33_000,
    COMPRESSION.LZMA: 8000,
    # A tile of one value is a few bytes, as is a row of fax.
    COMPRESSION.LERC: 1_000_000,
    COMPRESSION.CCITTRLE: 10_000,
    COMPRESSION(3): 10_000,  # CCITT fax 3 and 4, whose names depend on tifffile's version
    COMPRESSION(4): 10_000,
}
ALWAYS_FINE = 16 * 2**20

# Formats of other files, which hold or name several: napari's own reader knows them.
_OTHER_FORMATS: dict[str, Any] = dict.fromkeys(
    ("is_mmstack", "is_ndtiff", "is_micromanager"), False
)
_PLANE_AXES = ("SizeZ", "SizeC", "SizeT")


class OtherImageError(UserError):
    """A TIF that is whole, and that other programs show, but isn't one stack of grey slices."""


def open_tif(path: Path, what: str = "images") -> tifffile.TiffFile:
    """Open a TIF whose pages form a chain that ends, and which is all in this file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for messages.

    Raises
    ------
    UserError
        If it is missing, not a TIF, or has a damaged chain of pages.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "a pipe or a device"
            raise UserError(f"{path} is {kind}.", f"Give a TIF of the {what}.")
        with open_regular(path) as file:
            _check_chain(file, path)
        return tifffile.TiffFile(path, _multifile=False, **_OTHER_FORMATS)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"The file {path} does not exist.", f"Give a TIF of the {what}.") from None
    except OSError as error:
        remedy = OPEN_FILES_REMEDY if error.errno == errno.EMFILE else ""
        raise UserError(f"{path} can't be read: {error.strerror}.", remedy) from error
    except Exception as error:  # tifffile raises many kinds
        raise_interrupt(error)
        raise UserError(f"{path} is not a TIF, or damaged: {error}.", DAMAGED_REMEDY) from error


def check_memory(wanted: int, path: Path, what: str, page: Any) -> None:
    """Refuse pixels that take more memory than compression can have saved in their file.

    Parameters
    ----------
    wanted : int
        Bytes that the pixels take in memory.
    path : Path
        The file.
    what : str
        What they are, such as "A slice".
    page : tifffile.TiffPage
        Any of theirs, which tells how they are compressed.

    Raises
    ------
    UserError
    """
    size = path.stat().st_size
    # Pixels of less than a byte take one in memory.
    ratio = _RATIOS.get(page.compression, LARGEST_RATIO) * max(1, 8 // max(page.bitspersample, 1))
    if wanted > max(ALWAYS_FINE, ratio * size):
        raise UserError(
            f"{what} of {path} would take {wanted / 2**20:.0f} MiB, more than a file of "
            f"{size / 2**20:.2g} MiB can hold.",
            DAMAGED_REMEDY,
        )


def _check_chain(file: IO[bytes], path: Path) -> None:
    """Follow the chain of pages: tifffile passes over those after the file's end."""
    header = file.read(16)
    byteorder: Any = {b"II": "little", b"MM": "big"}.get(header[:2])
    if byteorder is None:
        return  # not a TIF, which tifffile reports
    version = int.from_bytes(header[2:4], byteorder)
    if version not in (42, 43):
        return
    # Bytes of: a link, the number of a page's tags, a tag.
    link, number, tag = (8, 8, 20) if version == 43 else (4, 2, 12)
    offset = int.from_bytes(header[link : 2 * link], byteorder)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise UserError(f"The pages of {path} form a ring.", DAMAGED_REMEDY)
        seen.add(offset)
        file.seek(offset)
        tags = file.read(number)
        file.seek(offset + number + int.from_bytes(tags, byteorder) * tag)
        following = file.read(link)
        if len(tags) < number or len(following) < link:
            raise UserError(f"{path} ends in the middle of its pages.", DAMAGED_REMEDY)
        offset = int.from_bytes(following, byteorder)


def check_ome(tif: tifffile.TiffFile, path: Path) -> None:
    """Refuse OME metadata of more planes than the file has pages, or of other files.

    Raises
    ------
    OtherImageError
        Where it is one of several files.
    UserError
    """
    pages, description = len(tif.pages), tif.pages.first.description
    try:
        root = ElementTree.fromstring(description)  # noqa: S314 (expat limits what entities make)
    except ElementTree.ParseError:
        return  # tifffile takes no notice of them either
    try:
        planes = sum(map(_planes, _elements(root, "Pixels")))
        data = _elements(root, "TiffData")
        counts = [
            int(element.get(name, 0))
            for element in data
            for name in ("IFD", "NumPlanes", "PlaneCount")
        ]
    except ValueError as error:
        reason = f"The OME metadata of {path} are damaged: {error}."
        raise UserError(reason, DAMAGED_REMEDY) from error
    files = {element.get("FileName", "") for element in _elements(root, "UUID")}
    if len(files) > 1:
        raise OtherImageError(
            f"{path} is one of several files of an image: its OME metadata name {len(files)}.",
            "Save all of its slices as one file.",
        )
    if planes > pages or max(counts, default=0) > pages or min(counts, default=0) < 0:
        raise UserError(
            f"The OME metadata of {path} name {planes} slices, but it has {pages} pages.",
            DAMAGED_REMEDY,
        )


def _elements(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """List the elements of a name, in any version's namespace."""
    return [element for element in root.iter() if str(element.tag).rpartition("}")[2] == name]


def _planes(pixels: ElementTree.Element) -> int:
    """Count the pages that an image of OME metadata takes."""
    lengths = [int(pixels.get(name, 1)) for name in _PLANE_AXES]
    samples = [int(element.get("SamplesPerPixel", 1)) for element in _elements(pixels, "Channel")]
    if min(lengths + samples) < 1:
        raise ValueError(f"it has a length of {min(lengths + samples)}")
    return math.prod(lengths) // max(samples, default=1)
