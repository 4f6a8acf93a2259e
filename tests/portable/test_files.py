"""Files and folders that are written whole, locked and removed, on every system."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.lock_programs import COUNT, HOLD
from tests.portable.systems import IS_WINDOWS, run_python, start_python
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import (
    SavedBesideError,
    UnwritableError,
    begin_beside,
    remove_leftovers,
    replacing,
    write_atomically,
)
from training.files.atomic_folders import replacing_folder
from training.files.file_locks import hold_lock, take_lock
from training.files.names import is_name
from training.files.open_elsewhere import remove_folder

pytestmark = pytest.mark.portable


def test_a_file_takes_its_place_whole_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"longer than the next", b"next\r\n", b""):
        write_atomically(path, content)
        assert path.read_bytes() == content
    with pytest.raises(UnwritableError, match="exists"):
        write_atomically(path, b"another", overwrite=False)
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half")
        _ = 1 / 0
    assert path.read_bytes() == b""
    write_atomically(tmp_path / "new", b"new", overwrite=False)
    assert {one.name for one in tmp_path.iterdir()} == {"file", "new"}


def test_a_file_is_replaced_once_its_reader_has_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    reader = path.open("rb")
    threading.Timer(0.3, reader.close).start()
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert reader.closed == IS_WINDOWS
    reader.close()


def test_a_result_is_saved_beside_what_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        if not IS_WINDOWS:
            write_atomically(path, b"new")
            assert reader.read() == b"old"
            return
        with (
            pytest.raises(SavedBesideError, match=r"saved as mask-2\.tif beside"),
            replacing(path, is_result=True) as file,
        ):
            file.write(b"new")
        with pytest.raises(UnwritableError, match="Close it elsewhere"):
            write_atomically(path, b"newer")
    assert path.read_bytes() == b"old"
    assert (tmp_path / "mask-2.tif").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_is_removed_and_what_is_written_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".file.abcd1234.part"
    left.touch()
    os.utime(left, (0, 0))
    with replacing(tmp_path / "other") as file:
        remove_leftovers(tmp_path)
        file.write(b"other")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_folder_takes_its_place_whole_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stack.zarr"
    killed, mark = begin_beside(path)
    killed.close()
    mark.with_name(f"{mark.stem}.new.part").mkdir()
    for name in ("first", "second"):
        with replacing_folder(path) as folder, replacing_folder(path):
            (folder / name).write_bytes(b"")
            assert folder.is_dir()
        assert [one.name for one in path.iterdir()] == [name]
    assert list(tmp_path.iterdir()) == [path]
    (path / "open").write_bytes(b"")
    opened = (path / "open").open("rb")
    threading.Timer(0.3, opened.close).start()
    remove_folder(path)
    assert not path.exists()


def test_locks_hold_between_processes_and_end_with_them(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_bytes(b"0")
    processes = [start_python(COUNT, path, 20) for _ in range(2)]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert path.read_bytes() == b"40"
    holder = start_python(HOLD, path)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="Another program has been changing"), hold_lock(path, 0.1):
        pass
    holder.kill()
    holder.communicate()
    with hold_lock(path, 1.0):
        pass


def test_those_who_look_whether_a_file_is_locked_see_no_lock_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with open_to_append(path) as one, open_to_append(path) as other:
        assert take_lock(one, is_shared=True) and take_lock(other, is_shared=True)
        with open_to_append(path) as third:
            assert not take_lock(third)
    with open_to_append(path) as one, path.open("rb") as other:
        assert take_lock(one)
        assert not take_lock(other, is_shared=True)
        one.write(b"who has it")
        assert other.read() == b"who has it"  # a lock keeps nobody from reading


def test_a_file_grows_in_folders_that_are_made_and_no_links(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "device0" / "log"
    for _ in range(2):
        with open_to_append(log, tmp_path) as file:
            file.write(b"line\n")
    assert log.read_bytes() == b"line\nline\n"
    try:
        (tmp_path / "link").symlink_to(log)
    except OSError:
        return
    with pytest.raises(UnwritableError, match="link is a link"):
        open_to_append(tmp_path / "link")


@pytest.mark.parametrize(
    "name",
    [
        *("", "..", ".hidden", "a/b", r"..\other", r"C:\run", "C:run", "run:stream"),
        *("con", "Nul.txt", "COM1", "aux .x", "dot.", "space ", "x" * 256),
    ],
)
def test_names_that_lead_elsewhere_on_some_system_are_none(name: str) -> None:
    assert not is_name(name)


def test_other_names_are() -> None:
    assert all(map(is_name, ["a", "console", "compact-2026-01-02-030405", "é 膜", "a.b", "-rf"]))


def test_a_python_of_this_system_imports_every_module() -> None:
    code = """
import importlib, pathlib, sys
import napari_unet, training
for package in (napari_unet, training):
    top = pathlib.Path(package.__file__).parent
    for path in sorted(top.rglob("*.py")):
        parts = path.relative_to(top.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] not in ("mindspore", "tensorstore", "rsciio"):
                raise
print("all")
"""
    assert run_python(code) == "all\n"
