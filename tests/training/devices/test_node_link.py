"""The line between the nodes of a job: who may speak on it, and what ends the others."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection

import pytest

from training.devices import node_link
from training.devices.msrun_job import MsrunJob, free_port
from training.devices.node_link import (
    HeadLink,
    MemberLink,
    NodeLink,
    job_key,
    make_link,
    report_to_head,
)
from training.devices.run_processes import RUN_MARK
from training.errors import UserError

FAILURE = UserError("Its disk is full.", "Free some space.")


def make_job(port: int, rank: int = 0) -> MsrunJob:
    return MsrunJob(devices=2, nodes=2, node_rank=rank, master_port=port - 1)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where node 0 listens, of a run whose id all nodes know."""
    monkeypatch.setenv(RUN_MARK, "a random id")
    return free_port()


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


def stranger_has_another_key(port: int) -> None:
    with pytest.raises(AuthenticationError):
        Client(("127.0.0.1", port), authkey=b"another job's")


def stranger_announces_gigabytes(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"\x7f\xff\xff\xff")
        _wait_for_close(caller)


def _wait_for_close(caller: socket.socket) -> None:
    try:
        while caller.recv(65536):
            pass
    except ConnectionError:
        return


@pytest.mark.parametrize(
    "stranger",
    [stranger_leaves, stranger_talks, stranger_has_another_key, stranger_announces_gigabytes],
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
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    with MemberLink(make_job(port, 1)) as member:
        assert member.poll() is None
        member.report_failure(FAILURE)
        assert "disk is full" in first_failure(head).problem
    for caller in silent:
        caller.close()


def test_a_silent_stranger_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_link, "_HANDSHAKE_SECONDS", 0.1)
    with HeadLink(make_job(port)), socket.create_connection(("127.0.0.1", port)) as caller:
        _wait_for_close(caller)


def test_a_member_turns_away_from_a_stranger_in_node_0s_place(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HeadLink(make_job(port)):
        monkeypatch.setenv(RUN_MARK, "another id")
        with MemberLink(make_job(port, 1)) as member:
            assert "belongs to another job" in first_failure(member).problem


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
    return Client(("127.0.0.1", port), authkey=job_key(port - 1, 2))


def _try_to_send(connection: Connection, message: bytes) -> None:
    try:
        connection.send_bytes(message)
    except OSError:
        return


def test_a_node_that_can_not_begin_says_so(head: HeadLink, port: int) -> None:
    report_to_head("127.0.0.1", port - 1, 2, FAILURE)
    assert "disk is full" in first_failure(head).problem


def test_a_single_node_has_no_line(port: int) -> None:
    with make_link(MsrunJob(devices=2)) as link:
        link.report_failure(FAILURE)
        link.report_success()
        assert link.poll() is None
