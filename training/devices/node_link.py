"""A line between the nodes of a job, so that all of them end when one does.

MindSpore's own notice of a lost node takes minutes. Node 0 listens on the port after msrun's;
every other node connects, and whichever fails says so. A line that breaks is a node that died.

Whoever connects must know the job's key (:func:`job_key`): port scans and other programs are
turned away, and neither end the job nor keep it waiting. What the nodes say is JSON, and is made
printable and short.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from types import TracebackType

from training.console import printable
from training.devices.msrun_job import CLUSTER_SECONDS, MsrunJob
from training.errors import UserError
from training.files.untrusted_files import parse_json

# The variable of the environment that holds the secret of a launch, the same on all nodes.
LAUNCH_KEY = "NAPARI_UNET_KEY"
_RETRY_SECONDS = 1.0
_HANDSHAKE_SECONDS = 10.0
# At a time; more callers than that are turned away unheard. Each takes two file descriptors.
_MOST_HANDSHAKES = 16
_ACCEPT_PAUSE = 0.1  # seconds after an error, such as too many open files
_LONGEST = 2**20  # bytes of what a node says
_MOST_CHARACTERS = 1000  # of each sentence of it
_HEAD_SECONDS = 60.0  # node 0 may still be importing what it needs
_LOST = "Look at that machine, then resume the run on all of them."


def job_key(master_port: int, nodes: int) -> bytes:
    """What every node of a job knows.

    The secret in the environment (``NAPARI_UNET_KEY``) is in it: a start over SSH sets it to a
    random one on all nodes, for that launch alone. A person who starts the nodes by hand can do
    the same; without it, the key keeps out programs that connect by mistake, but not an attacker.
    """
    known = f"{os.environ.get(LAUNCH_KEY, '')}:{master_port}:{nodes}"
    return hashlib.sha256(known.encode()).digest()


class NodeLink:
    """The line of a job on a single node, which has nobody to talk to. Base of the others."""

    def __enter__(self) -> NodeLink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self) -> UserError | None:
        """Return what went wrong on another node, if anything did. Does not wait."""
        return None

    def report_success(self) -> None:
        """Let the others know that this node is done."""

    def report_failure(self, failure: UserError) -> None:
        """Let the others know why this node ends."""

    def close(self) -> None:
        """Close the line."""


class HeadLink(NodeLink):
    """Node 0's end: a line to each other node.

    Raises
    ------
    UserError
        If its port is another program's.
    """

    def __init__(self, job: MsrunJob) -> None:
        self._key = job_key(job.master_port, job.nodes)
        host, port = job.master_addr, job.master_port + 1
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            raise UserError(
                f"The nodes can't meet at {host}:{port}: {error.strerror or error}.",
                "Choose another port, the same on each node: --master_port; the next one is used.",
            ) from error
        self._lines: list[_Line] = []
        self._most_lines = job.nodes - 1
        self._lines_lock = threading.Lock()
        self._closed = threading.Event()
        self._handshakes = threading.BoundedSemaphore(_MOST_HANDSHAKES)
        threading.Thread(target=self._accept, name="node-link", daemon=True).start()

    @property
    def is_complete(self) -> bool:
        """Whether every other node has a line."""
        return len(self._lines) == self._most_lines

    def poll(self) -> UserError | None:
        return next((failure for line in self._lines if (failure := line.poll())), None)

    def report_success(self) -> None:
        for line in self._lines:
            line.send(None)

    def report_failure(self, failure: UserError) -> None:
        for line in self._lines:
            line.send(failure)

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):  # macOS refuses it for a listener, and needs none
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        for line in self._lines:
            line.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                caller, address = self._listener.accept()
            except OSError:  # it was closed, the caller is gone, or too many files are open
                self._closed.wait(_ACCEPT_PAUSE)
                continue
            if self._handshakes.acquire(blocking=False):
                greet = threading.Thread(target=self._greet, args=(caller, address[0]), daemon=True)
                greet.start()
            else:
                caller.close()

    def _greet(self, caller: socket.socket, peer: str) -> None:
        try:
            connection = _shake_hands(caller, self._key, is_head=True)
        except (OSError, EOFError, AuthenticationError):
            return  # a stranger
        finally:
            self._handshakes.release()
        with self._lines_lock:
            if len(self._lines) < self._most_lines:
                self._lines.append(_Line(connection, peer))
            else:
                connection.close()


class MemberLink(NodeLink):
    """Another node's end. It tries for as long as msrun waits for its cluster."""

    def __init__(self, job: MsrunJob) -> None:
        self._job = job
        self._line: _Line | None = None
        self._next_try = 0.0
        self._deadline = time.monotonic() + CLUSTER_SECONDS

    def poll(self) -> UserError | None:
        if self._line is not None:
            return self._line.poll()
        if time.monotonic() < self._next_try:
            return None
        host, port = self._job.master_addr, self._job.master_port
        try:
            self._line = _call_head(host, port, job_key(port, self._job.nodes))
        except (OSError, EOFError) as error:
            self._next_try = time.monotonic() + _RETRY_SECONDS
            if time.monotonic() > self._deadline:
                return UserError(f"Node 0 does not answer at {host}:{port + 1}: {error}.", _LOST)
        except AuthenticationError:
            return UserError(
                f"What answers at {host}:{port + 1} belongs to another job.",
                f"Start all nodes with the same --nodes, --master_port and {LAUNCH_KEY}.",
            )
        return None

    def report_success(self) -> None:
        if self._line is not None:
            self._line.send(None)

    def report_failure(self, failure: UserError) -> None:
        if self._line is not None:
            self._line.send(failure)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


class _Line:
    """One connection between two nodes that know the same key."""

    def __init__(self, connection: Connection, peer: str) -> None:
        self._connection = connection
        self._peer = peer
        self._is_done = False

    def poll(self) -> UserError | None:
        """The peer's failure. Its death is one too, unless it was done."""
        if self._is_done:
            return None
        try:
            if not self._connection.poll():
                return None
            message = parse_json(self._connection.recv_bytes(_LONGEST))
            if message is None:
                self._is_done = True
                return None
            problem, remedy = _readable(message["problem"]), _readable(message["remedy"])
            return UserError(f"On the node {self._peer}: {problem}", remedy)
        except EOFError:
            return UserError(f"The node {self._peer} ended without reporting why.", _LOST)
        except (ValueError, TypeError, KeyError):
            return UserError(f"The node {self._peer} sent what can't be understood.", _LOST)
        except OSError as error:
            return UserError(f"The node {self._peer} was lost: {error.strerror or error}.", _LOST)

    def send(self, failure: UserError | None) -> None:
        message = failure and {"problem": failure.problem, "remedy": failure.remedy}
        with suppress(OSError):  # the peer is gone, and has ended by itself
            self._connection.send_bytes(json.dumps(message).encode())

    def close(self) -> None:
        self._connection.close()


def _readable(text: object) -> str:
    return printable(str(text))[:_MOST_CHARACTERS]


def report_to_head(master_addr: str, master_port: int, nodes: int, failure: UserError) -> None:
    """Let node 0 know that this node can't even begin, so that it need not wait."""
    deadline = time.monotonic() + _HEAD_SECONDS
    while time.monotonic() < deadline:
        try:
            line = _call_head(master_addr, master_port, job_key(master_port, nodes))
        except (OSError, EOFError):
            time.sleep(_RETRY_SECONDS)
            continue
        except AuthenticationError:
            return  # another job's
        line.send(failure)
        line.close()
        return


def report_to_members(job: MsrunJob, failure: UserError) -> None:
    """Let the other nodes know that node 0 can't even begin, as soon as each of them calls.

    Where the port is taken, by the job that trains already, say, they hear that it is another's.
    """
    try:
        link = HeadLink(job)
    except UserError:
        return
    deadline = time.monotonic() + _HEAD_SECONDS
    with link:
        while not link.is_complete and time.monotonic() < deadline:
            time.sleep(_ACCEPT_PAUSE)
        link.report_failure(failure)


def make_link(job: MsrunJob) -> NodeLink:
    """This node's end of the line."""
    if job.nodes == 1:
        return NodeLink()
    return HeadLink(job) if job.is_head else MemberLink(job)


def _call_head(master_addr: str, master_port: int, key: bytes) -> _Line:
    caller = socket.create_connection((master_addr, master_port + 1), timeout=5)
    return _Line(_shake_hands(caller, key, is_head=False), master_addr)


def _shake_hands(caller: socket.socket, key: bytes, *, is_head: bool) -> Connection:
    """A connection whose both ends have shown that they know the key.

    Raises
    ------
    OSError, EOFError
        If the line breaks, or the other end keeps silent for ``_HANDSHAKE_SECONDS``.
    AuthenticationError
        If the other end does not know the key.
    """
    caller.settimeout(None)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A machine that lost its power is noticed after 10 + 3 * 5 seconds.
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            caller.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    try:
        connection = Connection(os.dup(caller.fileno()))
    except OSError:
        caller.close()
        raise
    silence = threading.Timer(_HANDSHAKE_SECONDS, _hang_up, [caller])
    silence.daemon = True
    silence.start()
    try:
        if is_head:
            deliver_challenge(connection, key)
            answer_challenge(connection, key)
        else:
            answer_challenge(connection, key)
            deliver_challenge(connection, key)
    except AssertionError as error:  # by Python 3.11, of an answer that is not a handshake
        connection.close()
        raise AuthenticationError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    finally:
        silence.cancel()
        caller.close()
    return connection


def _hang_up(caller: socket.socket) -> None:
    with suppress(OSError):  # it was closed in the meantime
        caller.shutdown(socket.SHUT_RDWR)
