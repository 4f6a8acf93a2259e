"""Files are written and locked in one room, which knows of links, pipes, rights and full disks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOM = ROOT / "training" / "files"

_MODE = re.compile(r"[rwaxbt+]{1,4}|[rwax]:\w*")  # with a colon: of an archive
_READING_FLAGS = {"O_RDONLY", "O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY"}
_WRITERS = {
    *("write_text", "write_bytes", "touch", "truncate", "mknod", "mkfifo"),
    *("copy", "copy2", "copyfile", "copytree", "move", "hardlink_to"),
    *("NamedTemporaryFile", "mkstemp", "FileHandler", "TextIOWrapper", "FileIO"),
    *("tofile", "savez", "savez_compressed", "savetxt", "save_file", "save_model"),
}
_MODULES = ("os", "shutil", "tempfile", "np", "numpy", "logging", "io", "safetensors")


def writes(source: str) -> Iterator[int]:
    """Lines of a module that open a local file to write, or lock one, in a way of their own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            is_own_way = any(name.name == "fcntl" for name in node.names)
        elif isinstance(node, ast.ImportFrom):  # whose calls would have no module before them
            is_own_way = node.module in ("fcntl", "os", "shutil", "tempfile")
        else:
            is_own_way = isinstance(node, ast.Call) and _is_write(node)
        if is_own_way:
            yield node.lineno


def _is_write(call: ast.Call) -> bool:
    receiver, _, name = ast.unparse(call.func).rpartition(".")
    if receiver.split(".")[-1] == "sftp" or any(word.arg == "fileobj" for word in call.keywords):
        return False  # a server's file, an archive in memory
    if call.args and ast.unparse(call.args[0]) in ("os.devnull", "descriptor"):
        return False  # nowhere, a file that is open already
    if (receiver, name) == ("os", "open"):
        return bool(_names(call.args[1]) - _READING_FLAGS - {"os"})
    if name == "open":
        return any(map(_is_writing_mode, _modes(call, is_function=receiver in ("", "io"))))
    if name in ("copy", "move", "truncate"):  # layers, arrays and open files have these as well
        return receiver in _MODULES
    return name in _WRITERS


def _modes(call: ast.Call, *, is_function: bool) -> Iterator[ast.expr]:
    """Arguments that may be a mode; a path's own ``open`` has it in the first place."""
    yield from (word.value for word in call.keywords if word.arg == "mode")
    if is_function:
        yield from call.args[1:2]
    else:
        yield from (value for value in call.args[:2] if isinstance(value, ast.Constant))


def _is_writing_mode(mode: ast.expr) -> bool:
    """Whether a mode writes, or can't be seen here."""
    if not isinstance(mode, ast.Constant):
        return True
    text = str(mode.value)
    return _MODE.fullmatch(text) is not None and bool(set("wax+") & set(text.partition(":")[0]))


def _names(expression: ast.expr) -> set[str]:
    nodes = list(ast.walk(expression))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {
        node.id for node in nodes if isinstance(node, ast.Name)
    }


@pytest.mark.parametrize("package", ["training", "napari_unet"])
def test_files_are_written_in_one_room(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.glob(f"{package}/**/*.py")
        if path.parent != ROOM
        for line in writes(path.read_text(encoding="utf-8"))
    }
    assert not found, "use training.files, which follows no links and waits for no pipe"


def test_the_room_itself_is_seen_to_write() -> None:
    assert {path.name for path in ROOM.glob("*.py") if list(writes(path.read_text()))} >= {
        "append_files.py",
        "atomic_files.py",
        "system_locks.py",
    }


@pytest.mark.parametrize(
    "code",
    [
        'open(path, "w")',
        'open(path, mode="ab")',
        "open(path, mode)",
        'io.open(path, "r+b")',
        'path.open("x")',
        'path.open("ab", buffering=0)',
        "path.open(mode=chosen)",
        'run.path.joinpath("log").open("a+")',
        'run.log.write_text("")',
        "path.write_bytes(content)",
        "path.touch()",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.open(path, flags)",
        "shutil.copy(one, other)",
        "from shutil import copyfile",
        'tarfile.open(path, "w:gz")',
        "tempfile.mkstemp()",
        "np.savez(path, array)",
        "logging.FileHandler(path)",
        "import fcntl",
        "from fcntl import flock",
    ],
)
def test_a_way_of_its_own_is_found(code: str) -> None:
    assert list(writes(f"def work():\n    {code}\n")) == [2]


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        'open(path, "rb")',
        'path.open(errors="replace")',
        "Project.open(folder)",
        'sftp.open(target, "wb", encoding=None)',
        "os.open(path, os.O_RDONLY | os.O_CLOEXEC)",
        "os.open(os.devnull, os.O_WRONLY)",
        'open(descriptor, "w")',
        'tarfile.open(fileobj=content, mode="w:")',
        "tempfile.TemporaryFile()",
        "layer.data.copy()",
        "write_atomically(path, content)",
    ],
)
def test_what_reads_or_stays_in_memory_is_no_way_to_write(code: str) -> None:
    assert not list(writes(code))
