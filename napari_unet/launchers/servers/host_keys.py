"""Host keys against ``known_hosts``: an unknown one is for a person, a changed one is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import UserError
from training.files.append_files import open_to_append

if TYPE_CHECKING:
    import asyncssh

DEFAULT_PORT = 22
# Perhaps a marker, then names, and the kind and content of a key.
_ENTRY = re.compile(rb"^[ \t]*((?:@\S+[ \t]+)?[^\s#@]\S*)[ \t]+(\S+[ \t]+\S+)", re.MULTILINE)


class UnknownHostKeyError(UserError):
    """A server shows a key that nobody has accepted yet.

    Parameters
    ----------
    host, port
        The server, as ``known_hosts`` names it.
    key_line : str
        The public key in OpenSSH's form.
    fingerprint : str
        Its SHA-256 fingerprint, to be compared with the server's own.
    """

    def __init__(self, host: str, port: int, key_line: str, fingerprint: str) -> None:
        super().__init__(
            f"The host key of {known_name(host, port)} is unknown: {fingerprint}.",
            "Compare it with the server's own, then accept it: napari-unet servers test.",
        )
        self.host, self.port = host, port
        self.key_line, self.fingerprint = key_line, fingerprint


class ChangedHostKeyError(UserError):
    """A server shows another key than the accepted one."""

    def __init__(self, host: str, port: int, shown: str) -> None:
        name = known_name(host, port)
        super().__init__(
            f"The host key of {name} has changed ({shown}): the connection is refused, "
            "somebody may be listening in.",
            f"If the server was set up again, remove its old key: ssh-keygen -R '{name}'.",
        )


class HostKeyCheck:
    """Looks a server's keys up, and remembers what the server showed.

    It compares by name alone, with the port unless it is 22, as OpenSSH does.

    Parameters
    ----------
    files : sequence of Path
        Files in OpenSSH's ``known_hosts`` form; missing ones are passed over.
    """

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.host, self.port = "", DEFAULT_PORT
        self.has_entries = False
        self.has_known_keys = False
        self.has_foreign_certificate = False  # whether the server showed one
        self._revoked: list[asyncssh.SSHKey] = []
        self.offered: asyncssh.SSHKey | None = None

    def match(self, host: str, address: str, port: int | None) -> Any:
        """What asyncssh asks for: the trusted and the revoked keys of a host."""
        import asyncssh

        self.host, self.port = host, port or DEFAULT_PORT
        known = asyncssh.import_known_hosts("\n".join(self._lines()))
        found = known.match(known_name(host, self.port), "", None)
        keys, _authorities, revoked, certificates, _, subjects, _ = found
        self.has_entries = any(found)
        # An authority vouches only for certificates: a plain key is unknown beside it.
        self.has_known_keys = bool(keys or certificates or subjects)
        self._revoked = list(revoked)
        return found

    def _lines(self) -> Iterator[str]:
        """The lines that can be used; like OpenSSH, it passes over the others."""
        import asyncssh

        for file in self.files:
            content = file.read_bytes() if os.access(file, os.R_OK) else b""
            for names, key in _ENTRY.findall(content):
                # A comment after the key may be in any encoding.
                line = f"{names.decode(errors='replace')} {key.decode('ascii', 'replace')}"
                try:
                    asyncssh.import_known_hosts(line)
                except ValueError:
                    continue
                yield line

    def refusal(self, offered: asyncssh.SSHKey) -> UserError:
        """Why the server that was asked last, and showed this key, isn't trusted."""
        shown = offered.get_fingerprint()
        if offered in self._revoked:
            return UserError(
                f"The host key of {known_name(self.host, self.port)} is revoked ({shown}): the "
                "connection is refused.",
                "Ask who runs the server for its new key.",
            )
        if self.has_known_keys:
            return ChangedHostKeyError(self.host, self.port, shown)
        line = offered.export_public_key().decode().strip()
        return UnknownHostKeyError(self.host, self.port, line, shown)


def known_name(host: str, port: int) -> str:
    """How ``known_hosts`` calls a server."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def accept_host_key(unknown: UnknownHostKeyError) -> None:
    """Write a key that a person has accepted into ``~/.ssh/known_hosts``."""
    path = known_hosts_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kind, key, *_comment = unknown.key_line.split()
    line = f"{known_name(unknown.host, unknown.port)} {kind} {key}\n".encode()
    with open_to_append(Path(os.path.realpath(path))) as file:  # a person may keep it elsewhere
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read() == b"\n" else b"\n" + line
        file.write(line)


def known_hosts_path() -> Path:
    """The person's own file of accepted keys."""
    return Path.home() / ".ssh" / "known_hosts"
