"""Logins that ask a person: passwords and codes, on the loopback, by asyncssh's own server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError, accept_host_key
from napari_unet.launchers.servers.login import login as kept
from napari_unet.launchers.servers.login.questions import LoginQuestion, answer_logins_by
from napari_unet.launchers.servers.opening import ConnectionLostError, LoginDeclinedError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import save_profile
from tests.napari_unet.launchers.servers.login.asking_server import PASSWORD, AskingServer
from tests.terminal import HOSTILE, SHOWN, start_on_terminal
from training.errors import UserError

TWO_FACTORS = [[("Password: ", False, PASSWORD)], [("Verification code: ", False, "CODE")]]
PROGRAM = Path(sys.executable).with_name("napari-unet")
Start = Callable[[Any], AskingServer]


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server, whose key is accepted."""
    servers = []

    def start(rounds: list[list[tuple[str, bool, str]]]) -> AskingServer:
        server = AskingServer(tmp_path / f"work{len(servers)}", rounds)
        server.start()
        servers.append(server)
        with (home / ".ssh" / "known_hosts").open("a") as file:
            file.write(server.known_hosts_line() + "\n")
        return server

    yield start
    for server in servers:
        server.stop()


class Person:
    """Answers prompts by what a text in them calls for; a callable is asked for its answer."""

    def __init__(self, **answers: Callable[[], str]) -> None:
        self.answers = answers
        self.asked: list[LoginQuestion] = []

    def __call__(self, question: LoginQuestion) -> list[str] | None:
        self.asked.append(question)
        return [
            next(give() for word, give in self.answers.items() if word in prompt.text.lower())
            for prompt in question.prompts
        ]

    @property
    def prompts(self) -> list[str]:
        return [prompt.text for question in self.asked for prompt in question.prompts]


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    """Nobody is there, and nothing is kept of other tests."""
    yield
    answer_logins_by(None)
    for memory in (kept._passwords, kept._connections):
        memory.clear()


def run(server: Server, script: str = "echo here", **options: bool) -> str:
    return wait_for(server.run(script, **options))


def test_a_person_logs_in_once_for_all_that_follows(start: Start) -> None:
    server = start(TWO_FACTORS)
    person = Person(password=lambda: PASSWORD, code=lambda: server.code)
    answer_logins_by(person)
    first = Server(server.profile())
    assert run(first) == "here\n"
    assert [question.server for question in person.asked] == ["lab", "lab"]
    assert person.prompts == ["Password:", "Verification code:"]
    for _ in range(12):  # more than the sessions that OpenSSH allows at once
        other = Server(server.profile())
        assert run(other) == "here\n"
        wait_for(_list(other))
        wait_for(other.close())
    wait_for(first.close())
    assert run(Server(server.profile())) == "here\n"
    assert server.logins == 1 and len(person.asked) == 2

    server.cut()
    while server.logins == 1:  # until the cut is noticed
        try:
            run(first)
        except UserError:
            continue
    assert person.prompts[2:] == ["Verification code:"]  # the password is remembered


async def _list(server: Server) -> None:
    async with server.files() as files:
        await files.exists("/")


def test_a_wrong_answer_is_asked_for_again_and_none_of_it_is_kept(start: Start) -> None:
    server = start([])
    answers = iter(["wrong", PASSWORD])
    person = Person(password=lambda: next(answers))
    answer_logins_by(person)
    assert run(Server(server.profile())) == "here\n"
    assert person.prompts == ["Password:"] * 2
    answer_logins_by(Person(password=lambda: "wrong"))
    kept._connections.clear()
    assert run(Server(server.profile())) == "here\n"  # the right one was kept, not the wrong one


def test_a_password_that_is_refused_always_is_a_sentence(start: Start) -> None:
    server = start([])
    answer_logins_by(Person(password=lambda: "wrong"))
    with pytest.raises(UserError, match=r"lab \(127.0.0.1\) refused what you answered"):
        run(Server(server.profile()))
    assert server.tries < 12
    assert kept._passwords == {}


def test_whoever_does_not_answer_is_asked_again_on_demand_only(start: Start) -> None:
    server = start(TWO_FACTORS)
    asked = []
    answer_logins_by(asked.append)  # type: ignore[arg-type]
    connection = Server(server.profile())
    for _ in range(3):
        with pytest.raises(LoginDeclinedError, match="was not answered"):
            run(connection, is_patient=True)
    assert len(asked) == 1
    with pytest.raises(LoginDeclinedError):
        run(connection)
    assert len(asked) == 2


def test_a_server_that_hangs_up_while_a_person_thinks_is_lost(start: Start) -> None:
    server = start(TWO_FACTORS)

    def think() -> str:
        server.cut()
        return PASSWORD

    answer_logins_by(Person(password=think, code=lambda: server.code))
    with pytest.raises(ConnectionLostError, match="can't be reached"):
        run(Server(server.profile()))
    answer_logins_by(Person(password=lambda: PASSWORD, code=lambda: server.code))
    assert run(Server(server.profile())) == "here\n"


def test_where_nobody_can_be_asked_it_is_said(start: Start) -> None:
    with pytest.raises(UserError, match="a password or a code, which nobody can be asked for"):
        run(Server(start(TWO_FACTORS).profile()))


def test_a_server_s_words_are_shown_as_they_are_and_do_not_go_on_for_ever(start: Start) -> None:
    server = start([[(HOSTILE + "code", True, "x")], *[[("code" * 999, False, "x")]] * 99])
    server.words = HOSTILE * 999
    person = Person(code=lambda: "x")
    answer_logins_by(person)
    with pytest.raises(UserError, match="refused what you answered"):
        run(Server(server.profile()))
    assert person.prompts[0] == f"{SHOWN}code"
    assert len(person.asked) <= kept.MOST_QUESTIONS
    assert all(len(text) <= 500 for question in person.asked for text in (question.words,))
    assert all(len(text) <= 500 for text in person.prompts)


def test_servers_on_the_way_ask_too_and_their_keys_are_a_person_s_decision(
    start: Start, home: Path
) -> None:
    gate, inner = start([[("Code of the gate: ", True, "CODE")]]), start([])
    (home / ".ssh" / "config").write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {gate.port}\n  User me\n"
        f"Host inner\n  HostName 127.0.0.1\n  Port {inner.port}\n  ProxyJump gate\n"
    )
    (home / ".ssh" / "known_hosts").unlink()
    person = Person(gate=lambda: gate.code, password=lambda: PASSWORD)
    answer_logins_by(person)
    server = Server(inner.profile(host="inner", port=0))
    for place in (gate, inner):
        with pytest.raises(UnknownHostKeyError, match=str(place.port)) as caught:
            run(server)
        accept_host_key(caught.value)
    assert run(server) == "here\n"
    assert person.asked[-1].server == "lab"
    assert [question.server for question in person.asked[:-1]] == ["gate, on the way to lab,"]
    wait_for(server.close())
    kept._connections.pop(server.profile.address)
    assert run(Server(server.profile)) == "here\n"
    assert (gate.logins, inner.logins) == (1, 2)  # one connection to the gate serves both


def test_a_way_that_comes_back_is_a_sentence(home: Path) -> None:
    (home / ".ssh" / "config").write_text(
        "Host a\n  ProxyJump b\nHost b\n  ProxyJump c\nHost c\n  ProxyJump me@b\n"
    )
    with pytest.raises(UserError, match="The way to lab comes back to c"):
        run(Server(Profile(name="lab", host="a")))


def test_it_is_asked_in_the_terminal_and_secrets_are_not_shown(start: Start) -> None:
    server = start(TWO_FACTORS)
    save_profile(server.profile())
    terminal = start_on_terminal([PROGRAM, "runs", "--remote", "lab"], "lab asks:.*Password:")
    terminal.sendline(PASSWORD)
    terminal.expect("Verification code:")
    code, written = server.code, terminal.before
    terminal.sendline(code)
    terminal.expect(pexpect.EOF)
    terminal.close()
    written += terminal.before
    assert terminal.exitstatus == 0, written
    assert PASSWORD not in written and code not in written
    assert server.logins == 1
