import errno
import fcntl
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import no_file_longer_than
from tests.refusals import refusing
from training.files.atomic_files import (
    UnwritableError,
    remove_leftovers,
    replacing,
    try_to_write,
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
    for leftover in (left, others):
        leftover.touch()
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


def test_a_file_that_is_there_is_kept_if_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(UnwritableError, match="File exists"), replacing(path, overwrite=False):
        path.write_bytes(b"another's")  # meanwhile
    assert path.read_bytes() == b"another's"
    path.unlink()
    write_atomically(path, b"mine", overwrite=False)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, "another's"])
def test_a_disk_without_hard_links_keeps_files_too(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    code = "import sys, pathlib; from training.files.atomic_files import write_atomically\n"
    code += "write_atomically(pathlib.Path(sys.argv[1]), b'mine', overwrite=False)"
    environment = {**os.environ, **refusing("link", "EPERM", tmp_path)}
    result = subprocess.run([sys.executable, "-c", code, path], env=environment)
    assert (result.returncode == 0) == (content is None)
    assert path.read_text() == (content or "mine")
    assert list(path.parent.iterdir()) == [path]


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"new")
        write_atomically(tmp_path / "private", b"new", is_private=True)
    finally:
        os.umask(before)
    assert rights(tmp_path / "file") == 0o666 & ~mask
    assert rights(tmp_path / "private") == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o666, 0o444])
def test_a_replaced_file_keeps_its_rights(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    write_atomically(path, b"new")
    assert (path.read_bytes(), rights(path)) == (b"new", mode)
    write_atomically(path, b"newer", is_private=True)
    assert rights(path) == 0o600


def test_a_disk_that_sets_no_rights_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o664)
    code = "import sys, pathlib; from training.files.atomic_files import write_atomically\n"
    code += "write_atomically(pathlib.Path(sys.argv[1]), b'new')"
    environment = {**os.environ, **refusing("fchmod", "EPERM", tmp_path)}
    subprocess.run([sys.executable, "-c", code, path], env=environment, check=True)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("content", [b"old", None])
def test_a_link_is_followed_for_a_person_alone(tmp_path: Path, content: bytes | None) -> None:
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.parent.mkdir()
    if content is not None:
        target.write_bytes(content)
    link.symlink_to(target)
    write_atomically(link, b"new", follow_links=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]

    write_atomically(link, b"theirs")
    assert not link.is_symlink()
    assert (link.read_bytes(), target.read_bytes()) == (b"theirs", b"new")


@pytest.mark.parametrize("follow_links", [False, True])
def test_pipes_and_devices_are_no_files(tmp_path: Path, follow_links: bool) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    terminals = os.openpty()
    terminal = Path(os.ttyname(terminals[1]))  # in whose folder no file can be made
    link.symlink_to(pipe)
    for path in (pipe, terminal, *([link] if follow_links else [])):
        with pytest.raises(UnwritableError, match=f"{path} can't be written: Not a regular file"):
            write_atomically(path, b"new", follow_links=follow_links)
    assert pipe.is_fifo()
    assert link.is_symlink()
    for descriptor in terminals:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EROFS, "Choose a folder"),
        (errno.EACCES, "Choose a folder"),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "See whether the disk works"),
        (errno.ENAMETOOLONG, "Choose a shorter name"),
        (errno.ELIBBAD, "Choose another name or folder"),
    ],
)
def test_the_remedy_is_that_of_the_error(number: int, remedy: str) -> None:
    error = UnwritableError(Path("file"), OSError(number, "no"))
    assert remedy in error.remedy
    elsewhere = pickle.loads(pickle.dumps(error))
    assert (type(elsewhere), str(elsewhere)) == (UnwritableError, str(error))
    assert elsewhere.path == error.path


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path, name: str) -> None:
    for content in (b"first", b"second"):
        write_atomically(tmp_path / name, content)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"second"


def test_a_name_that_is_too_long_is_not_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"too long\. Choose a shorter name\.$"):
        write_atomically(tmp_path / ("n" * 256), b"")


def test_a_try_to_write_bears_who_tidies_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def tidy_up_and_unlink(path: Path, missing_ok: bool = False) -> None:
        monkeypatch.setattr(Path, "unlink", unlink)
        remove_leftovers(tmp_path)
        path.unlink(missing_ok)

    monkeypatch.setattr(Path, "unlink", tidy_up_and_unlink)
    try_to_write(tmp_path / "a.h5")
    assert Path.unlink is unlink and not list(tmp_path.iterdir())
