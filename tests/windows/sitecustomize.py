"""Takes from a Python on Linux what that of Windows lacks, for a simulation of it.

On PYTHONPATH it is imported at the start of a Python and of all that it starts. Our modules then
see ``sys.platform`` as "win32", none of the calls, flags and signals that Windows lacks, and those
of its own that they use. Below the folder that NAPARI_UNET_WINDOWS names nobody replaces, renames
or deletes a file that a process has open or mapped, makes a link, or opens a folder.

What is simulated is absence alone: that a program does on Windows what it does here, only Windows
can tell.
"""

from __future__ import annotations

import ast
import builtins
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

FOLDER = os.environ["NAPARI_UNET_WINDOWS"]
OURS = ("training", "napari_unet")
NO_MODULES = ("fcntl", "resource", "grp", "pwd", "termios", "tty", "pty")
NO_NAMES = {
    "os": (
        *("O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "fchmod", "fork", "killpg"),
        *(
            "setpriority",
            "getpriority",
            "PRIO_PROCESS",
            "set_blocking",
            "pwrite",
            "preadv",
            "pread",
        ),
        *("getgroups", "getuid", "geteuid", "setsid", "sched_getaffinity", "mkfifo", "statvfs"),
    ),
    "signal": (
        *("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT", "SIGTSTP", "SIGQUIT"),
        *("SIGPIPE", "SIGALRM", "SIGCHLD", "alarm", "setitimer", "pthread_sigmask"),
    ),
}
LOCK_VIOLATION = 33


class Seen(ModuleType):
    """A module as our modules see it: without some names, and with others."""

    def __init__(self, module: ModuleType, missing: Sequence[str] = (), **others: Any) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(others, _module=module, _missing=missing)

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return getattr(self._module, name)


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Starts a process by what Windows has for it."""

    def __init__(self, *arguments: Any, creationflags: int = 0, **options: Any) -> None:
        assert not options.pop("pass_fds", ()), "pass_fds not supported on Windows"
        assert options.pop("preexec_fn", None) is None, "preexec_fn is not supported on Windows"
        options["start_new_session"] = bool(creationflags & CREATE_NEW_PROCESS_GROUP)
        super().__init__(*arguments, **options)

    def terminate(self) -> None:
        self.kill()  # without asking


CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW = 0x200, 0x08000000


class Kernel:
    """The one function of kernel32 that is used, by ``flock``."""

    last_error = 0

    @classmethod
    def LockFileEx(cls, file: Any, flags: int, *place: Any) -> int:  # noqa: N802
        kind = fcntl.LOCK_EX if flags & 0x2 else fcntl.LOCK_SH
        try:
            fcntl.flock(file.value, kind | (fcntl.LOCK_NB if flags & 0x1 else 0))
        except BlockingIOError:
            cls.last_error = LOCK_VIOLATION
            return 0
        return 1


SEEN = {
    "os": Seen(
        os,
        NO_NAMES["os"],
        O_BINARY=0,
        O_NOINHERIT=os.O_CLOEXEC,
        kill=lambda pid, number: os.kill(pid, signal.SIGKILL),  # whatever the number
    ),
    "signal": Seen(signal, NO_NAMES["signal"], SIGBREAK=signal.SIGUSR2),
    "subprocess": Seen(
        subprocess,
        Popen=Popen,
        CREATE_NO_WINDOW=CREATE_NO_WINDOW,
        CREATE_NEW_PROCESS_GROUP=CREATE_NEW_PROCESS_GROUP,
    ),
    "ctypes": Seen(
        ctypes, WinDLL=lambda *_, **__: Kernel, get_last_error=lambda: Kernel.last_error
    ),
    "msvcrt": Seen(ModuleType("msvcrt"), get_osfhandle=lambda descriptor: descriptor),
}


def import_as_on_windows(
    name: str,
    globals: dict[str, Any] | None = None,
    locals: Any = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> Any:
    """Import a module for one of ours as Windows has it, for others as it is."""
    spec = (globals or {}).get("__spec__")  # of ``python -m`` it has the name
    if spec is None or spec.name.partition(".")[0] not in OURS or level:
        return real_import(name, globals, locals, fromlist, level)
    if name in NO_MODULES:
        raise ModuleNotFoundError(f"No module named {name!r} on Windows", name=name)
    if name == "psutil":
        psutil = real_import(name)
        return Seen(psutil, BELOW_NORMAL_PRIORITY_CLASS=0x4000)
    if name == "msvcrt":
        return SEEN[name]
    module = real_import(name, globals, locals, fromlist, level)
    return SEEN.get(name, module)


class OnWindows(ast.NodeTransformer):
    """Puts "win32" in the place of ``sys.platform``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        is_platform = ast.unparse(node) == "sys.platform"
        return ast.copy_location(ast.Constant("win32"), node) if is_platform else node


class Loader(SourceFileLoader):
    """Loads one of our modules as Windows would run it, past what is compiled for this system."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("nothing is kept of it")

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = OnWindows().visit(ast.parse(data, path))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


class Finder(MetaPathFinder):
    """Finds our modules."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in OURS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def is_below(path: Any) -> bool:
    return os.path.realpath(path).startswith(FOLDER + os.sep)


def is_open(path: Any) -> bool:
    """Whether a process that takes part has a file open or mapped, or one in a folder."""
    place = os.path.realpath(path)
    return any(
        f"{name}/".startswith(f"{place}/")
        for process in Path("/proc").glob("[0-9]*")
        for name in files_of(process)
    )


def files_of(process: Path) -> Iterator[str]:
    with suppress(OSError):  # it has ended
        if b"NAPARI_UNET_WINDOWS=" not in (process / "environ").read_bytes():
            return
        maps = (process / "maps").read_text().splitlines()
        yield from (line.split(maxsplit=5)[-1] for line in maps)
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # it is closed already, as that of the folder itself
                yield str(link.readlink())


def refused(path: Any) -> PermissionError:
    return PermissionError(errno.EACCES, "Permission denied", os.fspath(path))


def guarded(change: Callable[..., Any], paths: int) -> Callable[..., Any]:
    """A call that refuses to change files which are open, given as its first arguments."""

    def call(*arguments: Any, **options: Any) -> Any:
        assert not any(options.get(name) for name in ("dir_fd", "src_dir_fd", "dst_dir_fd"))
        for path in arguments[:paths]:
            if is_below(path) and os.path.lexists(path) and is_open(path):
                raise refused(path)
        return change(*arguments, **options)

    return call


def rename(source: Any, target: Any, **options: Any) -> None:
    if is_below(target) and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "File exists", os.fspath(target))
    real_rename(source, target, **options)


def open_no_folder(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    is_nameless = flags & os.O_TMPFILE == os.O_TMPFILE
    if dir_fd is None and not is_nameless and is_below(path) and Path(path).is_dir():
        raise refused(path)
    return real_open(path, flags, mode, dir_fd=dir_fd)


def symlink(source: Any, target: Any, *_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "A required privilege is not held by the client", os.fspath(target))


real_import, real_rename, real_open = builtins.__import__, guarded(os.rename, 2), os.open
builtins.__import__ = import_as_on_windows
sys.meta_path.insert(0, Finder())
os.replace = guarded(os.replace, 2)
os.rename = rename
os.unlink = os.remove = guarded(os.unlink, 1)
os.rmdir = guarded(os.rmdir, 1)
os.open = open_no_folder
os.symlink = symlink
shutil._use_fd_functions = False  # type: ignore[attr-defined]
