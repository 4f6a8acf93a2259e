"""Servers and settings of SSH that are not what a person expects: a right result, or a sentence."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from napari_unet.launchers.launcher import ignore_progress
from napari_unet.launchers.servers import opening, scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.host_keys import ChangedHostKeyError, UnknownHostKeyError
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_files import CommandError
from napari_unet.launchers.servers.store import Store
from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer
from tests.napari_unet.launchers.servers.loopback.quick_server import install_quick_python
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.devices.run_processes import RUN_MARK
from training.errors import UserError

MIB = 2**20
SFTP_SERVER = shutil.which("sftp-server", path="/usr/lib/openssh:/usr/libexec/openssh:/usr/lib/ssh")


def talk(caller: socket.socket, piece: bytes) -> None:
    for _ in range(64):
        caller.sendall(piece)


TALKS: dict[str, Callable[[socket.socket], object]] = {
    "silent": lambda caller: caller.recv(MIB) and caller.recv(MIB),
    "endless lines before its version": lambda caller: talk(caller, b"a line\r\n" * 2**15),
    "one endless line": lambda caller: talk(caller, b"x" * MIB),
    "a packet of two GB": lambda caller: talk(
        caller, b"SSH-2.0-x\r\n\x7f\xff\xff\xff" + bytes(MIB)
    ),
    "closes at once": lambda caller: None,
    "closes in its version": lambda caller: caller.sendall(b"SSH-2"),
}


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that knows no SSH."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                try:
                    TALKS[request.param](caller)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("answer", TALKS, indirect=True)
def test_what_is_not_an_ssh_server_is_a_sentence(
    home: Path, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 2)
    server = Server(Profile(name="lab", host="127.0.0.1", port=answer))
    with pytest.raises(UserError, match=r"lab \(127.0.0.1\) can't be reached"):
        wait_for(asyncio.wait_for(server.connect(), 30))


def stranger() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def hashed(line: str) -> str:
    """A line as ``HashKnownHosts`` has it written."""
    path = known_hosts()
    path.write_text(line + "\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    return path.read_text()


def known_hosts() -> Path:
    return Path.home() / ".ssh" / "known_hosts"


# From the line that OpenSSH writes for the server: its lines, and what comes of them.
LINES: dict[str, tuple[Callable[[str, str], str], type[Exception] | None]] = {
    "hashed": (lambda line, key: hashed(line), None),
    "any host": (lambda line, key: f"* {key}", None),
    "any host with a port": (lambda line, key: f"[*]:{line.split(']:')[1]}", None),
    "other key of the host without its port": (lambda line, key: f"127.0.0.1 {stranger()}",
                                               UnknownHostKeyError),
    "broken key": (lambda line, key: f"{line.split()[0]} ssh-ed25519 AAAA", UnknownHostKeyError),
    "kind that nobody uses": (lambda line, key: f"{line.split()[0]} ssh-dss AAAA",
                              UnknownHostKeyError),
    "another key": (lambda line, key: f"{line.split()[0]} {stranger()}", ChangedHostKeyError),
    "revoked alone": (lambda line, key: f"@revoked * {key}", UserError),
}  # fmt: skip


@pytest.mark.parametrize("kind", LINES)
def test_known_hosts_count_as_for_openssh(hostile: HostileServer, kind: str) -> None:
    make, error = LINES[kind]
    line = known_hosts().read_text()
    known_hosts().write_text(make(line, line.split(" ", 1)[1]))
    server = Server(hostile.profile())
    if error is None:
        assert wait_for(server.run("echo here")) == "here\n"
        return
    with pytest.raises(error):
        wait_for(server.run("echo here"))


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_of_known_hosts_that_is_none(hostile: HostileServer, is_folder: bool) -> None:
    known_hosts().unlink()
    if is_folder:
        known_hosts().mkdir()
    with pytest.raises(UserError):
        wait_for(Server(hostile.profile()).run("echo here"))


@pytest.mark.parametrize(
    "config",
    [
        "StrictHostKeyChecking no",
        "StrictHostKeyChecking accept-new",
        'Match exec "touch ~/%h ~/owned"\n  User other',
        "ControlMaster auto\nControlPath ~/control\nSendEnv *\nForwardX11 yes\nRequestTTY yes",
        "Include ~/.ssh/missing\nUserKnownHostsFile /dev/null",
    ],
)
def test_settings_of_ssh_accept_no_key(hostile: HostileServer, home: Path, config: str) -> None:
    known_hosts().unlink()
    (home / ".ssh" / "config").write_text(config + "\n")
    with pytest.raises(UnknownHostKeyError):
        wait_for(Server(hostile.profile()).run("echo here"))
    assert not (home / "control").exists()


class Oversized(asyncssh.SFTPServer):
    def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        return bytes(2 * size)


class Vast(asyncssh.SFTPServer):
    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        attributes = asyncssh.SFTPAttrs.from_local(os.stat(self.map_path(path)))  # noqa: PTH116
        attributes.size = 2**63
        return attributes


class Secretive(asyncssh.SFTPServer):
    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs()


@pytest.mark.parametrize("files", [Oversized, Vast, Secretive])
def test_files_that_are_not_as_large_as_they_say(
    hostile: HostileServer, tmp_path: Path, files: type[asyncssh.SFTPServer]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    hostile.files = files
    server = Server(hostile.profile())

    async def read() -> bytes:
        async with server.files() as there:
            return await there.read(str(path))

    try:
        found = wait_for(asyncio.wait_for(read(), 60))
    except UserError:
        return
    assert len(found) <= len(b"content")


@pytest.mark.parametrize(
    "profile",
    [
        "read -r line; read -r line",
        "exec bash",
        "set -eu",
        "echo() { :; }",
        "head -c 5000000 /dev/zero; echo 1234567890abcdef-begin; echo 1234567890abcdef-end",
        "exec 2>&-",
        "cd /; PATH=",
        "alias echo=false; shopt -s expand_aliases",
    ],
)
def test_whatever_a_login_does_the_result_is_right(sshd: Sshd, profile: str) -> None:
    (sshd.login / ".bash_profile").write_text(profile + "\n")
    server = Server(sshd.profile())
    assert wait_for(asyncio.wait_for(server.run("printf 'a b'", timeout=10), 30)) == "a b"


# What a login may leave behind in bash: its options, how it splits words, commands of its own.
LEFT_BY_LOGINS = [
    "set -f",
    "set -k",
    "set -eu -o pipefail",
    "shopt -s failglob",
    "GLOBIGNORE='*'",
    "IFS=:",
    "grep() { :; }",
    "kill() { :; }",
    "wc() { :; }",
]


@pytest.mark.parametrize("left", LEFT_BY_LOGINS)
def test_a_run_is_found_and_ended_whatever_a_login_leaves(sshd: Sshd, left: str) -> None:
    """A run that isn't found counts as ended, while it trains on."""
    (sshd.login / ".bash_profile").write_text(left + "\n")
    server, run_id = Server(sshd.profile()), secrets.token_hex(16)
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_MARK: run_id})
    try:
        assert wait_for(server.count(scripts.are_running(run_id))) == 1
        assert wait_for(server.count(scripts.kill(run_id))) == 0
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("left", ["set -u", 'cd() { builtin cd "$@" && ls; }', "find() { :; }"])
def test_the_source_is_sent_and_python_found_whatever_a_login_leaves(
    sshd: Sshd, tmp_path: Path, left: str
) -> None:
    (sshd.login / ".bash_profile").write_text(left + "\n")
    profile = sshd.profile(activate=install_quick_python(tmp_path / "python"), device="auto")
    server = Server(profile)

    async def find_python() -> str:
        store = await Store.open(server, ignore_progress)
        await store.put_source()
        return await server.run(
            scripts.activation(profile, await store.put_source()) + "echo $python"
        )

    assert wait_for(find_python()).strip() == str(tmp_path / "python" / "python")


# The login shells of accounts, and what their own files may set.
SHELLS = {
    "fish": (".config/fish/config.fish", "alias rm 'rm -i'\nfunction python; echo no; end"),
    "tcsh": (".cshrc", "set noclobber noglob\nalias rm 'rm -i'\nalias python 'echo no'"),
    "zsh": (".zshenv", "setopt noclobber nounset\nalias -g python=no\nalias rm='rm -i'"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_the_shell_of_an_account_bash_works(sshd: Sshd, shell: str) -> None:
    program = shutil.which(shell)
    if program is None or SFTP_SERVER is None:
        pytest.skip(f"{shell} or sftp-server is not installed: apt-get install {shell}")
    name, text = SHELLS[shell]
    (sshd.login / name).parent.mkdir(parents=True, exist_ok=True)
    (sshd.login / name).write_text(f'{text}\ntouch "$HOME/greeted"\n')
    sshd.configure(f"Subsystem sftp {SFTP_SERVER}")
    sshd.configure(f'ForceCommand exec {program} -c "$SSH_ORIGINAL_COMMAND"')
    server = Server(sshd.profile())
    folder = wait_for(Store.open(server, ignore_progress)).folder
    written = scripts.append_line(folder.path / "it's $HOME", "a $line")
    assert wait_for(server.run(written)) == ""
    assert (sshd.work / "it's $HOME").read_text() == "a $line\n"
    assert (sshd.login / "greeted").exists()  # the shell has read its file


def test_a_command_that_never_answers_is_given_up(sshd: Sshd) -> None:
    server = Server(sshd.profile())
    with pytest.raises(ConnectionLostError, match="did not answer in time"):
        wait_for(asyncio.wait_for(server.run("sleep 600", timeout=0.5), 30))
    assert wait_for(server.run("echo here")) == "here\n"  # over a new connection


@pytest.mark.parametrize("profile", ["cat >/dev/null", "exit"])
def test_a_login_that_leaves_nothing_for_bash_is_a_sentence(sshd: Sshd, profile: str) -> None:
    (sshd.login / ".bash_profile").write_text(profile + "\n")
    with pytest.raises(UserError, match="its login scripts read what is meant for bash, or end it"):
        wait_for(asyncio.wait_for(Server(sshd.profile()).run("true", timeout=10), 30))


@pytest.mark.parametrize(
    ("line", "bashrc", "told"),
    [
        ("MaxSessions 1", "", r"refuses a session: open failed\. Its sshd must"),
        ("Subsystem other /bin/true", "", "refuses a session: Session request failed"),
        ("ForceCommand echo restricted", "", "answers otherwise than by SFTP"),
        ("ForceCommand internal-sftp", "", "failed: This service allows sftp connections only"),
        (f"Subsystem sftp {SFTP_SERVER}", "echo Welcome", "answers otherwise than by SFTP"),
        (f"Subsystem sftp {SFTP_SERVER}", "exit", "answers otherwise than by SFTP"),
        (f"Subsystem sftp {SFTP_SERVER}", "echo Welcome >&2", ""),
    ],
)
def test_what_a_server_does_not_allow_is_no_lost_connection(
    sshd: Sshd, line: str, bashrc: str, told: str
) -> None:
    if SFTP_SERVER is None and "None" in line:
        pytest.skip("OpenSSH's sftp-server is not installed: apt-get install openssh-sftp-server")
    (sshd.login / ".bashrc").write_text(bashrc + "\n")
    sshd.configure(line)
    server = Server(sshd.profile())
    if not told:
        assert wait_for(Store.open(server, ignore_progress)).folder.path.name == "work"
        return
    with pytest.raises(CommandError, match=told):
        wait_for(asyncio.wait_for(Store.open(server, ignore_progress), 30))


@pytest.mark.parametrize("what", ["pipe", "folder"])
def test_what_is_no_file_has_no_digest(hostile: HostileServer, tmp_path: Path, what: str) -> None:
    """A pipe would keep the command waiting for its writer."""
    path = tmp_path / "path"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(UserError, match="Not a file"):
        wait_for(asyncio.wait_for(Server(hostile.profile()).digest(str(path)), 30))
