"""An SSH connection to a server that is made again, in growing pauses, when it breaks."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from napari_unet.launchers.servers.login.login import is_kept, kept_connection
from napari_unet.launchers.servers.opening import ConnectionLostError, open_connection
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_files import (
    REQUEST_SECONDS,
    CommandError,
    RemoteFiles,
)
from training.errors import UserError

if TYPE_CHECKING:
    import asyncssh

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
CLOSE_SECONDS = 5
MOST_OUTPUT = 16 * 2**20  # bytes that a command may print
_CHUNK = 2**16
_FOR_LOGIN = "\n" * 16  # lines for the login's own scripts, which may read their input
# What scripts call, in whose place a login may have a function, such as a cd that lists the folder.
_CALLED = """
awk cat cd chmod command cut date df echo env find grep hostname id kill ls mktemp mv nohup printf
rm sbatch scancel sed set setsid sha256sum shopt sleep sort squeue stat tail tar timeout touch wc
xargs
"""
# Bash as it is without a login: by "set -f", say, no process of a run would ever be found.
_PLAIN_BASH = f"""
unalias -a; unset -f {" ".join(_CALLED.split())}
set +efkuvxC +o pipefail +o posix; shopt -u failglob nullglob; unset GLOBIGNORE; IFS=$' \\t\\n'
"""
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Server:
    """One server of a profile. Its coroutines belong to one event loop.

    Parameters
    ----------
    profile : Profile
        How to reach it; its ``nodes`` are not looked at.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._connection: asyncssh.SSHClientConnection | None = None
        self._files: RemoteFiles | None = None
        self._lock = asyncio.Lock()
        self._pause = FIRST_PAUSE
        self._retry_time = 0.0
        self._last_problem = ""

    async def connect(self, *, is_patient: bool = False) -> asyncssh.SSHClientConnection:
        """The open connection, or a new one.

        Parameters
        ----------
        is_patient : bool
            Whether to leave growing pauses between tries, as one who only watches should.

        Raises
        ------
        ConnectionLostError
            If the server can't be reached, or it isn't time yet to try again.
        UserError
            If the host key or the person's key is refused.
        """
        async with self._lock:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            if (kept := kept_connection(self.profile.address)) is not None:
                self._connection, self._files = kept, None
                return kept
            wait = self._retry_time - time.monotonic()
            if is_patient and wait > 0:
                raise self._lost(wait)
            try:
                self._connection = await open_connection(self.profile, is_patient=is_patient)
                self._files = None
            except ConnectionLostError as error:
                wait, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
                self._retry_time = time.monotonic() + wait
                self._last_problem = error.problem
                if is_patient:
                    raise self._lost(wait) from error
                raise
            self._pause = FIRST_PAUSE
            return self._connection

    async def run(self, script: str, timeout: float = 60, *, is_patient: bool = False) -> str:
        """Run a bash script as at login, and return what it printed.

        The script goes through bash's input, so the account's own shell never reads it.

        Raises
        ------
        CommandError
            If it ends with another code than 0, with its last words; if it prints more than
            ``MOST_OUTPUT`` bytes.
        ConnectionLostError
            If the connection breaks meanwhile, or the time is over.
        """
        connection = await self.connect(is_patient=is_patient)
        mark = secrets.token_hex(8)
        async with self._explain_errors(connection), asyncio.timeout(timeout):
            process = await connection.create_process("exec bash -l", encoding=None)
            try:
                with suppress(BrokenPipeError):  # another command has ended, whose words are read
                    process.stdin.write(_with_marks(script, mark))
                    process.stdin.write_eof()
                printed, complaints = await asyncio.gather(
                    self._read_until(process.stdout, _end(mark)),
                    self._read_until(process.stderr, _end(mark)),
                )
                found = re.search(_between(mark), printed, re.DOTALL)
                if found is None:
                    await process.wait_closed()
                if process.returncode is None and found is None:
                    raise ConnectionError("it broke during a command")
            finally:
                process.close()
        login, has_begun, output = printed.partition(_begin(mark))
        code = b""
        if found:
            output, code = found.groups()
        if code != b"0":
            told = complaints.removesuffix(_end(mark)) + (output if has_begun else login)
            words = told.decode(errors="replace").strip()
            last = words.splitlines()[-1] if words else f"exit code {code.decode()}"
            if found is None and not words:
                last = "its login scripts read what is meant for bash, or end it"
                if has_begun:
                    last = "bash was ended, perhaps by the command line that activates Python"
            raise CommandError(f"A command on {self.profile.name} failed: {last.rstrip('.'):.300}.")
        return bytes(output).decode(errors="surrogateescape")

    async def count(self, script: str, *, is_patient: bool = False) -> int:
        """Run a script that prints a number from 0 on.

        Raises
        ------
        CommandError
            As :meth:`run` does, and if it prints anything else.
        """
        return int(self._expect(_COUNT, await self.run(script, is_patient=is_patient)))

    async def digest(self, path: str, *, is_patient: bool = False) -> str:
        """The SHA-256 of a file on the server, in hexadecimal digits.

        Raises
        ------
        CommandError
            As :meth:`run` does, and if the server answers with anything else.
        """
        # Through its input: sha256sum escapes hostile names in what it prints. A pipe never ends.
        quoted = shlex.quote(path)
        script = f"""[ ! -e {quoted} ] || [ -f {quoted} ] || {{ echo Not a file >&2; return 1; }}
set -o pipefail
sha256sum < {quoted} | cut -c 1-64"""
        return self._expect(_DIGEST, await self.run(script, timeout=600, is_patient=is_patient))

    async def tree_digest(self, folder: str) -> str:
        """The SHA-256 of the names and digests of all files in a folder but Python's compiled ones.

        Raises
        ------
        CommandError
            As :meth:`digest`.
        """
        script = f"""set -o pipefail
cd -- {shlex.quote(folder)} || return
find . -name __pycache__ -prune -o ! -type d -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum | cut -c 1-64"""
        return self._expect(_DIGEST, await self.run(script, timeout=600))

    def _expect(self, pattern: re.Pattern[str], answer: str) -> str:
        if not pattern.fullmatch(answer.strip()):
            raise CommandError(
                f"{self.profile.name} gave an answer that makes no sense: {answer.strip()!r:.99}.",
                "Look at what its login scripts do.",
            )
        return answer.strip()

    async def _read_until(self, stream: asyncssh.SSHReader[bytes], end: bytes) -> bytes:
        """Read a stream up to a mark, or to its end if the mark never comes."""
        content = bytearray()
        while chunk := await stream.read(_CHUNK):
            sought = max(0, len(content) - len(end))
            content += chunk
            if content.find(end, sought) >= 0:
                break
            if len(content) > MOST_OUTPUT:
                raise CommandError(
                    f"A command on {self.profile.name} printed more than {MOST_OUTPUT >> 20} MiB."
                )
        return bytes(content)

    @asynccontextmanager
    async def files(self, *, is_patient: bool = False) -> AsyncIterator[RemoteFiles]:
        """The server's files. Their errors leave it as :class:`UserError`."""
        connection = await self.connect(is_patient=is_patient)
        async with self._explain_errors(connection):
            if self._files is None:
                self._files = await self._start_sftp(connection)
            yield self._files

    async def _start_sftp(self, connection: asyncssh.SSHClientConnection) -> RemoteFiles:
        import asyncssh

        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                sftp = await connection.start_sftp_client(
                    path_encoding="utf-8", path_errors="surrogateescape"
                )
        except (asyncssh.SFTPBadMessage, asyncssh.SFTPConnectionLost) as error:
            if await _is_lost(connection):
                raise
            raise CommandError(
                f"{self.profile.name} answers otherwise than by SFTP where that should begin.",
                "Have its login scripts, such as ~/.bashrc, print and end nothing where no person "
                "types; and ask who runs it whether it forces a command.",
            ) from error
        return RemoteFiles(sftp, self.profile.name)

    async def close(self) -> None:
        """Close the connection, if there is one; what a person has logged in to stays open."""
        if self._connection is not None and is_kept(self._connection):
            if self._files is not None:
                self._files.close()
            self._connection = self._files = None
        if self._connection is not None:
            self._connection.close()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._connection.wait_closed()
            except TimeoutError:
                self._connection.abort()

    @asynccontextmanager
    async def _explain_errors(
        self, connection: asyncssh.SSHClientConnection
    ) -> AsyncIterator[None]:
        """Turn what asyncssh raises into sentences; what breaks the connection drops it."""
        import asyncssh

        name = self.profile.name
        try:
            yield
        except (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded) as error:
            raise disk_full(name) from error
        except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost) as error:
            self._drop(connection)
            raise ConnectionLostError(f"The connection to {name} was lost.") from error
        except asyncssh.SFTPFailure as error:
            raise await self._explain_failure(error) from error
        except asyncssh.SFTPError as error:
            raise CommandError(f"A file on {name} can't be used: {error.reason}.") from error
        except TimeoutError as error:
            self._drop(connection)
            raise ConnectionLostError(f"{name} did not answer in time.") from error
        except asyncssh.ChannelOpenError as error:
            if await _is_lost(connection):
                self._drop(connection)
                raise ConnectionLostError(f"The connection to {name} was lost.") from error
            raise CommandError(
                f"{name} refuses a session: {error.reason.rstrip('.')}.",
                "Its sshd must offer SFTP, and two sessions a connection (MaxSessions).",
            ) from error
        except (asyncssh.Error, ConnectionError) as error:
            self._drop(connection)
            raise ConnectionLostError(f"The connection to {name} was lost: {error}.") from error

    async def _explain_failure(self, error: asyncssh.SFTPError) -> UserError:
        """SFTP's version 3 says "Failure" for a full or read-only disk too, so it is looked at.

        A disk is full as well where it has room for bytes, but for no more files.
        """
        folder = shlex.quote(self.profile.folder.removeprefix("~/") or ".")
        rows = await self.run(f"""folder={folder}
until [ -d "$folder" ]; do folder=$(dirname -- "$folder"); done
for of in -k -i; do df -P $of -- "$folder" | tail -n 1; done
probe=$(mktemp -- "$folder/.probe.XXXXXX" 2>&1) && rm -f -- "$probe" || echo "refused: $probe" """)
        for row in rows.splitlines():
            total, _, free, *_ = [*row.split()[1:], "", "", ""]
            if free == "0" != total:
                return disk_full(self.profile.name)
            if row.startswith("refused: "):
                return CommandError(
                    f"Nothing can be written on {self.profile.name}: {row.rpartition(': ')[2]}.",
                    "Choose another working folder, or ask who runs the server.",
                )
        return CommandError(f"A file on {self.profile.name} can't be used: {error.reason}.")

    def _drop(self, connection: asyncssh.SSHClientConnection) -> None:
        """Give a connection up; there may be a newer one already."""
        connection.abort()
        if self._connection is connection:
            self._connection = self._files = None

    def _lost(self, wait: float) -> ConnectionLostError:
        return ConnectionLostError(
            self._last_problem or f"The connection to {self.profile.name} was lost.",
            f"Trying again in {max(1, round(wait))} s.",
        )


async def _is_lost(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether a connection is closed, or is being closed just now."""
    await asyncio.sleep(0)
    return connection.is_closed()


def _with_marks(script: str, mark: str) -> bytes:
    """Make a script for bash whose output is distinguished from that of the login's own scripts.

    The function is read whole before it runs, so no command can swallow its rest.
    """
    return os.fsencode(
        f"{_FOR_LOGIN}{_PLAIN_BASH}"
        f"main() {{\n{script}\n}}\n"
        "trap - DEBUG ERR EXIT RETURN\n"
        f"echo {mark}-begin\n"
        f'main </dev/null && echo "{mark}-code 0" || echo "{mark}-code $?"\n'
        f"echo {mark}-end\n"
        f"echo {mark}-end >&2\n"
        "exit\n"
    )


def _between(mark: str) -> bytes:
    return _begin(mark) + f"(.*){mark}-code (\\d{{1,3}})\n{mark}-end\n".encode()


def _begin(mark: str) -> bytes:
    return f"{mark}-begin\n".encode()


def _end(mark: str) -> bytes:
    return f"{mark}-end\n".encode()


def disk_full(name: str) -> UserError:
    """The disk of a server is full."""
    return UserError(
        f"The disk of {name} is full.",
        "Free some space in its working folder, or delete files, then try again.",
    )
