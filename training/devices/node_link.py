"""A line between the nodes of a job, so that all end when one does.

MindSpore's own notice of a lost node takes minutes. Node 0 listens on the port after msrun's;
every other node connects, and whoever fails says so. A line that breaks is a node that died.
"""

from __future__ import annotations

import json
import socket
import time
from types import TracebackType

from training.devices.msrun_job import CLUSTER_SECONDS, Job
from training.errors import UserError
from training.files.untrusted_files import parse_json

_RETRY_SECONDS = 1.0
_LONGEST = 2**20  # bytes of what a node says
_HEAD_SECONDS = 60.0  # node 0 may still be importing what it needs
_LOST = "Look at that machine, then resume the run on all of them."


class NodeLink:
    """The line of a job on one node: there is none. Also the base of those that have."""

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
        """What has happened on another node, without waiting."""
        return None

    def tell_success(self) -> None:
        """Tell the others that this node is done."""

    def tell_failure(self, failure: UserError) -> None:
        """Tell the others why this node ends."""

    def close(self) -> None:
        """Close the line."""


class HeadLink(NodeLink):
    """Node 0's end: a line to each other node."""

    def __init__(self, job: Job) -> None:
        self._listener = socket.create_server((job.master_addr, job.master_port + 1))
        self._listener.setblocking(False)
        self._lines: list[_Line] = []

    def poll(self) -> UserError | None:
        try:
            connection, address = self._listener.accept()
            self._lines.append(_Line(connection, address[0]))
        except BlockingIOError:
            pass
        return next((failure for line in self._lines if (failure := line.poll())), None)

    def tell_success(self) -> None:
        for line in self._lines:
            line.send(None)

    def tell_failure(self, failure: UserError) -> None:
        for line in self._lines:
            line.send(failure)

    def close(self) -> None:
        for line in self._lines:
            line.close()
        self._listener.close()


class MemberLink(NodeLink):
    """Another node's end. It tries for as long as msrun waits for its cluster."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._line: _Line | None = None
        self._next_try = 0.0
        self._deadline = time.monotonic() + CLUSTER_SECONDS

    def poll(self) -> UserError | None:
        if self._line is not None:
            return self._line.poll()
        if time.monotonic() < self._next_try:
            return None
        address = self._job.master_addr, self._job.master_port + 1
        try:
            self._line = _Line(socket.create_connection(address, timeout=5), address[0])
        except OSError as error:
            self._next_try = time.monotonic() + _RETRY_SECONDS
            if time.monotonic() > self._deadline:
                return UserError(f"Node 0 at {address[0]}:{address[1]} is not there: {error}.")
        return None

    def tell_success(self) -> None:
        if self._line is not None:
            self._line.send(None)

    def tell_failure(self, failure: UserError) -> None:
        if self._line is not None:
            self._line.send(failure)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


class _Line:
    """One connection between two nodes."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # A machine that lost its power is noticed after 10 + 3 * 5 seconds.
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._connection = connection
        self._peer = peer
        self._is_done = False
        self._received = b""

    def poll(self) -> UserError | None:
        """The peer's failure, or its death, which is one too unless it was done."""
        if self._is_done:
            return None
        try:
            chunk = self._connection.recv(65536)
        except BlockingIOError:
            return None
        except OSError as error:
            return UserError(f"The node {self._peer} was lost: {error.strerror}.", _LOST)
        if not chunk:
            return UserError(f"The run on the node {self._peer} ended without a word.", _LOST)
        self._received += chunk
        if not self._received.endswith(b"\n"):
            if len(self._received) > _LONGEST:
                return UserError(f"The node {self._peer} said what can't be understood.", _LOST)
            return None
        try:
            told = parse_json(self._received)
            if told is None:
                self._is_done = True
                return None
            return UserError(f"On the node {self._peer}: {told['problem']}", str(told["remedy"]))
        except (ValueError, TypeError, KeyError):
            return UserError(f"The node {self._peer} said what can't be understood.", _LOST)

    def send(self, failure: UserError | None) -> None:
        told = failure and {"problem": failure.problem, "remedy": failure.remedy}
        try:
            self._connection.setblocking(True)
            self._connection.sendall(json.dumps(told).encode() + b"\n")
        except OSError:
            return  # the peer is gone, and has ended by itself

    def close(self) -> None:
        self._connection.close()


def tell_head(address: str, master_port: int, failure: UserError) -> None:
    """Tell node 0 that this node can't even begin, so that it need not wait."""
    deadline = time.monotonic() + _HEAD_SECONDS
    while time.monotonic() < deadline:
        try:
            line = _Line(socket.create_connection((address, master_port + 1), timeout=5), address)
        except OSError:
            time.sleep(_RETRY_SECONDS)
            continue
        line.send(failure)
        line.close()
        return


def make_link(job: Job) -> NodeLink:
    """This node's end of the line."""
    if job.nodes == 1:
        return NodeLink()
    return HeadLink(job) if job.is_head else MemberLink(job)
