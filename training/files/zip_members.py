"""Files in a ZIP archive, which may be a stranger's."""

from __future__ import annotations

from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo


def read_member(archive: ZipFile, member: ZipInfo) -> bytes:
    """Read as many bytes of a file as its archive says that it has: it may decompress to far more.

    Raises
    ------
    ValueError
        If it is compressed in a way that gives all of it at once, such as bzip2.
    OSError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile
        If it is damaged.
    """
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError("it is compressed in an unusual way")
    with archive.open(member) as file:
        return file.read(member.file_size)
