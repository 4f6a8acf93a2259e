from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet.launchers.servers.connection import CommandError, Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.host_keys import (
    ChangedHostKeyError,
    UnknownHostKeyError,
    accept_host_key,
)
from napari_unet.launchers.servers.opening import ConnectionLostError
from tests.napari_unet.launchers.servers.sshd import Sshd, make_key
from training.errors import UserError


def run(server: Server, script: str) -> str:
    return wait_for(server.run(script))


def test_a_script_runs_in_bash_whatever_the_login_prints(sshd: Sshd) -> None:
    server = Server(sshd.profile())
    assert run(server, "echo 'a b'; cat; echo $BASH | wc -l") == "a b\n1\n"
    with pytest.raises(CommandError, match="no such thing"):
        run(server, "echo no such thing >&2; return 3")


def test_an_unknown_host_key_is_shown_and_accepted_by_a_person_only(
    unknown_sshd: Sshd, home: Path
) -> None:
    (home / ".ssh" / "known_hosts").write_text("elsewhere ssh-ed25519 AAAA")
    with pytest.raises(UnknownHostKeyError) as caught:
        run(Server(unknown_sshd.profile()), "true")
    assert caught.value.fingerprint.startswith("SHA256:")
    assert str(unknown_sshd.port) not in (home / ".ssh" / "known_hosts").read_text()

    accept_host_key(caught.value)
    assert (home / ".ssh" / "known_hosts").read_text().endswith(unknown_sshd.known_hosts_line())
    assert run(Server(unknown_sshd.profile()), "echo here") == "here\n"


def test_a_changed_host_key_is_refused(sshd: Sshd) -> None:
    run(Server(sshd.profile()), "true")
    sshd.stop()
    sshd.change_host_key()
    sshd.start()
    with pytest.raises(ChangedHostKeyError, match="has changed"):
        run(Server(sshd.profile()), "true")


def test_a_known_host_that_shows_only_another_kind_of_key_is_refused(
    sshd: Sshd, home: Path, tmp_path: Path
) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    line = sshd.known_hosts_line().split()[0] + " " + other.export_public_key().decode()
    (home / ".ssh" / "known_hosts").write_text(line)
    with pytest.raises(ChangedHostKeyError):
        run(Server(sshd.profile()), "true")


def test_the_key_of_the_same_host_at_another_port_does_not_matter(
    unknown_sshd: Sshd, home: Path, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"127.0.0.1 {other}")
    with pytest.raises(UnknownHostKeyError):
        run(Server(unknown_sshd.profile()), "true")


def test_ssh_config_names_host_port_and_key(sshd: Sshd, home: Path) -> None:
    (home / ".ssh" / "id_ed25519").rename(home / "key for the lab")
    (home / ".ssh" / "config").write_text(
        f"Host lab\n  HostName 127.0.0.1\n  Port {sshd.port}\n"
        f'  IdentityFile "{home}/key for the lab"\n'
        f'  UserKnownHostsFile "{home}/hosts of the lab"\n'
    )
    (home / ".ssh" / "known_hosts").rename(home / "hosts of the lab")
    profile = sshd.profile(host="lab", port=0, user="")
    assert run(Server(profile), "echo here") == "here\n"


def test_proxy_jump_goes_through_another_server(
    sshd: Sshd, home: Path, tmp_path: Path, client_key: Path
) -> None:
    (tmp_path / "jump").mkdir()
    jump = Sshd(tmp_path / "jump", client_key.with_suffix(".pub"))
    jump.start()
    try:
        (home / ".ssh" / "config").write_text(
            f"Host gate\n  HostName 127.0.0.1\n  Port {jump.port}\n"
            f"Host inner\n  HostName 127.0.0.1\n  Port {sshd.port}\n  ProxyJump gate\n"
        )
        profile = sshd.profile(host="inner", port=0)
        with pytest.raises(UserError, match="on the way"):
            run(Server(profile), "true")
        with (home / ".ssh" / "known_hosts").open("a") as file:
            file.write(jump.known_hosts_line())
        port_seen = run(Server(profile), "echo $SSH_CONNECTION").split()[3]
        assert port_seen == str(sshd.port)
    finally:
        jump.stop()


def test_a_key_that_the_server_does_not_know_is_told(sshd: Sshd, home: Path) -> None:
    stranger = make_key(home / "stranger")
    with pytest.raises(UserError, match="refused your key") as caught:
        run(Server(sshd.profile(key=str(stranger))), "true")
    assert not isinstance(caught.value, ConnectionLostError)
    with pytest.raises(UserError, match="can't be used"):
        run(Server(sshd.profile(key=str(home / "missing"))), "true")


def test_a_cut_connection_is_made_anew(sshd: Sshd) -> None:
    server = Server(sshd.profile())
    run(server, "true")
    sshd.cut_connections()
    with pytest.raises(ConnectionLostError):
        while True:  # until the cut is noticed
            run(server, "sleep 0.1")
            sshd.cut_connections()
    assert run(server, "echo again") == "again\n"


def test_tries_follow_in_growing_pauses(sshd: Sshd) -> None:
    sshd.stop()
    server = Server(sshd.profile())
    try:
        with pytest.raises(ConnectionLostError, match=r"can't be reached.*again in 1 s"):
            wait_for(server.run("true", is_patient=True))
        sshd_is_asked_once_only = "again in 1 s"
        with pytest.raises(ConnectionLostError, match=sshd_is_asked_once_only):
            wait_for(server.run("true", is_patient=True))
        with pytest.raises(ConnectionLostError):  # a person who asks need not wait
            run(server, "true")
        with pytest.raises(ConnectionLostError, match="again in 2 s"):
            wait_for(server.run("true", is_patient=True))
    finally:
        sshd.start()
    assert run(server, "echo back") == "back\n"
