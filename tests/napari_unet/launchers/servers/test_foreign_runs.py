"""Folders of runs from somebody else: they may be followed, and do nothing on a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import remove_profile, save_profile
from napari_unet.launchers.servers.record import read_record, update_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.training_places import launcher_for
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    follow_until_step,
    install_quick_python,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.devices.run_processes import kill_processes
from training.errors import UserError
from training.runs.run_directory import RunDirectory


@pytest.fixture
def profile(sshd: Sshd, tmp_path: Path) -> Profile:
    profile = sshd.profile(name="lab", activate=install_quick_python(tmp_path / "quick python"))
    save_profile(profile)
    return profile


@pytest.fixture
def launcher(profile: Profile, tmp_path: Path) -> Iterator[RemoteLauncher]:
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        yield launcher


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


def die(launcher: RemoteLauncher, data: Path) -> RunDirectory:
    """A run whose processes are gone without a word."""
    run = launcher.start(quick_config(data, 100_000), "first")
    follow_until_step(RunFollower(run, launcher), 3)
    kill_processes(read_record(run).run_id)
    return run


def fresh_launcher(run: RunDirectory) -> closing[RemoteLauncher]:
    """The launcher that another window or command makes for the run."""
    launcher = launcher_for(run)
    assert isinstance(launcher, RemoteLauncher)
    return closing(launcher)


def edit_record(run: RunDirectory, **changes: object) -> None:
    """Change what the record says, as a stranger may have done."""
    record = json.loads(run.remote.read_text())
    profile = {**record["profile"], **changes.pop("profile", {})}  # type: ignore[dict-item]
    run.remote.write_text(json.dumps({**record, "profile": profile, **changes}))


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_on_a_stranger_s_server_is_followed_and_nothing_more(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = die(launcher, data)
    remove_profile("lab")
    before = files_in(sshd.work)
    with fresh_launcher(run) as stranger:
        follower = RunFollower(run, stranger)
        follow_to_end(follower)
        assert follower.state.step >= 3
        assert follower.status == "interrupted"
        for act in (stranger.resume, stranger.stop, stranger.cancel):
            with pytest.raises(UserError, match="not one of your servers"):
                act(run)
        with pytest.raises(UserError, match="not one of your servers"):
            stranger.start(quick_config(data, 1), "second")
    assert files_in(sshd.work) == before
    assert not (run.path.parent / "second").exists()


def test_a_run_is_resumed_with_this_machine_s_command_lines(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path, profile: Profile
) -> None:
    run = die(launcher, data)
    config = sshd.work / "runs" / "first" / "config.json"
    config.write_text(quick_config(data, 10).to_json())
    owned = tmp_path / "owned"
    edit_record(run, profile={"activate": f"touch '{owned}'", "cann": "/x", "name": "theirs"})
    with fresh_launcher(run) as again:
        again.resume(run)
        follow_to_end(RunFollower(run, again))
    assert read_record(run).profile == profile
    assert not owned.exists()


@pytest.mark.parametrize("act", ["stop", "resume", "cancel"])
def test_a_record_names_another_run_s_folder(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, act: str
) -> None:
    """Its server is mine, but what it names there is not that run."""
    run = die(launcher, data)
    other = sshd.work / "elsewhere" / "runs" / "first"
    shutil.copytree(sshd.work / "runs" / "first", other)
    (other / "launch.json").write_text('{"id": "another", "devices": 1}')
    edit_record(run, paths=[str(other)])
    before = files_in(sshd.work)
    options = {"delete": True} if act == "cancel" else {}
    with fresh_launcher(run) as again:
        again.refresh(run)  # it ended without a word, which is not written there
        with pytest.raises(UserError, match="is another run's"):
            getattr(again, act)(run, **options)
    assert files_in(sshd.work) == before
    assert run.path.exists()


def test_a_folder_of_another_name_is_not_deleted(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = die(launcher, data)
    renamed = RunDirectory(run.path.rename(run.path.with_name("second")))
    with pytest.raises(UserError, match="second is called first on lab"):
        launcher.cancel(renamed, delete=True)
    assert (sshd.work / "runs" / "first").exists() and renamed.path.exists()


def test_a_run_that_never_began_sends_no_file_from_outside_of_it(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    """Its configuration may name any file of this machine."""
    run = launcher.start(quick_config(data, 1), "first")
    follow_to_end(RunFollower(run, launcher))
    shutil.rmtree(sshd.work)
    update_record(run, paths=())
    with pytest.raises(UserError, match=r"train-volume\.tif is not in its folder"):
        launcher.resume(run)
    assert not sshd.work.exists()
    run.data.mkdir()
    for stack in data.iterdir():
        shutil.copy(stack, run.data)
    run.config.write_text(quick_config(run.data, 1).to_json())
    launcher.resume(run)
    follow_to_end(RunFollower(run, launcher))
    assert (sshd.work / "runs" / "first" / "ended").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "secret"},
        {"labels": "secret"},
        {"weights": "secret"},
        {"weights": "secret.ckpt"},
    ],
)
def test_only_stacks_and_checkpoints_are_sent(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    for name in ("secret", "secret.ckpt"):
        (tmp_path / name).write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    paths = {
        name: str(tmp_path / value) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    with pytest.raises(UserError, match="secret"):
        launcher.start(quick_config(data, 1).replace(**paths), "first")
    assert not sshd.work.exists()
    assert not (tmp_path / "copies").exists()
