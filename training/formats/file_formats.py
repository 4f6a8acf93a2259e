"""What a file is that holds no stack that is read, in words."""

from __future__ import annotations

from pathlib import Path

from training.errors import UserError

_ARCHIVES = "a ZIP archive", "a gzip archive", "a bzip2 archive"
_ZIP, _GZIP, _BZIP2 = _ARCHIVES
# The first bytes of a file, and what it then is.
_BEGINNINGS = {
    b"GIF8": "a GIF image",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"8BPS": "a Photoshop file",
    b"PK\x03\x04": _ZIP,
    b"\x1f\x8b": _GZIP,
    b"BZh": _BZIP2,
    b"\x93NUMPY": "a NumPy array",
    b"NRRD": "an NRRD file",
    b"ZISRAWFILE": "a CZI file",
    b"\xda\xce\xbe\x0a": "an ND2 file",
    b"%PDF": "a PDF",
}
# Formats whose first bytes are pixels or sizes, by the ending of their names.
_ENDINGS = {
    ".ser": "a TIA file",
    ".raw": "a file of raw pixels",
    ".nii": "a NIfTI file",
}
READ_FORMATS = "TIF, PNG, BMP, JPEG, MRC, HDF5, Zarr, N5, DM3 or DM4"


def is_known_as_other(beginning: bytes) -> bool:
    """Whether a file begins as those of a format that is not read."""
    return beginning.startswith(tuple(_BEGINNINGS))


def other_format(path: Path, beginning: bytes) -> UserError:
    """Say what a file is that is of no format that is read.

    Parameters
    ----------
    path : Path
        Where the file is; what it holds goes before the ending of its name.
    beginning : bytes
        Its first 256 bytes.
    """
    kind = _ENDINGS.get(path.suffix.lower())
    for start, name in _BEGINNINGS.items():
        if beginning.startswith(start):
            kind = name
    if kind in _ARCHIVES:
        return UserError(f"{path} is {kind}, which is not read.", "Unpack it, and give what is in.")
    if kind is not None:
        return UserError(
            f"{path} is {kind}, which is not read.",
            "Open it in Fiji, and choose File > Save As > Tiff.",
        )
    return UserError(
        f"{path} is damaged, or of a format that is not read.", f"Give a {READ_FORMATS} stack."
    )
