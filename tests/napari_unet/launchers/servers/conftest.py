from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer
from tests.napari_unet.launchers.servers.loopback.sshd import SSHD, Sshd, make_key


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("client") / "id_ed25519")


@pytest.fixture
def home(tmp_path: Path, client_key: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home folder, with a key and no known hosts, and away from the real one."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    for key in (client_key, client_key.with_suffix(".pub")):
        shutil.copy(key, folder / ".ssh" / key.name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / ".local" / "share"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def unknown_sshd(home: Path, tmp_path: Path, client_key: Path) -> Iterator[Sshd]:
    """A running server whose host key nobody has accepted yet."""
    if SSHD is None:
        pytest.skip("OpenSSH's sshd is not installed: apt-get install openssh-server")
    folder = tmp_path / "server"
    folder.mkdir()
    server = Sshd(folder, client_key.with_suffix(".pub"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sshd(unknown_sshd: Sshd, home: Path) -> Sshd:
    """A running server whose host key is accepted."""
    (home / ".ssh" / "known_hosts").write_text(unknown_sshd.known_hosts_line())
    return unknown_sshd


@pytest.fixture
def hostile(home: Path, tmp_path: Path) -> Iterator[HostileServer]:
    """A running server, whose host key is accepted, that answers as a test wants."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    server = HostileServer(folder, home)
    server.start()
    yield server
    server.stop()
