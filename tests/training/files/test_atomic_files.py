import errno
import fcntl
from pathlib import Path

import pytest

from tests.limits import no_file_longer_than
from training.files.atomic_files import (
    UnwritableError,
    remove_leftovers,
    replacing,
    write_atomically,
)


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"longer than the new one")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [10_001, 1_000_000])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with (
        no_file_longer_than(10_000),
        pytest.raises(UnwritableError, match=f"{path} can't be written: File too large"),
    ):
        write_atomically(path, bytes(size))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_vanishes_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        pytest.raises(UnwritableError, match="See that its folder is there"),
        replacing(folder / "file"),
    ):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "mask [1].tif"
    left = tmp_path / f".{path.name}.abcd1234.part"
    others = tmp_path / ".other.tif.abcd1234.part"
    for one in (left, others):
        one.touch()
    write_atomically(path, b"new")
    assert set(tmp_path.iterdir()) == {path, others}
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_is_writing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"first")
        write_atomically(path, b"second")
        remove_leftovers(tmp_path)
    assert path.read_bytes() == b"first"


def test_a_leftover_that_is_taken_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = fcntl.flock, []

    def lock_late(file: object, how: int) -> None:
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        lock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", lock_late)
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EROFS, "Choose a folder"),
        (errno.EACCES, "Choose a folder"),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "Make room on the disk, or choose"),
    ],
)
def test_the_remedy_is_that_of_the_error(number: int, remedy: str) -> None:
    assert remedy in UnwritableError(Path("file"), OSError(number, "no")).remedy
