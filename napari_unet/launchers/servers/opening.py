"""Opens an SSH connection, and says in a sentence why it can't be opened."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.launchers.servers.host_keys import HostKeyCheck, known_hosts_path
from napari_unet.launchers.servers.login.login import Address, Login, is_kept, kept_connection
from napari_unet.launchers.servers.profile.profile import Profile
from training.errors import UserError

if TYPE_CHECKING:
    import asyncssh

    _Connection = asyncssh.SSHClientConnection | None

CONNECT_SECONDS = 20  # without the time that a person thinks
MOST_JUMPS = 8
# Without certificates: like ssh, it asks about the key of one whose authority is unknown.
PLAIN_KEYS = (
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
    "rsa-sha2-512,rsa-sha2-256"
)
# A dead line is noticed after KEEPALIVE_SECONDS * (KEEPALIVE_COUNT + 1) at the latest.
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 10, 2


class ConnectionLostError(UserError):
    """The server can't be reached now; trying again later may help."""


class LoginDeclinedError(UserError):
    """A person was asked to log in and did not; whoever only watches does not ask again."""


@dataclass(frozen=True)
class _Hop:
    """A server on the way, or at its end: what the person's files or a profile call it."""

    name: str
    host: str
    port: int = 0
    user: str = ""
    key: str = ""
    goal: str = ""  # of a server on the way: where to

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.name}, on the way to {self.goal}," if self.goal else self.name

    @property
    def place(self) -> str:
        """What it is called where its address helps."""
        return self.label if self.goal else f"{self.name} ({self.host})"

    @property
    def address(self) -> Address:
        return self.host, self.port, self.user


async def open_connection(
    profile: Profile, *, is_patient: bool = False
) -> asyncssh.SSHClientConnection:
    """Open a connection, with ``~/.ssh/config``, the agent and ``known_hosts`` looked at.

    What the server asks, a password or a code, is put to the person; so do the servers of
    ``ProxyJump`` on the way. One question after the other.

    Parameters
    ----------
    profile : Profile
    is_patient : bool
        Whether a person who has declined before is not asked again.

    Raises
    ------
    UnknownHostKeyError, ChangedHostKeyError
        If the key of a server isn't the accepted one.
    UserError
        If the server refuses this person's key.
    LoginDeclinedError
        If the person doesn't answer, or there is nobody to be asked.
    ConnectionLostError
        If the server can't be reached.
    """
    hop = _Hop(profile.name, profile.host, profile.port, profile.user, profile.key)
    async with _alone(hop.address):
        if (kept := kept_connection(hop.address)) is not None:
            return kept
        if is_patient and hop.address in _declined:
            raise _declined[hop.address]
        try:
            async with asyncio.timeout(CONNECT_SECONDS) as limit:
                connection = await _reach(hop, limit)
        except LoginDeclinedError as error:
            _declined[hop.address] = error
            raise
        except TimeoutError as error:
            raise ConnectionLostError(f"{hop.place} can't be reached: {_reason(error)}.") from error
        _declined.pop(hop.address, None)
        return connection


_declined: dict[Address, LoginDeclinedError] = {}
_locks: dict[Address, asyncio.Lock] = {}


def ask_again() -> None:
    """Ask those who have declined once more, also where a connection is only watched."""
    _declined.clear()


def _alone(address: Address) -> asyncio.Lock:
    """Whoever else wants a connection to an address waits for the one that is being opened."""
    return _locks.setdefault(address, asyncio.Lock())


async def _reach(
    hop: _Hop, limit: asyncio.Timeout, tunnel: _Connection = None, before: tuple[Address, ...] = ()
) -> asyncssh.SSHClientConnection:
    """Open a connection to a server, through those on its way that the SSH configuration names.

    Parameters
    ----------
    hop : _Hop
    limit : asyncio.Timeout
    tunnel : connection or None
        To the one before it, where that is known already.
    before : tuple of Address
        Of the servers whose way this one is on.
    """
    options = _options(hop)
    with _explained(hop):
        configured = await _read_configuration(hop, options)
        jumps = _jumps(configured, hop.goal or hop.name) if tunnel is None else []
    before = (*before, hop.address)
    kept_ones = [place for place, jump in enumerate(jumps) if kept_connection(jump.address)]
    for jump in jumps[max(kept_ones, default=0) :]:
        if jump.address in before or len(before) > MOST_JUMPS:
            raise UserError(
                f"The way to {jump.goal} comes back to {jump.host}.",
                "Mend ~/.ssh/config: ProxyJump.",
            )
        async with _alone(jump.address):
            kept = kept_connection(jump.address)
            tunnel = kept or await _reach(jump, limit, tunnel, before)
    login = Login(hop.label, hop.address, limit, CONNECT_SECONDS)
    is_shared = tunnel is not None and is_kept(tunnel)
    try:
        connection = await _open(hop, {**options, "tunnel": tunnel}, configured, login)
    except BaseException:
        if tunnel is not None and not is_shared:
            tunnel.close()
        raise
    if not is_shared:
        connection.set_tunnel(tunnel)  # it is closed with this one
    login.keep(connection)
    return connection


async def _open(
    hop: _Hop,
    options: dict[str, Any],
    configured: asyncssh.SSHClientConnectionOptions,
    login: Login,
) -> asyncssh.SSHClientConnection:
    import asyncssh

    check = HostKeyCheck([known_hosts_path(), Path("/etc/ssh/ssh_known_hosts")])
    check.files += _known_hosts_files(configured)
    options = {
        **_existing_keys(configured),
        **options,
        "known_hosts": check.match,
        "client_factory": _client_of(check, login),
    }
    with _explained(hop, check, login):
        try:
            return await asyncssh.connect(hop.host, **options)
        except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionError):
            # A server without a key of the accepted kind hangs up: look at what it has.
            if not check.has_entries or login.is_wanted:
                raise
        except asyncssh.HostKeyNotVerifiable:
            if not check.has_foreign_certificate:
                raise
        return await asyncssh.connect(hop.host, **options, server_host_key_algs=PLAIN_KEYS)


@contextmanager
def _explained(
    hop: _Hop, check: HostKeyCheck | None = None, login: Login | None = None
) -> Iterator[None]:
    """Say in a sentence why a server can't be used."""
    import asyncssh

    place = hop.place
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        if check is None or check.offered is None:
            raise UserError(f"The host key of {place} is not accepted: {error}.") from error
        raise check.refusal(check.offered) from error
    except asyncssh.PermissionDenied as error:
        if login is not None and login.is_wanted and not login.is_answered:
            raise _not_answered(place, login) from error
        what = "what you answered" if login is not None and login.is_answered else "your key"
        raise UserError(
            f"{place} refused {what} ({error.reason}).",
            "Add the key to the agent (ssh-add), name it in the profile, or have your public "
            "key put into the server's ~/.ssh/authorized_keys."
            if what == "your key"
            else "Connect again to try once more.",
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
    except TimeoutError:
        raise  # of the whole way
    except (asyncssh.Error, OSError) as error:
        raise ConnectionLostError(f"{place} can't be reached: {_reason(error)}.") from error


def _not_answered(place: str, login: Login) -> UserError:
    """A server asked for a password or a code, and got none."""
    if login.is_unheard:
        return ConnectionLostError(f"{place} asks for a password or a code.")
    if login.is_declined:
        return LoginDeclinedError(f"The login to {place} was not answered.", "Connect again.")
    return LoginDeclinedError(
        f"{place} refused your key, and asks for a password or a code, "
        "which nobody can be asked for here.",
        "Connect in a terminal or in the window; with a key alone: ssh-add.",
    )


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


def _client_of(check: HostKeyCheck, login: Login) -> type[asyncssh.SSHClient]:
    """A client that refuses every key that isn't known, and notes it; a login asks the person."""
    import asyncssh

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            check.offered = key
            return False

        def validate_host_ca_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            check.has_foreign_certificate = True
            return False

        def kbdint_auth_requested(self) -> str | None:
            return "" if login.may_ask() else None

        async def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str] | None:
            return await login.answer(f"{name}\n{instructions}".strip(), prompts)

        async def password_auth_requested(self) -> str | None:
            if not login.may_ask():
                return None
            answers = await login.answer("", [("Password:", False)])
            return answers[0] if answers else None

    return Client


async def _read_configuration(
    hop: _Hop, options: dict[str, Any]
) -> asyncssh.SSHClientConnectionOptions:
    """What ``~/.ssh/config`` says of a server; no key is read yet."""
    import asyncssh

    without_keys = {"client_keys": None, "agent_identities": None}
    configured: asyncssh.SSHClientConnectionOptions
    configured = await asyncssh.SSHClientConnectionOptions.construct(
        host=hop.host, config=(), **{**options, **without_keys}
    )
    return configured


def _jumps(configured: asyncssh.SSHClientConnectionOptions, goal: str) -> list[_Hop]:
    """The servers on the way that ``ProxyJump`` names: ``user@host:port``, one after the other."""
    named: Any = configured.tunnel or "none"
    jumps = []
    for part in () if named == "none" else named.split(","):
        user, _, place = part.strip().rpartition("@")
        host, has_port, port = place.rpartition(":")
        number = int(port) if has_port else 0
        jumps.append(_Hop(part.strip(), host or port, number, user, goal=goal))
    return jumps


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


def _options(hop: _Hop) -> dict[str, Any]:
    options: dict[str, Any] = {
        # The whole way has one limit, which stands still while a person thinks.
        "connect_timeout": 0,
        "login_timeout": 0,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "password_auth": True,
        "kbdint_auth": True,
        "ignore_encrypted": not hop.key,
        # What ~/.ssh/config asks for in a person's own sessions.
        "request_pty": False,
        "command": None,
        "agent_forwarding": False,
        "x11_forwarding": False,
    }
    if hop.port:
        options["port"] = hop.port
    if hop.user:
        options["username"] = hop.user
    if hop.key:
        options["client_keys"] = [str(Path(hop.key).expanduser())]
    return options
