"""An SSH server on the loopback that answers as a test wants, and else as a real one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh

from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profile.profile import Profile

Answer = Callable[[Any, str], Awaitable[None]]


async def run_in_bash(process: Any, script: str) -> None:
    """Answer a command as a real server would."""
    bash = await asyncio.create_subprocess_exec(
        "bash", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=-1
    )
    printed, complaints = await bash.communicate(script.encode())
    process.stdout.write(printed)
    process.stderr.write(complaints)


def printing(output: bytes, ending_with: str = "") -> Answer:
    """Answer commands that end with a text by an output of one's own; all if it is empty."""

    async def answer(process: Any, script: str) -> None:
        if f"{ending_with}\n}}" not in script:
            await run_in_bash(process, script)
            return
        mark = re.findall(r"echo (\w+)-begin", script)[0]
        process.stdout.write(f"{mark}-begin\n".encode() + output)
        process.stdout.write(f"{mark}-code 0\n{mark}-end\n".encode())
        process.stderr.write(f"{mark}-end\n".encode())

    return answer


class HostileServer:
    """Serves this machine's files and commands, but for what a test replaces.

    Parameters
    ----------
    folder : Path
        Where its work folder lies.
    home : Path
        The person's; the server's key is accepted there.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.work = folder / "work"
        self.home = home
        self.answer: Answer = run_in_bash
        self.files: type[asyncssh.SFTPServer] = asyncssh.SFTPServer
        self._server: Any = None

    def start(self) -> None:
        wait_for(self._start())

    def stop(self) -> None:
        wait_for(self._stop())

    def profile(self, **changes: Any) -> Profile:
        options = {"folder": str(self.work), "device": "cpu", "devices": 1, **changes}
        return Profile(
            name="hostile", host="127.0.0.1", port=self._server.get_port(), user="me", **options
        )

    async def _start(self) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            authorized_client_keys=str(self.home / ".ssh" / "id_ed25519.pub"),
            process_factory=self._answer,
            sftp_factory=lambda channel: self.files(channel),
            encoding=None,
        )
        line = f"[127.0.0.1]:{self._server.get_port()} {key.export_public_key().decode()}"
        (self.home / ".ssh" / "known_hosts").write_text(line)

    async def _stop(self) -> None:
        self._server.close()

    async def _answer(self, process: Any) -> None:
        await self.answer(process, (await process.stdin.read()).decode())
        process.exit(0)
