import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from training.files.array_files import read_arrays, write_arrays

MOST = 2**20


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {
        "numbers": np.arange(6, dtype=np.int16).reshape(2, 3),
        "transposed": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "text": np.array(["a", "bcd"]),
        "one": np.array("x"),
        "none": np.zeros((0, 4)),
    }
    write_arrays(tmp_path / "arrays.npz", arrays)
    found = read_arrays(tmp_path / "arrays.npz", MOST)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def write_member(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("numbers.npy", content)


def member(header: str, content: bytes = b"") -> bytes:
    """An .npy file of version 1.0 whose header says anything."""
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + content


def pickled() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([{}], dtype=object))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\0" * (MOST + 1), "larger than 1 MiB"),  # a thousand bytes in the file
        (member("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }"), "."),
        (member("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"), "size"),
        (member("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", b"8" * 8), "."),
        (member("{'descr': '|O', 'fortran_order': False, 'shape': (0,), }"), "size"),
        (member("((((((((((((((((((("), "."),
        (pickled(), "size"),
        (b"\x93NUMPY\x03\x00", "another kind"),
        (b"", "."),
    ],
)
def test_damaged_and_hostile_arrays_are_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    write_member(tmp_path / "arrays.npz", content)
    assert (tmp_path / "arrays.npz").stat().st_size < MOST
    with pytest.raises(ValueError, match=problem):
        read_arrays(tmp_path / "arrays.npz", MOST)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    write_arrays(path, {"numbers": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no arrays"):
        read_arrays(path, MOST)
    path.write_bytes(bytes(MOST + 1))
    with pytest.raises(ValueError, match=r"."):
        read_arrays(path, MOST)


def test_what_decompresses_to_more_than_it_says_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    write_member(path, bytes(2**26))
    size = (2**26).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(size) == 2  # before the member, and in the list at the end
    path.write_bytes(content.replace(size, (1000).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no arrays"):
            read_arrays(path, MOST)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path: Path, way: int) -> None:
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w", way) as archive:
        archive.writestr("numbers.npy", b"0" * 1000)
    with pytest.raises(ValueError, match="compressed in an unusual way"):
        read_arrays(tmp_path / "arrays.npz", MOST)
