from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from napari_unet.launchers.servers.connection import MOST_OUTPUT, Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.host_keys import (
    ChangedHostKeyError,
    UnknownHostKeyError,
    accept_host_key,
)
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_files import CommandError
from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer, printing
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd, make_key
from training.errors import UserError


def run(server: Server, script: str) -> str:
    return wait_for(server.run(script))


def test_a_script_runs_in_bash_whatever_the_login_prints(sshd: Sshd) -> None:
    server = Server(sshd.profile())
    assert run(server, "echo 'a b'; cat; echo $BASH | wc -l") == "a b\n1\n"
    with pytest.raises(CommandError, match="no such thing"):
        run(server, "echo no such thing >&2; return 3")


def test_what_login_scripts_and_traps_print_is_no_output(sshd: Sshd) -> None:
    (sshd.login / ".bash_profile").write_text(
        "echo welcome; trap 'echo trapped' DEBUG EXIT; set -e\nsleep 60 &\n"
    )
    (sshd.login / ".bash_logout").write_text("echo good bye; exit 3\n")
    server = Server(sshd.profile())
    script = "trap 'echo mine' EXIT; false; printf 7"
    assert run(server, script) == "7"
    assert wait_for(server.count(script)) == 7
    with pytest.raises(CommandError, match="no such thing"):
        run(server, "echo no such thing >&2; return 3")


def test_a_digest_is_that_of_the_named_file(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "a\\b\n$(touch owned)'"
    path.write_bytes(b"content")
    server = Server(sshd.profile())
    assert wait_for(server.digest(str(path))) == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(CommandError, match="No such file"):
        wait_for(server.digest(str(tmp_path / "missing")))


def test_sessions_are_no_terminals_whatever_the_ssh_config_says(sshd: Sshd, home: Path) -> None:
    (home / ".ssh" / "config").write_text(
        "RequestTTY force\nRemoteCommand sleep 600\nForwardAgent yes\nForwardX11Trusted yes\n"
    )
    server = Server(sshd.profile())

    async def list_names() -> list[str]:
        async with asyncio.timeout(30), server.files() as files:
            return await files.list_names(str(home))

    assert ".ssh" in wait_for(list_names())
    assert run(server, "[ -t 1 ] || echo no terminal") == "no terminal\n"


@pytest.mark.parametrize("output", [b"", b"abc\n", b"-1\n", b"1 2\n", b"9" * 5000, b"\xb2\xff"])
def test_an_answer_that_is_no_count_is_a_sentence(hostile: HostileServer, output: bytes) -> None:
    hostile.answer = printing(output)
    with pytest.raises(CommandError, match="makes no sense"):
        wait_for(Server(hostile.profile()).count("true"))


def test_output_without_end_is_cut_off(hostile: HostileServer) -> None:
    sent = 0

    async def flood(process: Any, script: str) -> None:
        nonlocal sent
        while not process.is_closing():
            process.stdout.write(bytes(2**16))
            sent += 2**16
            await process.stdout.drain()

    hostile.answer = flood
    with pytest.raises(CommandError, match="more than 16 MiB"):
        wait_for(Server(hostile.profile()).run("true"))
    assert sent < 2 * MOST_OUTPUT


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


def test_lines_of_known_hosts_that_are_none_are_passed_over(sshd: Sshd, home: Path) -> None:
    names, kind, key = sshd.known_hosts_line().encode().split()
    (home / ".ssh" / "known_hosts").write_bytes(
        b"# caf\xe9\n@unknown * ssh-ed25519 AAAA\n@\n\nalone\n|1|x|y ssh-rsa AAAA\nh\xe9 a b c\n"
        + b" ".join([names, kind, key, b"my caf\xe9"])
        + b"\n"
    )
    assert run(Server(sshd.profile()), "echo here") == "here\n"


def test_an_authority_of_others_leaves_a_key_unknown(unknown_sshd: Sshd, home: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (home / ".ssh" / "known_hosts").write_text(f"@cert-authority * {other}")
    with pytest.raises(UnknownHostKeyError) as caught:
        run(Server(unknown_sshd.profile()), "true")
    accept_host_key(caught.value)
    assert run(Server(unknown_sshd.profile()), "echo here") == "here\n"


def test_a_certificate_of_an_unknown_authority_leaves_a_key_unknown(
    unknown_sshd: Sshd, home: Path, tmp_path: Path
) -> None:
    authority = make_key(tmp_path / "authority")
    unknown_sshd.stop()
    unknown_sshd.certify_host_key(authority)
    unknown_sshd.start()
    with pytest.raises(UnknownHostKeyError) as caught:
        run(Server(unknown_sshd.profile()), "true")
    accept_host_key(caught.value)
    known_hosts = home / ".ssh" / "known_hosts"
    assert known_hosts.read_text() == unknown_sshd.known_hosts_line()
    assert run(Server(unknown_sshd.profile()), "echo here") == "here\n"

    vouched = authority.with_suffix(".pub").read_text()
    known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {vouched}")
    assert run(Server(unknown_sshd.profile()), "echo here") == "here\n"


def test_a_revoked_key_is_refused(sshd: Sshd, home: Path) -> None:
    line = sshd.known_hosts_line()
    (home / ".ssh" / "known_hosts").write_text(f"{line}@revoked * {line.split(' ', 1)[1]}")
    with pytest.raises(UserError, match="is revoked") as caught:
        run(Server(sshd.profile()), "true")
    assert not isinstance(caught.value, UnknownHostKeyError)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".org", ".", "\u2024"])
def test_names_that_no_host_can_have_are_a_sentence(home: Path, host: str) -> None:
    try:
        profile = Profile(name="lab", host=host)
    except UserError:
        return  # refused before anything is asked
    with pytest.raises(UserError, match="can't be reached"):
        run(Server(profile), "true")


def test_keys_of_the_ssh_config_that_are_missing_are_passed_over(sshd: Sshd, home: Path) -> None:
    (home / ".ssh" / "config").write_text(f"IdentityFile {home}/missing\nIdentityFile {home}/key\n")
    (home / ".ssh" / "id_ed25519").rename(home / "key")
    assert run(Server(sshd.profile()), "echo here") == "here\n"
    (home / "key").rename(home / ".ssh" / "id_ed25519")
    assert run(Server(sshd.profile()), "echo here") == "here\n"


def test_a_damaged_ssh_config_is_a_sentence(sshd: Sshd, home: Path) -> None:
    for damaged in ("Ciphers none-of-these\nPort x\n", "KexAlgorithms ,\n", "Host [\nMatch\n"):
        (home / ".ssh" / "config").write_text(damaged)
        with pytest.raises(UserError, match=r"can't be (used|reached)"):
            run(Server(sshd.profile(port=0)), "true")


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
        with pytest.raises(UnknownHostKeyError, match=str(jump.port)) as caught:
            run(Server(profile), "true")
        accept_host_key(caught.value)
        port_seen = run(Server(profile), "echo $SSH_CONNECTION").split()[3]
        assert port_seen == str(sshd.port)
    finally:
        jump.stop()


def test_a_key_that_the_server_does_not_know_is_reported(sshd: Sshd, home: Path) -> None:
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
