from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from training.devices.free_ports import find_free_port
from training.errors import UserError


def test_two_ports_are_free_and_can_be_used() -> None:
    command = [sys.executable, "-m", "training.devices.free_ports", "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first = int(done.stdout)
    with (
        socket.create_server(("127.0.0.1", first)),
        socket.create_server(("127.0.0.1", first + 1)),
    ):
        assert 20_000 <= first < 32_000


def test_a_port_whose_neighbour_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = find_free_port()
    offers = iter([taken, taken - 1, find_free_port()])
    monkeypatch.setattr("secrets.randbelow", lambda _: next(offers) - 20_000)
    with socket.create_server(("127.0.0.1", taken)):
        assert find_free_port() not in (taken, taken - 1)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UserError, match=r"No ports are free at 192\.0\.2\.1"):
        find_free_port("192.0.2.1")
