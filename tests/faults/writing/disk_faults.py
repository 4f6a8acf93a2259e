"""A job on a disk that is full, read-only or gone, without permission, or out of descriptors.

::

    python -m tests.faults.writing.disk_faults JOB PLACE FAULT... -- [PROFILE.json SERVER'S-RUN]

PLACE is a mounted tmpfs. The jobs are those that are killed. Each has to raise a ``UserError``,
to leave its old files as they were, and to succeed when the fault is over.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.writing.campaign import Job
from tests.faults.writing.kill_jobs import job_of
from tests.faults.writing.wholeness import assert_whole, files_of, snapshot, temporaries_of
from training.errors import UserError

FAULTS = ("full", "read-only", "no-permission", "vanished")
MOST_FREE_FILES = 8  # descriptors that a job is left with, in turn


def fill(disk: Path) -> Path:
    """Take all the room that a disk has; the file that does."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    return ballast


class Faults:
    """Tries one job under faults; ``work`` is its folder, on a disk of its own."""

    def __init__(self, job: Job, place: Path) -> None:
        self._job, self._place, self.work = job, place, place / "work"
        self.work.mkdir()
        job.prepare(self.work)
        self._kept = place.parent / "kept"
        shutil.copytree(self.work, self._kept)
        self._old = snapshot(self.work)
        self._message = place.parent / "message"
        # For every fault: what holds while the job runs, and what its process does first.
        self.known: dict[str, list[Callable[[], None]]] = {
            "full": [lambda: None],
            "too-large": [lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))],
            "read-only": [lambda: None],
            "no-permission": [drop_capabilities],
            "vanished": [lambda: None],
            "too-many-files": [lambda k=k: leave_files(k) for k in range(MOST_FREE_FILES)],
        }

    def refuse(self, fault: str) -> list[str]:
        """What the job says under a fault, each time that it is tried."""
        messages = []
        for prepare in self.known[fault]:
            shutil.rmtree(self.work)
            shutil.copytree(self._kept, self.work)
            with self._holding(fault):
                code = self._fork(prepare)
            assert code in (0, 2), f"{fault}: {code}"
            assert code == 2 or fault == "too-many-files", fault
            if code == 2:
                messages.append(self._message.read_text())
            assert not temporaries_of(self.work), fault
            assert_whole(files_of(self.work))
            if self._job.name != "training":  # which wrote what it could
                self._check_old(fault, is_done=code == 0)
        assert self._fork(lambda: None) == 0, self._message.read_text()
        return messages

    def _check_old(self, fault: str, *, is_done: bool) -> None:
        """Files are the old ones; of several results the first may be written, as a whole."""
        state = snapshot(self.work)
        assert state.keys() >= self._old.keys()
        kept = [name for name, digest in self._old.items() if state[name] == digest]
        assert kept or is_done, fault

    @contextmanager
    def _holding(self, fault: str) -> Iterator[None]:
        """Have the fault, and afterwards none."""
        work, gone = self.work, self._place / "gone"
        folders = [work, *(path for path in work.rglob("*") if path.is_dir())]
        with ExitStack() as after:
            if fault == "full":
                after.callback(fill(self._place).unlink)
            elif fault == "read-only":
                remount(self._place, "ro")
                after.callback(remount, self._place, "rw")
            elif fault == "no-permission":
                for folder in folders:
                    folder.chmod(0o555)
                    after.callback(folder.chmod, 0o755)
            elif fault == "vanished":
                work.rename(gone)
                after.callback(gone.rename, work)
            yield

    def _fork(self, prepare: Callable[[], None]) -> int:
        """The exit code of the job, in a process of its own."""
        child = os.fork()
        if child == 0:
            code = 1
            report = os.open(self._message, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            try:
                prepare()
                self._job.run(self.work)
                code = 0
            except UserError as error:
                os.write(report, str(error).encode())
                code = 2
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


def drop_capabilities() -> None:
    """Have permission bits hold for root as well."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the call, this process
    nothing = (ctypes.c_uint32 * 6)()
    if os.getuid() == 0 and ctypes.CDLL(None, use_errno=True).capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def leave_files(count: int) -> None:
    """Let this process open but ``count`` files more."""
    used = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    limit = max(used) + 10
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    for descriptor in taken[len(taken) - count :]:
        os.close(descriptor)


def break_disk(job: str, disk: Path, faults: Sequence[str], *options: object) -> None:
    """Try a job under faults, in a process of its own, and look at what it says."""
    command = [
        sys.executable,
        "-m",
        "tests.faults.writing.disk_faults",
        job,
        disk,
        *faults,
        "--",
        *options,
    ]
    result = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    messages = json.loads(result.stdout.splitlines()[-1])
    for fault in faults:
        assert messages[fault], fault
        for message in messages[fault]:
            assert str(disk) in message
            assert len(message.splitlines()) == 1


def main(name: str, place: str, *rest: str) -> None:
    cut = rest.index("--")
    names, options = rest[:cut], rest[cut + 1 :]
    faults = Faults(job_of(name, *options), Path(place))
    print(json.dumps({fault: faults.refuse(fault) for fault in names}))


if __name__ == "__main__":
    main(*sys.argv[1:])
