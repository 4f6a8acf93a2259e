"""The commands on servers and runs, as a person types them."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.launchers.servers.record import RemoteRecord, write_record
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    install_quick_python,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.terminal import HOSTILE, SHOWN, on_terminal
from training.config import preset_config
from training.dataset.found_meanings import read_meanings
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

PROGRAM = [str(Path(sys.executable).with_name("napari-unet"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "where I work"
    path.mkdir()
    write_data(path / "data")
    return path


def type_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def add_server(folder: Path, sshd: Sshd, tmp_path: Path) -> None:
    done = type_in(
        folder,
        "servers",
        "add",
        "lab",
        f"--host={sshd.address}",
        f"--port={sshd.port}",
        f"--folder={sshd.work}",
        "--device=cpu",
        "--devices=2",
        f"--activate={install_quick_python(tmp_path / 'quick python')}",
    )
    assert done.returncode == 0, done.stderr


def test_servers_are_added_listed_and_removed(home: Path, folder: Path) -> None:
    assert "No servers yet" in type_in(folder, "servers", "list").stdout
    add = ("servers", "add", "lab", "--host=10.0.0.9", "--devices=16", "--node=10.0.0.10")
    assert "as the others see it" in type_in(folder, *add).stderr
    assert type_in(folder, *add, "--master-addr=10.0.0.9").returncode == 0
    for name, typed in (("our lab", "'our lab'"), ("-lab", "-- -lab")):
        added = type_in(folder, "servers", "add", "--host=10.0.0.8", "--", name)
        assert added.stdout.endswith(f" Test it: napari-unet servers test {typed}\n")
        assert type_in(folder, "servers", "remove", "--", name).returncode == 0
    for name in ("x", "a:b", "a/b"):
        refused = type_in(folder, "servers", "add", name, "--host=10.0.0.9")
        assert refused.returncode == 2 and "its files are NAME:/PATH" in refused.stderr
    assert "already" in type_in(folder, *add, "--master-addr=10.0.0.9").stderr
    listed = type_in(folder, "servers", "list").stdout
    assert listed == "lab  10.0.0.9  devices=16  nodes=10.0.0.10  master_addr=10.0.0.9\n"
    assert type_in(folder, "servers", "remove", "lab").returncode == 0
    missing = type_in(folder, "servers", "remove", "lab")
    assert missing.returncode == 2 and "There is no server 'lab'" in missing.stderr


def test_an_unknown_host_key_needs_a_person(
    unknown_sshd: Sshd, folder: Path, tmp_path: Path, home: Path
) -> None:
    add_server(folder, unknown_sshd, tmp_path)
    refused = type_in(folder, "servers", "test", "lab")
    assert refused.returncode == 2 and "SHA256:" in refused.stderr
    assert not (home / ".ssh" / "known_hosts").exists()
    ours, theirs = pty.openpty()  # a person at a terminal
    os.write(ours, b"y\n")
    process = subprocess.run(
        [*PROGRAM, "servers", "test", "lab"],
        cwd=folder,
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "ok       packages: numpy " in process.stdout
    assert (home / ".ssh" / "known_hosts").read_text() == unknown_sshd.known_hosts_line()


def test_a_remote_run_from_start_to_fetch(sshd: Sshd, folder: Path, tmp_path: Path) -> None:
    add_server(folder, sshd, tmp_path)
    hold = sshd.work.with_name("hold-at")
    hold.write_text("390")
    train = subprocess.Popen(
        [
            *PROGRAM,
            "train",
            "--data=data",
            "--remote=lab",
            "--devices=4",
            "--steps=400",
            "--out=runs/it's mine",
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert train.stdout is not None
    with train.stdout as lines:
        next(line for line in lines if "The run is it's mine, on lab" in line)
        next(line for line in lines if line.startswith("Training from step "))
        train.send_signal(signal.SIGINT)
        goes_on = lines.read()
    quoted = shlex.quote("it's mine")  # so that the commands can be copied
    assert f"napari-unet follow {quoted}; end it: napari-unet stop {quoted}" in goes_on
    assert train.wait() == 0
    [known] = read_meanings(sshd.work / "runs" / "it's mine" / "labels.json")
    assert known.meaning.length == 10  # the server need not count the labels again

    assert "running" in type_in(folder, "runs").stdout
    assert type_in(folder, "runs", "--remote=lab").stdout.split()[:3] == ["it's", "mine", "running"]
    assert "ends after its current step" in type_in(folder, "stop", "it's mine").stdout
    hold.unlink()
    followed = type_in(folder, "follow", "it's mine")
    assert "The run it's mine is stopped." in followed.stdout, followed.stderr
    again = type_in(folder, "stop", "it's mine")
    assert (again.returncode, again.stdout) == (0, "it's mine does not run: it is stopped.\n")
    assert type_in(folder, "stop", "it's mine", "--now").stdout == (
        "No process of it's mine is left.\n"
    )
    assert "stopped" in type_in(folder, "runs", "--remote=lab").stdout
    assert type_in(folder, "fetch", "it's mine", "--log=3").stdout == "log of device 3\n"

    resumed = type_in(folder, "train", "--resume", "runs/it's mine", "--devices=2")
    assert resumed.returncode == 0, resumed.stderr
    assert "is finished" in resumed.stdout

    elsewhere = tmp_path / "another computer"
    elsewhere.mkdir()
    fetched = type_in(elsewhere, "fetch", "it's mine", "--remote=lab")
    assert fetched.returncode == 0, fetched.stderr
    copies = [RunDirectory(place / "runs" / "it's mine") for place in (elsewhere, folder)]
    assert copies[0].best.read_bytes() == copies[1].best.read_bytes()
    unknown = type_in(elsewhere, "fetch", "none", "--remote=lab")
    assert unknown.returncode == 2 and "has no run none" in unknown.stderr


def test_a_server_controls_no_terminal(sshd: Sshd, folder: Path, tmp_path: Path) -> None:
    add_server(folder, sshd, tmp_path)
    python = tmp_path / "quick python" / "python"
    version = HOSTILE.replace("\r", "")  # it is the last line that is shown
    python.write_text(f"#!/bin/sh\necho '3.12{version}'\n")
    tested = on_terminal(folder, *PROGRAM, "servers", "test", "lab")
    assert f"3.12{SHOWN}".replace(r"\x0d", "") in tested

    there = RunDirectory(sshd.work / "runs" / "a")
    there.create(preset_config("compact"))
    log = EventLog(there.events)
    log.append("failed", message=HOSTILE, remedy=HOSTILE, traceback="")
    log.close()
    copy = RunDirectory(folder / "runs" / "a")
    copy.create(preset_config("compact"))
    record = RemoteRecord(
        profile=find_profile("lab"),
        run_id="1f",
        devices=1,
        paths=(str(there.path),),
        is_running=False,
        hashes={"model.onnx": HOSTILE},
    )
    write_record(copy, record)
    assert SHOWN in on_terminal(folder, *PROGRAM, "fetch", "a")
    assert SHOWN in on_terminal(folder, *PROGRAM, "follow", "a")
