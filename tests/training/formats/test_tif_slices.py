"""The slices of an open TIF."""

import io
from pathlib import Path
from threading import Lock, Semaphore, Thread

import numpy as np
import pytest
import tifffile

from training.errors import UserError
from training.formats.tif_slices import TifSlices

PAGES = np.arange(2 * 24 * 20).astype(np.uint8).reshape(2, 24, 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two uncompressed pages with tags between them."""
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in PAGES:
            writer.write(page, metadata=None, contiguous=False)
    return path


def test_threads_that_read_together_each_get_their_slice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second thread comes between the first one's seek and its read, unless it has to wait."""
    arrived = Semaphore(0)  # the second thread has read its slice, or waits for the first
    read: dict[int, np.ndarray] = {}

    class Door:
        """A lock that says when somebody wants to pass."""

        def __init__(self) -> None:
            self._lock = Lock()

        def __enter__(self) -> None:
            arrived.release()
            self._lock.acquire()

        def __exit__(self, *error: object) -> None:
            self._lock.release()

    class Interrupted(io.FileIO):
        second: Thread | None = None

        def seek(self, offset: int, whence: int = 0) -> int:
            place = super().seek(offset, whence)
            second, self.second = self.second, None
            if second is not None:
                while arrived.acquire(blocking=False):
                    pass  # the first one's own
                second.start()
                arrived.acquire()
            return place

    def read_slice(index: int) -> None:
        read[index] = slices[index]
        arrived.release()

    monkeypatch.setattr("training.formats.tif_slices.Lock", Door, raising=False)
    with Interrupted(path) as file, tifffile.TiffFile(file) as tif:
        slices = TifSlices(tif, path)
        assert slices.raw is None
        for index in range(2):
            slices[index]  # the tags of its page are read
        file.second = second = Thread(target=read_slice, args=(1,))
        read_slice(0)
        second.join()
    for index in range(2):
        np.testing.assert_array_equal(read[index], PAGES[index])


def test_memory_is_asked_for_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stack = tmp_path / "stack.tif", np.ones((3, 24, 20))
    tifffile.imwrite(path, stack, compression="zlib", photometric="minisblack")
    asked: set[tuple[str, int]] = set()
    monkeypatch.setattr(
        "training.formats.tif_slices.check_memory",
        lambda wanted, path, what, page: asked.add((what, wanted)),
    )
    with tifffile.TiffFile(path) as tif:
        TifSlices(tif, path)
    assert {("The stack", stack.nbytes), ("A slice", stack[0].nbytes)} <= asked


def test_slices_in_one_page_are_not_decoded_before_there_is_memory_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(wanted: int, path: Path, what: str, page: object) -> None:
        if what == "The stack":
            raise UserError(f"{wanted} bytes are too many.")

    def decode(*_: object, **__: object) -> None:
        raise AssertionError("it was decoded")

    path, stack = tmp_path / "stack.tif", np.ones((3, 24, 20), np.uint8)
    tifffile.imwrite(path, stack, compression="zlib", photometric="rgb", planarconfig="separate")
    monkeypatch.setattr("training.formats.tif_slices.check_memory", refuse)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", decode)
    with tifffile.TiffFile(path) as tif, pytest.raises(UserError, match="1440 bytes"):
        TifSlices(tif, path)


def test_whole_numbers_of_24_bits_are_refused(tmp_path: Path) -> None:
    """tifffile gives them times 256."""
    path = tmp_path / "ids.tif"
    tifffile.imwrite(path, np.ones((24, 60), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["ImageWidth"].overwrite(20)
        file.pages.first.tags["BitsPerSample"].overwrite(24)
    with tifffile.TiffFile(path) as file, pytest.raises(UserError, match="whole numbers of 24"):
        TifSlices(file, path)
