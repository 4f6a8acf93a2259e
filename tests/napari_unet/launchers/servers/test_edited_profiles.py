"""A run on two servers whose profile is edited while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import profiles_path, remove_profile, save_profile
from napari_unet.launchers.servers.record import read_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.training_places import launcher_for
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    install_quick_python,
    processes_on,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.errors import UserError
from training.runs.run_directory import RunDirectory


@pytest.fixture
def second(sshd: Sshd, home: Path, tmp_path: Path, client_key: Path) -> Iterator[Sshd]:
    """Another server, at an address of its own, with the first one's port and disk."""
    folder = tmp_path / "second"
    folder.mkdir()
    server = Sshd(folder, client_key.with_suffix(".pub"), "127.0.0.2", sshd.port)
    with (home / ".ssh" / "known_hosts").open("a") as known_hosts:
        known_hosts.write(server.known_hosts_line())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pair(sshd: Sshd, second: Sshd, tmp_path: Path) -> Profile:
    profile = sshd.profile(
        name="pair",
        nodes=(second.address,),
        devices=2,
        master_addr=sshd.address,
        activate=install_quick_python(tmp_path / "quick python"),
    )
    save_profile(profile)
    return profile


@pytest.fixture
def launcher(pair: Profile, tmp_path: Path) -> Iterator[RemoteLauncher]:
    launcher = RemoteLauncher(pair, tmp_path / "copies")
    yield launcher
    launcher.close()


@pytest.fixture
def run(launcher: RemoteLauncher, tmp_path: Path) -> Iterator[RunDirectory]:
    config = quick_config(write_data(tmp_path / "data"), 100_000)
    run = launcher.start(config, "first")
    yield run
    if run.path.exists():
        launcher.cancel(run)


def test_nobody_else_reads_the_profiles() -> None:
    save_profile(Profile(name="lab", host="lab.example.org"))
    assert profiles_path().stat().st_mode & 0o777 == 0o600


def test_cancel_passes_over_no_server_that_the_profile_has_lost(
    run: RunDirectory, launcher: RemoteLauncher, pair: Profile, sshd: Sshd
) -> None:
    save_profile(sshd.profile(name="pair", devices=2))
    with pytest.raises(UserError, match=r"first is on \S+@127\.0\.0\.2:\d+ too"):
        launcher_for(run).cancel(run, delete=True)
    assert read_record(run).is_running
    assert run.path.exists()
    assert processes_on(sshd, launcher, run)
    with pytest.raises(UserError, match="is on"):
        launcher_for(run).stop(run)
    save_profile(pair)


def test_a_server_is_known_by_whichever_profile_names_it(
    run: RunDirectory, launcher: RemoteLauncher, sshd: Sshd, second: Sshd
) -> None:
    remove_profile("pair")
    save_profile(sshd.profile(name="one"))
    save_profile(second.profile(name="another"))
    launcher_for(run).cancel(run, delete=True)
    assert not run.path.exists()
    assert not (sshd.work / "runs" / "first").exists()
    assert processes_on(sshd, launcher, run) == []


def test_another_account_is_another_server(
    run: RunDirectory, launcher: RemoteLauncher, pair: Profile, sshd: Sshd
) -> None:
    save_profile(pair.replace(user="nobody"))
    with pytest.raises(UserError, match="not one of your servers"):
        launcher_for(run).cancel(run)
    assert read_record(run).is_running
    save_profile(pair)


def test_delete_keeps_all_until_every_server_has_confirmed(
    run: RunDirectory, launcher: RemoteLauncher, sshd: Sshd, second: Sshd
) -> None:
    second.stop()
    with pytest.raises(ConnectionLostError):
        launcher.cancel(run, delete=True)
    assert read_record(run).is_running
    assert run.path.exists() and (sshd.work / "runs" / "first").exists()
    second.start()
    launcher.cancel(run, delete=True)
    assert not run.path.exists() and not (sshd.work / "runs" / "first").exists()


def test_a_run_that_goes_on_elsewhere_counts_as_running(
    run: RunDirectory, launcher: RemoteLauncher, pair: Profile, sshd: Sshd
) -> None:
    save_profile(sshd.profile(name="pair", port=1, devices=2))
    launcher_for(run).refresh(run)
    assert read_record(run).is_running
    save_profile(pair)
