"""What a file or folder is that was given where a TIF is wanted, in words."""

from __future__ import annotations

from pathlib import Path

from training.errors import UserError

# The first bytes of a file, and what it then is.
_BEGINNINGS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"8BPS": "a Photoshop file",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a NumPy array",
    b"NRRD": "an NRRD file",
    b"ZISRAWFILE": "a CZI file",
    b"\xda\xce\xbe\x0a": "an ND2 file",
    b"%PDF": "a PDF",
    b"\x00\x00\x00\x03": "a DM3 file",
    b"\x00\x00\x00\x04": "a DM4 file",
}
# Formats whose first bytes are pixels or sizes, by the ending of their names.
_ENDINGS = {
    ".mrc": "an MRC file",
    ".mrcs": "an MRC file",
    ".rec": "an MRC file",
    ".st": "an MRC file",
    ".ali": "an MRC file",
    ".map": "an MRC file",
    ".dm3": "a DM3 file",
    ".dm4": "a DM4 file",
    ".ser": "a TIA file",
    ".raw": "a file of raw pixels",
    ".nii": "a NIfTI file",
    ".zarr": "a Zarr folder",
    ".n5": "an N5 folder",
}
_MRC_STAMP = slice(208, 212)
_TIF_ENDINGS = (".tif", ".tiff")
SAVE_AS_TIF = "Open it in Fiji, and choose File > Save As > Tiff."


def other_format(path: Path, beginning: bytes) -> UserError | None:
    """Say what a file is that isn't a TIF; None where that isn't known.

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
    if beginning[_MRC_STAMP] == b"MAP ":
        kind = "an MRC file"
    return None if kind is None else UserError(f"{path} is {kind}, not a TIF.", SAVE_AS_TIF)


def folder_instead_of_tif(path: Path, what: str) -> UserError:
    """Say what to do about a folder that was given where a TIF is wanted.

    Parameters
    ----------
    path : Path
        The folder.
    what : str
        What the TIF should hold, such as "images".
    """
    kind = _ENDINGS.get(path.suffix.lower())
    if kind is not None:
        return UserError(f"{path} is {kind}, not a TIF.", SAVE_AS_TIF)
    tifs = sorted(file.name for file in path.iterdir() if file.suffix.lower() in _TIF_ENDINGS)
    problem = f"{path} is a folder, not a TIF of the {what}."
    if len(tifs) == 1:
        return UserError(problem, f"Give the TIF in it: {path / tifs[0]}.")
    if tifs:
        return UserError(
            f"{path} is a folder of {len(tifs)} TIFs, not a TIF of the {what}.",
            "Give one of them; slices in files of their own become one TIF in Fiji, by "
            "File > Import > Image Sequence and File > Save As > Tiff.",
        )
    return UserError(problem, f"Give a TIF of the {what}.")
