"""OpenSSH's own server on the loopback, with keys and a configuration of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from napari_unet.launchers.servers.profile.profile import Profile

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> Path:
    """A new key pair; the public one is at ``<path>.pub``."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


class Sshd:
    """A server that can be stopped, started again, given another host key, or cut off."""

    def __init__(
        self,
        folder: Path,
        authorized: Path,
        address: str = "127.0.0.1",
        port: int = 0,
        namespace: str = "",
        disk: Path | None = None,
    ) -> None:
        self.folder = folder
        self.address = address
        self.port = port or free_port()
        self.host_key = make_key(folder / "host_key")
        self.work = folder / "work"
        self.login = folder / "login"  # the home folder of who logs in
        self.login.mkdir()
        self._config = folder / "sshd_config"
        self._command_prefix: list[str | Path] = []
        self._end_signal = signal.SIGTERM
        if namespace and disk is not None:  # a network, processes and a disk of its own
            mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            network = ["ip", "netns", "exec", namespace]
            processes = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
            self._command_prefix = [*network, *processes, "sh", "-c", mount, "sh", folder, disk]
            self._end_signal = signal.SIGKILL  # unshare ignores others, and takes all with it
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copy(authorized, folder / "authorized_keys")
        self._config.write_text(
            f"Port {self.port}\nListenAddress {address}\n"
            f"HostKey {self.host_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\n"
            "PermitRootLogin yes\nSubsystem sftp internal-sftp\nLogLevel ERROR\n"
            f'SetEnv "HOME={self.login}"\n'
        )

    def profile(self, **changes: object) -> Profile:
        options: dict[str, Any] = {
            "name": "loopback",
            "host": self.address,
            "port": self.port,
            "user": getpass.getuser(),
            "folder": str(self.work),
            "device": "cpu",
            "devices": 1,
            **changes,
        }
        return Profile(**options)

    def configure(self, line: str) -> None:
        """Start again with a line of ``sshd_config`` in the place of those of its keyword."""
        keyword = line.split()[0]
        others = self._config.read_text().splitlines()
        kept = [other for other in others if not other.startswith(keyword)]
        self.stop()
        self._wait_until_its_port_is_free()
        self._config.write_text("\n".join([line, *kept, ""]))
        self.start()

    def known_hosts_line(self) -> str:
        kind, key, *_ = (self.host_key.parent / "host_key.pub").read_text().split()
        return f"[{self.address}]:{self.port} {kind} {key}\n"

    def start(self) -> None:
        assert SSHD is not None
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [*self._command_prefix, SSHD, "-D", "-E", self.folder / "sshd.log", "-f", self._config],
            stdin=subprocess.DEVNULL,
        )
        self._wait_until_it_listens()

    def stop(self) -> None:
        """End the server and cut the connections that it holds."""
        assert self._process is not None
        self.cut_connections()
        self._process.send_signal(self._end_signal)
        self._process.wait()

    def cut_connections(self) -> None:
        """Kill the processes that serve connections; what they started detached lives on."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "sshd" in child.name():
                    child.kill()

    def change_host_key(self) -> None:
        for path in (self.host_key, self.host_key.with_suffix(".pub")):
            path.unlink()
        make_key(self.host_key)

    def certify_host_key(self, authority: Path) -> None:
        """Have an authority sign the host key; its certificate is shown from the next start on."""
        public = self.host_key.with_suffix(".pub")
        sign = ["ssh-keygen", "-q", "-s", authority, "-h", "-I", "host", "-n", self.address, public]
        subprocess.run(sign, check=True, stdin=subprocess.DEVNULL)
        with self._config.open("a") as config:
            config.write(f"HostCertificate {self.folder}/host_key-cert.pub\n")

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((self.address, self.port), timeout=5).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
                time.sleep(0.02)

    def _wait_until_its_port_is_free(self) -> None:
        """A process that was begun for a connection may still listen, too."""
        deadline = time.monotonic() + 20
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                socket.create_connection((self.address, self.port), timeout=5).close()
                assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
                time.sleep(0.02)
