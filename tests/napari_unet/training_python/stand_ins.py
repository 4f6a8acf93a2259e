"""Wheels that stand for the large ones, and a server that loses connections."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from packaging.utils import canonicalize_name

from napari_unet.training_python.requirements import for_formats, needed

# The command in a Python without MindSpore.
WITHOUT_MINDSPORE = """
import sys
sys.modules["mindspore"] = None
from napari_unet.cli.main import main
main()
"""
_MINDSPORE = """
def set_device(target): pass
class Tensor:
    def __init__(self, values): pass
    def __add__(self, other): return self
    def asnumpy(self): pass
"""
_PADDING = 3_000_000  # bytes of MindSpore's


def napari_unet(*arguments: object, code: str = WITHOUT_MINDSPORE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: object, code: str = WITHOUT_MINDSPORE) -> tuple[int, str, str]:
    """Exit code and outputs of the command in a Python without MindSpore."""
    process = napari_unet(*arguments, code=code)
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


def write_wheels(folder: Path) -> Path:
    """A wheel for each package that a training needs; that of MindSpore has the others' code."""
    folder.mkdir()
    for name in {canonicalize_name(wanted.name) for wanted in needed() + for_formats()}:
        number = "2.10.0" if name == "mindspore" else version(name)
        if name == "numpy":
            number = "1.26.4"
        about = f"{name}-{number}.dist-info"
        files = {
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if name == "mindspore":
            files |= {"mindspore/__init__.py": _MINDSPORE, "others.pth": site_packages()}
            files["mindspore/padding"] = os.urandom(_PADDING).hex()
        with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
            record = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
            wheel.writestr(f"{about}/RECORD", record)
    return folder


def site_packages() -> str:
    return sysconfig.get_paths()["purelib"]


class Index(ThreadingHTTPServer):
    """An index of packages, which may cut connections off or keep them waiting.

    Attributes
    ----------
    cuts : int
        How many answers with MindSpore's wheel are cut off in their middle.
    is_open : threading.Event
        While it is not set, they stop there, and wait.
    status : int
        Of the answers with that wheel, where it is not 200.
    is_damaging : bool
        Whether that wheel has another content than the index says.
    login : str
        Name and password that are asked for, such as ``me:secret``.
    begins : list of int
        Where the answers with that wheel began, of those that were asked for by no tool of uv.
    """

    daemon_threads = True

    def __init__(self, wheels: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheels = {path.name: path.read_bytes() for path in wheels.glob("*.whl")}
        self.cuts = 0
        self.is_open = threading.Event()
        self.is_open.set()
        self.status = 200
        self.is_damaging = False
        self.login = ""
        self.begins: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class _Handler(BaseHTTPRequestHandler):
    server: Index

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        login = f"Basic {base64.b64encode(self.server.login.encode()).decode()}"
        if self.server.login and self.headers.get("Authorization") != login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        *_, kind, name = self.path.strip("/").split("/")
        if kind == "simple":
            links = [
                f'<a href="/files/{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
                for file, content in self.server.wheels.items()
                if file.startswith(f"{name.replace('-', '_')}-") or file.startswith(f"{name}-")
            ]
            self._answer("".join(links).encode(), "text/html")
        elif not name.startswith("mindspore"):
            self._answer(self.server.wheels[name])
        elif "uv/" in self.headers.get("User-Agent", ""):
            self._answer(self.server.wheels[name], status=self.server.status)
        else:
            self._answer_for_mindspore(self.server.wheels[name])

    def _answer_for_mindspore(self, content: bytes) -> None:
        if self.command == "HEAD":
            self._answer(content)
            return
        asked = self.headers.get("Range", "bytes=0-")
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        self.server.begins.append(begin)
        if self.server.is_damaging:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status = 206 if begin and self.server.status == 200 else self.server.status
        rest = content[begin:]
        is_cut = self.server.cuts > 0
        self._begin(status, len(rest), "application/octet-stream")
        if not is_cut and self.server.is_open.is_set():
            self.wfile.write(rest)
            return
        self.server.cuts -= is_cut
        self.wfile.write(rest[: len(rest) // 2])
        self.wfile.flush()
        self.server.is_open.wait(60)

    def _answer(
        self, content: bytes, kind: str = "application/octet-stream", status: int = 200
    ) -> None:
        self._begin(status, len(content), kind)
        if self.command == "GET":
            self.wfile.write(content)

    def _begin(self, status: int, length: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(wheels: Path) -> Iterator[Index]:
    with Index(wheels) as index:
        thread = threading.Thread(target=index.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield index
        finally:
            index.is_open.set()
            index.shutdown()
            thread.join()
