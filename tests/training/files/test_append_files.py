"""Files that grow in place, in folders that someone else may have filled."""

import os
from pathlib import Path

import pytest

from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A person's own file, outside of the folder that someone else made."""
    path = tmp_path / "own"
    path.write_bytes(b"precious")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def test_a_file_is_made_grows_and_can_be_read(folder: Path) -> None:
    path = folder / "log"
    for content in (b"one ", b"two"):
        with open_to_append(path) as file:
            assert file.tell() == path.stat().st_size
            file.write(content)
    with open_to_append(path) as file:
        file.seek(0)
        assert file.read() == b"one two"


def test_missing_folders_below_the_given_one_are_made(folder: Path) -> None:
    path = folder / "logs" / "device0" / "log"
    open_to_append(path, folder).close()
    assert path.is_file()
    with pytest.raises(UnwritableError, match="No such file or directory"):
        open_to_append(folder / "missing" / "log")


@pytest.mark.parametrize("target", ["own", "missing"])
def test_a_link_in_the_place_of_the_file(folder: Path, own_file: Path, target: str) -> None:
    link = folder / "log"
    link.symlink_to(folder.parent / target)
    with pytest.raises(UnwritableError, match=r"log can't be written: log is a link\. Replace the"):
        open_to_append(link)
    assert own_file.read_bytes() == b"precious"
    assert set(folder.parent.iterdir()) == {folder, own_file}


def test_a_link_in_the_place_of_a_folder(folder: Path, own_file: Path) -> None:
    (folder / "logs").symlink_to(own_file.parent)
    for path in (folder / "logs" / "own", folder / "logs" / "new" / "log"):
        with pytest.raises(UnwritableError, match="logs is a link"):
            open_to_append(path, folder)
    assert own_file.read_bytes() == b"precious"
    assert set(folder.parent.iterdir()) == {folder, own_file}


def test_a_folder_that_is_reached_by_a_link(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    open_to_append(link / "log").close()
    open_to_append(link / "logs" / "log", link).close()
    assert (folder / "log").is_file()
    assert (folder / "logs" / "log").is_file()


def test_a_pipe_is_refused_and_waited_for_by_nobody(folder: Path) -> None:
    os.mkfifo(folder / "log")
    with pytest.raises(UnwritableError, match=r"Not a regular file\. Remove what is there"):
        open_to_append(folder / "log")


def test_a_folder_in_the_place_of_the_file(folder: Path) -> None:
    (folder / "log").mkdir()
    with pytest.raises(UnwritableError, match=r"Is a directory\. Remove what is there"):
        open_to_append(folder / "log")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_rights_that_a_person_wants(folder: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        open_to_append(folder / "log").close()
    finally:
        os.umask(before)
    assert (folder / "log").stat().st_mode & 0o777 == 0o666 & ~mask
