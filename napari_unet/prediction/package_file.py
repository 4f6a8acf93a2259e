"""Reading packages of the BioImage Model Zoo, which may come from anybody.

Nothing of one is written to the disk or run: two of its files are read into memory, up to a size.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from training.errors import UserError
from training.files.untrusted_files import open_regular
from training.files.zip_members import read_member

ENDING = ".zip"
DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
MOST_FILES = 1000
MOST_BYTES = 2**30  # of a file of it
MOST_RATIO = 200  # of a file's size to that of its compressed content
RATIO_FREE_BYTES = 2**22
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # other ways to compress
    RuntimeError,  # a password
    ValueError,
    OSError,
)


class PackageFile:
    """A package that is open; see :func:`open_package`."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self.path = archive, path
        self._files = {info.filename: info for info in archive.infolist()}
        if len(self._files) > MOST_FILES:
            raise UserError(
                f"{path} holds more than {MOST_FILES} files.", "Give a model's package."
            )
        for name in self._files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise UserError(
                    f"{path} holds a file that leads out of it: {name:.99}.",
                    "Don't use this package.",
                )

    @property
    def onnx_files(self) -> list[str]:
        """Names of the ONNX files."""
        return [name for name in self._files if name.endswith(".onnx")]

    @property
    def description(self) -> str | None:
        """Name of the file that describes the model; None where there is none."""
        return next((name for name in DESCRIPTIONS if name in self._files), None)

    def read(self, name: str, most_bytes: int = MOST_BYTES) -> bytes:
        """Read one of its files.

        Raises
        ------
        UserError
            If there is none of that name, it is too large, or damaged.
        """
        if name not in self._files:
            raise UserError(
                f"{self.path} holds no file {name:.99}, which it names.", "Copy the package again."
            )
        info = self._files[name]
        is_bomb = info.file_size > max(RATIO_FREE_BYTES, MOST_RATIO * info.compress_size)
        if info.file_size > most_bytes or is_bomb:
            raise UserError(
                f"{name} in {self.path} would become {info.file_size / 2**20:.0f} MB.",
                "Don't use this package.",
            )
        try:
            return read_member(self._archive, info)
        except _DAMAGED as error:
            raise _damaged(self.path) from error


@contextmanager
def open_package(path: Path) -> Iterator[PackageFile]:
    """Open a package.

    Raises
    ------
    UserError
        If it is no zip file, is damaged, or holds too many files or one that leads out of it.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open_regular(path))
            archive = opened.enter_context(zipfile.ZipFile(file))
        except _DAMAGED as error:
            raise _damaged(path) from error
        yield PackageFile(archive, path)


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is not a package of a model that can be read, or damaged.",
        "Give a package of the BioImage Model Zoo, such as napari-unet export writes.",
    )
