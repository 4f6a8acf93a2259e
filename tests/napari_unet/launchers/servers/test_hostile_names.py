"""Spaces, quotes, ``$(...)``, newlines and other scripts in names do nothing but name."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import find_profile, load_profiles, save_profile
from napari_unet.launchers.servers.record import RemoteRecord, read_record, write_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    install_quick_python,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.runs.run_paths import RunPaths

HOSTILE = 'it\'s "$(touch owned)"; `touch owned`\n& touch owned\t| *?~ \\ é 膜 -rf'
BASH = shutil.which("bash") or "/bin/bash"

# What a file may be called: all but "/" and NUL, as long as a file system takes it.
names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)


def bash(script: str, folder: Path) -> str:
    done = subprocess.run(
        [BASH],
        input=f"main() {{\n{script}\n}}\nmain\n".encode(),
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode()


@settings(max_examples=25, deadline=None)
@given(names, names)
@example(HOSTILE, HOSTILE)
@example("-n", "--")
@example("~", "#")
def test_scripts_name_files_exactly(folder_name: str, file_name: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name)
        folder = outer / folder_name
        folder.mkdir()
        path = folder / file_name
        run = RunPaths(PurePosixPath(folder))
        path.write_bytes(b"first\nunfinished")
        bash(scripts.append_line(PurePosixPath(path), HOSTILE.replace("\n", " ")), outer)
        assert path.read_text().splitlines()[1:] == ["unfinished", HOSTILE.replace("\n", " ")]
        bash(scripts.request_stop(run), outer)
        assert {path.name for path in folder.iterdir()} == {file_name, "stop"}
        assert "started-at" in bash(scripts.why_it_ended(run), outer)
        assert [path.name for path in outer.iterdir()] == [folder_name]


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1), st.text(), st.text(min_size=1), st.lists(st.text(), max_size=3))
def test_profiles_come_back_as_they_were_or_are_refused(
    name: str, activate: str, folder: str, nodes: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as config, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", config)
        try:
            profile = Profile(
                name=name,
                host="host",
                activate=activate,
                folder=folder,
                nodes=tuple(nodes),
                devices=1 + len(nodes),
                master_addr="10.0.0.1",
            )
            activate.encode()
            folder.encode()
        except (UserError, UnicodeEncodeError):
            return
        save_profile(profile)
        assert find_profile(name) == profile
        assert load_profiles() == {name: profile}
        run = RunDirectory(config)
        paths = (f"/{folder.replace('..', '')}/runs/a",) * (1 + len(nodes))
        record = RemoteRecord(profile=profile, run_id="id", devices=profile.devices, paths=paths)
        write_record(run, record)
        assert read_record(run) == record


OPTIONS = ["-oProxyCommand=touch owned", "a b", "a\nb", "a\n", "me@host", "$(touch owned)",
           "a;b", "a|b", "a`b`", "a&b", "a'b", "a\\b"]  # fmt: skip


@pytest.mark.parametrize("text", ["", *OPTIONS])
def test_hosts_that_are_options_or_more_are_refused(text: str) -> None:
    """They reach the shell of a ProxyCommand."""
    with pytest.raises(UserError, match="not the address of a server"):
        Profile(name="lab", host=text)
    with pytest.raises(UserError, match="not the address of a server"):
        Profile(name="lab", host="host", nodes=(text,), master_addr="10.0.0.1")


@pytest.mark.parametrize("text", OPTIONS)
def test_users_that_are_options_or_more_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="not the name of an account"):
        Profile(name="lab", host="host", user=text)


@pytest.mark.parametrize(
    "host", ["node-0.example.org", "fe80::1%eth0", "my_host", "bücher.example"]
)
def test_addresses_of_every_kind_are_taken(host: str) -> None:
    assert Profile(name="lab", host=host, user="first.last").host == host


def test_a_run_with_hostile_names_everywhere(sshd: Sshd, tmp_path: Path) -> None:
    data = write_data(tmp_path / HOSTILE / "data")
    activate = install_quick_python(tmp_path / f"python {HOSTILE}")
    profile = sshd.profile(
        name=HOSTILE.replace("\n", "").replace("\t", ""),
        folder=f"{sshd.work}/{HOSTILE}",
        activate=activate,
    )
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "copies" / HOSTILE)
    name = HOSTILE.replace("\\", "")
    run = launcher.start(quick_config(data, 20), name)
    follower = RunFollower(run, launcher)
    follow_to_end(follower)
    assert follower.status == "finished"
    there = sshd.work / HOSTILE / "runs" / name
    assert run.best.read_bytes() == RunDirectory(there).best.read_bytes()
    launcher.cancel(run, delete=True)
    assert not there.exists() and not run.path.exists()
    assert not list(tmp_path.rglob("owned"))
    assert not (Path.home() / "owned").exists()
    launcher.close()
