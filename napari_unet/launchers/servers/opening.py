"""Opens an SSH connection, and says in a sentence why it can't be opened."""

from __future__ import annotations

import errno
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.launchers.servers.host_keys import HostKeyCheck, known_hosts_path
from napari_unet.launchers.servers.profiles import Profile
from training.errors import UserError

if TYPE_CHECKING:
    import asyncssh

CONNECT_SECONDS = 20
# Without certificates: like ssh, it asks about the key of one whose authority is unknown.
PLAIN_KEYS = (
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
    "rsa-sha2-512,rsa-sha2-256"
)
# A dead line is noticed after KEEPALIVE_SECONDS * (KEEPALIVE_COUNT + 1) at the latest.
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 10, 2


class ConnectionLostError(UserError):
    """The server can't be reached now; trying again later may help."""


async def open_connection(profile: Profile) -> asyncssh.SSHClientConnection:
    """Open a connection, with ``~/.ssh/config``, the agent and ``known_hosts`` looked at.

    Raises
    ------
    UnknownHostKeyError, ChangedHostKeyError
        If the server's key isn't the accepted one.
    UserError
        If the server refuses this person's key.
    ConnectionLostError
        If the server can't be reached.
    """
    import asyncssh

    check = HostKeyCheck([known_hosts_path(), Path("/etc/ssh/ssh_known_hosts")])
    options = _options(profile)
    place = f"{profile.name} ({profile.host})"
    try:
        configured = await _read_configuration(profile, options)
        check.files += _known_hosts_files(configured)
        options = {
            **_existing_keys(configured),
            **options,
            "known_hosts": check.match,
            "client_factory": _client_of(check),
        }
        try:
            return await asyncssh.connect(profile.host, **options)
        except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionError):
            # A server without a key of the accepted kind hangs up: look at what it has.
            if not check.has_entries:
                raise
        except asyncssh.HostKeyNotVerifiable:
            if not check.has_foreign_certificate:
                raise
        return await asyncssh.connect(profile.host, **options, server_host_key_algs=PLAIN_KEYS)
    except asyncssh.HostKeyNotVerifiable as error:
        if check.offered is None:
            raise _jump_refused(profile, str(error)) from error
        raise check.refusal(check.offered) from error
    except asyncssh.PermissionDenied as error:
        raise UserError(
            f"{place} refused your key ({error.reason}).",
            "Add the key to the agent (ssh-add), name it in the profile, or have your public "
            "key put into the server's ~/.ssh/authorized_keys.",
        ) from error
    except (asyncssh.KeyImportError, asyncssh.ConfigParseError, FileNotFoundError) as error:
        raise UserError(
            f"The key or the SSH configuration for {place} can't be used: {error}.",
            "A key with a passphrase must be in the agent: ssh-add.",
        ) from error
    except ValueError as error:  # also of what is not a host's name
        raise UserError(
            f"{place} can't be reached: {error}.",
            "Check its address in the profile and its entries in ~/.ssh/config.",
        ) from error
    except (asyncssh.Error, OSError) as error:
        raise ConnectionLostError(f"{place} can't be reached: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Why a server can't be reached, without numbers of errors or the words of a library."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, socket.gaierror):
        return "its name is unknown here"
    # Where a name has several addresses, asyncio counts up one error for each, in its text alone.
    named = re.search(r"Errno (\d{1,5})", str(error))
    number = getattr(error, "errno", None) or (int(named[1]) if named else 0)
    if number == errno.ECONNREFUSED:
        return "nothing answers at its port"
    return os.strerror(number).lower() if number > 0 else str(error)


def _client_of(check: HostKeyCheck) -> type[asyncssh.SSHClient]:
    """A client that refuses every key that isn't known, and notes it."""
    import asyncssh

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            check.offered = key
            return False

        def validate_host_ca_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            check.has_foreign_certificate = True
            return False

    return Client


async def _read_configuration(
    profile: Profile, options: dict[str, Any]
) -> asyncssh.SSHClientConnectionOptions:
    """What ``~/.ssh/config`` says of a server; no key is read yet."""
    import asyncssh

    without_keys = {"client_keys": None, "agent_identities": None}
    configured: asyncssh.SSHClientConnectionOptions
    configured = await asyncssh.SSHClientConnectionOptions.construct(
        host=profile.host, config=(), **{**options, **without_keys}
    )
    return configured


def _known_hosts_files(configured: asyncssh.SSHClientConnectionOptions) -> list[Path]:
    """The files that ``UserKnownHostsFile`` and the like name."""
    files = configured.known_hosts
    return [Path(file).expanduser() for file in files] if isinstance(files, list) else []


def _existing_keys(configured: asyncssh.SSHClientConnectionOptions) -> dict[str, Any]:
    """The files of ``IdentityFile`` that are there, if it names any; ssh misses no other."""
    named: Any = configured.config.get("IdentityFile", ())
    if not named:
        return {}
    return {"client_keys": [name for name in named if Path(name).expanduser().exists()]}


def _options(profile: Profile) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "login_timeout": CONNECT_SECONDS,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "password_auth": False,
        "kbdint_auth": False,
        "ignore_encrypted": not profile.key,
        # What ~/.ssh/config asks for in a person's own sessions.
        "request_pty": False,
        "command": None,
        "agent_forwarding": False,
        "x11_forwarding": False,
    }
    if profile.port:
        options["port"] = profile.port
    if profile.user:
        options["username"] = profile.user
    if profile.key:
        options["client_keys"] = [str(Path(profile.key).expanduser())]
    return options


def _jump_refused(profile: Profile, reason: str) -> UserError:
    return UserError(
        f"The host key of a server on the way to {profile.host} is not accepted: {reason}.",
        "Connect to that server once with ssh, and check its key there.",
    )
