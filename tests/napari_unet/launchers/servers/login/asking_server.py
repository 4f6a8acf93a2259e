"""An SSH server on the loopback that asks for passwords and one-time codes, by asyncssh."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import asyncssh

from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profile.profile import Profile
from tests.napari_unet.launchers.servers.loopback.hostile_server import run_in_bash

PASSWORD = "correct horse"


class AskingServer:
    """Lets a person in who answers all rounds of questions, each a list of prompts.

    A code, ``CODE`` in a round's right answers, is another one each time: the last is in ``code``.
    With ``rounds`` empty it asks for a password by the method of that name.
    """

    def __init__(self, folder: Path, rounds: list[list[tuple[str, bool, str]]]) -> None:
        self.work = folder
        self.rounds = rounds
        self.words = "Welcome"
        self.code = secrets.token_hex(3)
        self.logins = self.tries = 0
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self._server: Any = None
        self._connections: list[Any] = []

    def start(self) -> None:
        async def start() -> None:
            self._server = await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[self.key],
                server_factory=lambda: _Session(self),
                process_factory=self._answer,
                sftp_factory=True,
                encoding=None,
            )

        wait_for(start())

    def stop(self) -> None:
        async def stop() -> None:
            self._server.close()

        self.cut()
        wait_for(stop())

    def cut(self) -> None:
        """Break all connections."""

        async def cut() -> None:
            for connection in self._connections:
                connection.abort()
            self._connections.clear()

        wait_for(cut())

    @property
    def port(self) -> int:
        return int(self._server.get_port())

    def profile(self, **changes: Any) -> Profile:
        options = {"host": "127.0.0.1", "port": self.port, "folder": str(self.work), **changes}
        return Profile(name="lab", user="me", device="cpu", devices=1, **options)

    def known_hosts_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.key.export_public_key().decode()}"

    async def _answer(self, process: Any) -> None:
        await run_in_bash(process, (await process.stdin.read()).decode())
        process.exit(0)


class _Session(asyncssh.SSHServer):
    def __init__(self, server: AskingServer) -> None:
        self._server = server
        self._round = 0

    def connection_made(self, conn: Any) -> None:
        self._server._connections.append(conn)

    def password_auth_supported(self) -> bool:
        return not self._server.rounds

    def validate_password(self, username: str, password: str) -> bool:
        self._server.tries += 1
        return password == PASSWORD

    def kbdint_auth_supported(self) -> bool:
        return bool(self._server.rounds)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        self._round = 0
        self._server.tries += 1
        return self._challenge()

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        server = self._server
        right = [answer.replace("CODE", server.code) for *_, answer in server.rounds[self._round]]
        if list(responses) != right:
            return False
        self._round += 1
        if self._round < len(server.rounds):
            return self._challenge()
        server.code = secrets.token_hex(3)
        return True

    def auth_completed(self) -> None:
        self._server.logins += 1

    def connection_requested(self, *_: Any) -> bool:
        return True  # it is a server on the way, too

    def _challenge(self) -> Any:
        prompts = [(text, is_shown) for text, is_shown, _ in self._server.rounds[self._round]]
        return "", self._server.words, "", prompts
