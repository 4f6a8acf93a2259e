"""The line between the nodes of a job: who may speak on it, and what ends the others."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection

import pytest

from training.devices import node_link
from training.devices.free_ports import find_free_port
from training.devices.msrun_job import MsrunJob
from training.devices.node_link import (
    LAUNCH_KEY,
    HeadLink,
    MemberLink,
    NodeLink,
    job_key,
    make_link,
    report_to_head,
    report_to_members,
)
from training.errors import UserError

FAILURE = UserError("Its disk is full.", "Free some space.")


def make_job(port: int, rank: int = 0) -> MsrunJob:
    return MsrunJob(devices=3, nodes=3, node_rank=rank, master_port=port - 1)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where node 0 listens, of a launch whose secret all nodes know."""
    monkeypatch.setenv(LAUNCH_KEY, "a random secret")
    return find_free_port()


@pytest.fixture
def head(port: int) -> Iterator[HeadLink]:
    with HeadLink(make_job(port)) as link:
        yield link


def first_failure(link: NodeLink, others: tuple[NodeLink, ...] = ()) -> UserError:
    """What a node hears at last, while the others look at their lines as well."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        failure = link.poll()
        if failure is not None:
            return failure
        for other in others:
            assert other.poll() is None
        time.sleep(0.01)
    raise AssertionError("no failure was heard")


def stranger_leaves(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()


def stranger_talks(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: node0\r\n\r\n" * 1000)
        _wait_for_close(caller)


def stranger_has_the_id_of_the_run(port: int) -> None:
    with pytest.raises(AuthenticationError):
        Client(("127.0.0.1", port), authkey=hashlib.sha256(f"an id:{port - 1}:3".encode()).digest())


def stranger_has_another_key(port: int) -> None:
    with pytest.raises(AuthenticationError):
        Client(("127.0.0.1", port), authkey=b"another job's")


def stranger_announces_gigabytes(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"\x7f\xff\xff\xff")
        _wait_for_close(caller)


def stranger_takes_any_answer(port: int) -> None:
    """Keeps to the handshake without the key, and would be content with anybody."""
    words = [b"a guess", b"#CHALLENGE#" + bytes(20), b"#WELCOME#", b'{"problem": "", "remedy": ""}']
    with connected(port) as line, suppress(OSError, EOFError):
        for word in words[:3]:
            line.recv_bytes()
            line.send_bytes(word)
        line.send_bytes(words[3])


@contextmanager
def connected(port: int) -> Iterator[Connection]:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        yield Connection(os.dup(caller.fileno()))


def _wait_for_close(caller: socket.socket) -> None:
    try:
        while caller.recv(65536):
            pass
    except ConnectionError:
        return


@pytest.mark.parametrize(
    "stranger",
    [
        stranger_leaves,
        stranger_talks,
        stranger_has_another_key,
        stranger_has_the_id_of_the_run,
        stranger_announces_gigabytes,
        stranger_takes_any_answer,
    ],
)
def test_strangers_end_nothing(head: HeadLink, port: int, stranger: Callable[[int], None]) -> None:
    stranger(port)
    assert head.poll() is None
    with MemberLink(make_job(port, 1)) as member:
        assert member.poll() is None
        member.report_failure(FAILURE)
        heard = first_failure(head)
    assert heard.problem.endswith("Its disk is full.")
    assert heard.remedy == FAILURE.remedy


def test_silent_strangers_keep_nobody_waiting(
    head: HeadLink, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    with MemberLink(make_job(port, 1)) as member:
        assert member.poll() is None
        member.report_failure(FAILURE)
        assert "disk is full" in first_failure(head).problem
    for caller in silent:
        caller.close()


def test_a_hundred_silent_strangers_take_no_descriptors_from_the_job(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_link, "_HANDSHAKE_SECONDS", 2.0)
    with a_few_descriptors(50), HeadLink(make_job(port)) as head:
        before = most = count_descriptors()
        with strangers(port, 100):
            reporter = threading.Thread(
                target=report_to_head, args=("127.0.0.1", port - 1, 3, FAILURE), daemon=True
            )
            reporter.start()
            deadline = time.monotonic() + 60
            while (failure := head.poll()) is None and time.monotonic() < deadline:
                most = max(most, count_descriptors())
                time.sleep(0.01)
            assert "disk is full" in str(failure)
            reporter.join()
    assert most - before <= 42, "two of each of 16 callers; there is room for the job's own"


def test_a_stranger_too_many_is_turned_away_at_once(head: HeadLink, port: int) -> None:
    with ExitStack() as stack:
        for _ in range(node_link._MOST_HANDSHAKES):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert caller.recv(1)  # it is heard
        caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert caller.recv(1) == b""


def count_descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


@contextmanager
def a_few_descriptors(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def strangers(port: int, count: int) -> Iterator[None]:
    """Connections that keep silent, held by another process."""
    program = (
        "import resource, socket, sys\n"
        "most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        f"held = [socket.create_connection(('127.0.0.1', {port})) for _ in range({count})]\n"
        "print('connected', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield
        process.communicate()


def test_an_error_of_accept_ends_nothing(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]
    accept = socket.socket.accept

    def fail_first(listener: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        if errors:
            raise errors.pop()
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", fail_first)
    with HeadLink(make_job(port)) as head:
        report_to_head("127.0.0.1", port - 1, 3, FAILURE)
        assert "disk is full" in first_failure(head).problem
    assert errors == []


def test_there_are_no_more_lines_than_other_nodes(head: HeadLink, port: int) -> None:
    members = [MemberLink(make_job(port, 1)) for _ in range(3)]
    for member in members:
        assert member.poll() is None
    ended = 0
    deadline = time.monotonic() + 20
    while not ended and time.monotonic() < deadline:
        ended = sum(member.poll() is not None for member in members)
    assert ended == 1
    assert head.poll() is None
    for member in members:
        member.close()


def test_a_port_that_is_taken_is_named(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(UserError, match=f"can't meet at 127.0.0.1:{port}: .*--master_port"),
    ):
        HeadLink(make_job(port))


def test_what_a_node_says_is_printable_and_short(head: HeadLink, port: int) -> None:
    with MemberLink(make_job(port, 1)) as member:
        assert member.poll() is None
        member.report_failure(UserError("\x1b[2Jred\u202e" + "x" * 5000, "\x1b]0;title\x07" * 500))
        failure = first_failure(head)
    assert "\\x1b[2Jred\\x202e" in failure.problem
    assert len(str(failure)) < 2500
    assert not set("\x1b\u202e\x07") & set(str(failure))


@pytest.mark.parametrize("words", [b"", b"\x00\x00\x00\x20half a"])
def test_a_stranger_that_falls_silent_is_hung_up_on(
    port: int, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr(node_link, "_HANDSHAKE_SECONDS", 0.1)
    with HeadLink(make_job(port)), socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(words)
        _wait_for_close(caller)


def test_a_member_turns_away_from_a_stranger_in_node_0s_place(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HeadLink(make_job(port)):
        monkeypatch.setenv(LAUNCH_KEY, "another secret")
        with MemberLink(make_job(port, 1)) as member:
            assert "belongs to another job" in first_failure(member).problem


@pytest.mark.parametrize(
    "words", [[b"#CHALLENGE#" + bytes(20), b"#WELCOME#", b"a guess"], [b"of another protocol"]]
)
def test_a_member_turns_away_from_a_stranger_that_takes_any_answer(
    port: int, words: list[bytes]
) -> None:
    def play_node_0(listener: socket.socket) -> None:
        caller, _ = listener.accept()
        with caller, suppress(OSError, EOFError):
            line = Connection(os.dup(caller.fileno()))
            for word in words:
                line.send_bytes(word)
                line.recv_bytes()

    with socket.create_server(("127.0.0.1", port)) as listener:
        threading.Thread(target=play_node_0, args=(listener,), daemon=True).start()
        with MemberLink(make_job(port, 1)) as member:
            assert "belongs to another job" in first_failure(member).problem


def test_jobs_of_other_launches_ports_and_sizes_have_other_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {job_key(8118, 2), job_key(8120, 2), job_key(8118, 3)}
    monkeypatch.setenv(LAUNCH_KEY, "another secret")
    assert len(keys | {job_key(8118, 2)}) == 4


def test_a_failure_of_node_0_reaches_the_others(head: HeadLink, port: int) -> None:
    with MemberLink(make_job(port, 1)) as member, MemberLink(make_job(port, 1)) as other:
        for link in (member, other):
            assert link.poll() is None
        while len(head._lines) < 2:
            time.sleep(0.01)
        head.report_failure(FAILURE)
        for link in (member, other):
            assert "disk is full" in first_failure(link).problem


def test_a_node_that_dies_is_noticed_and_one_that_is_done_is_not(head: HeadLink, port: int) -> None:
    done, dying = MemberLink(make_job(port, 1)), MemberLink(make_job(port, 1))
    for link in (done, dying):
        assert link.poll() is None
    done.report_success()
    done.close()
    dying.close()
    assert "ended without reporting why" in first_failure(head).problem


@pytest.mark.parametrize("message", [b"{}", b"[]", b"\xff", b"[" * 10**5])
def test_what_a_node_says_is_understood_or_refused(
    head: HeadLink, port: int, message: bytes
) -> None:
    with _member_connection(port) as connection:
        connection.send_bytes(message)
        assert "can't be understood" in first_failure(head).problem


def test_a_node_that_says_too_much_is_refused(head: HeadLink, port: int) -> None:
    with _member_connection(port) as connection:
        sender = threading.Thread(target=_try_to_send, args=(connection, b"x" * 2**21))
        sender.start()
        assert "was lost" in first_failure(head).problem
        head.close()
        sender.join()


def _member_connection(port: int) -> Connection:
    return Client(("127.0.0.1", port), authkey=job_key(port - 1, 3))


def _try_to_send(connection: Connection, message: bytes) -> None:
    try:
        connection.send_bytes(message)
    except OSError:
        return


def test_a_node_that_can_not_begin_says_so(head: HeadLink, port: int) -> None:
    report_to_head("127.0.0.1", port - 1, 3, FAILURE)
    assert "disk is full" in first_failure(head).problem


def test_the_others_hear_why_node_0_does_not_begin(port: int) -> None:
    node_0 = threading.Thread(target=report_to_members, args=(make_job(port), FAILURE))
    node_0.start()
    with MemberLink(make_job(port, 1)) as first, MemberLink(make_job(port, 2)) as second:
        heard: dict[NodeLink, UserError] = {}
        deadline = time.monotonic() + 60
        while len(heard) < 2 and time.monotonic() < deadline:
            for member in {first, second} - heard.keys():
                if (failure := member.poll()) is not None:
                    heard[member] = failure
    assert [FAILURE.problem in str(failure) for failure in heard.values()] == [True, True]
    node_0.join(5)
    assert not node_0.is_alive()


def test_a_port_is_free_again_and_the_others_hear_it_when_node_0_ends(port: int) -> None:
    with MemberLink(make_job(port, 1)) as member:
        with HeadLink(make_job(port)) as head:
            assert member.poll() is None
            deadline = time.monotonic() + 60
            while not head._lines and time.monotonic() < deadline:
                time.sleep(0.01)
        with HeadLink(make_job(port)):
            assert "ended without reporting why" in first_failure(member).problem


def test_node_0_that_never_comes_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_link, "CLUSTER_SECONDS", 0)
    with MemberLink(make_job(port, 1)) as member:
        assert f"Node 0 does not answer at 127.0.0.1:{port}" in first_failure(member).problem


def test_a_node_of_another_job_is_not_reported_to_node_0(
    head: HeadLink, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCH_KEY, "another secret")
    report_to_head("127.0.0.1", port - 1, 3, FAILURE)
    assert head.poll() is None


def test_the_job_that_trains_hears_no_refusal_of_another(head: HeadLink, port: int) -> None:
    report_to_members(make_job(port), FAILURE)
    assert head.poll() is None


def test_a_single_node_has_no_line(port: int) -> None:
    with make_link(MsrunJob(devices=2)) as link:
        link.report_failure(FAILURE)
        link.report_success()
        assert link.poll() is None
