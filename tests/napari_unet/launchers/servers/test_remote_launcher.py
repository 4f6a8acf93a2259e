from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_unet.launchers.launcher import UploadProgress
from napari_unet.launchers.servers import mirror, scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.launchers.servers.record import read_record, update_record
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.run_follower import RunFollower
from tests.napari_unet.launchers.servers.loopback.quick_server import (
    follow_to_end,
    follow_until_step,
    install_quick_python,
    processes_on,
    quick_config,
    write_data,
)
from tests.napari_unet.launchers.servers.loopback.small_disk import small_disk
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.stack_files import read_pixel_size
from training.config import preset_config
from training.dataset.found_meanings import FoundMeaning, files_state, read_meanings
from training.dataset.training_pair import open_pair
from training.dataset.training_set import load_training_set
from training.devices.run_processes import RUN_MARK, launch_mark
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.opening import read_stack
from training.runs.event_reading import parse_events
from training.runs.run_directory import RunDirectory
from training.stacks.label_census import LabelCensus


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data of mine")


@pytest.fixture
def activate(tmp_path: Path) -> str:
    return install_quick_python(tmp_path / "quick python's")


@pytest.fixture
def launcher(sshd: Sshd, tmp_path: Path, activate: str) -> Iterator[RemoteLauncher]:
    profile = sshd.profile(activate=activate, devices=2)
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "copies")
    yield launcher
    launcher.close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_complete(run: RunDirectory, sshd: Sshd, steps: int) -> None:
    """The copy is the server's run: nothing twice, nothing missing, the model the same."""
    there = RunDirectory(sshd.work / "runs" / run.name)
    assert run.events.read_bytes() == there.events.read_bytes()
    told = [
        event["step"] for event in parse_events(run.events.read_bytes()) if event["kind"] == "step"
    ]
    assert told == list(range(1, steps + 1))
    (hash_there,) = read_record(run).hashes.values()
    assert sha256(run.best) == sha256(there.best) == hash_there
    assert len(list(run.preview.iterdir())) == steps // 10


def test_a_run_starts_is_followed_and_comes_home(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = launcher.start(quick_config(data, 40), "first")
    follower = RunFollower(run, launcher)
    assert follow_to_end(follower) == []
    assert follower.status == "finished"
    assert_complete(run, sshd, 40)
    assert "step: 40" in run.log.read_text()
    assert launcher.fetch_device_log(run, 1).read_text() == "log of device 1\n"
    with pytest.raises(UserError, match="no device 2"):
        launcher.fetch_device_log(run, 2)
    assert processes_on(sshd, launcher, run) == []


def test_labels_are_counted_once_and_not_again_on_the_server(
    launcher: RemoteLauncher,
    sshd: Sshd,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, labels = data / "train-volume.tif", data / "train-labels.tif"
    as_zarr = tmp_path / "labels.zarr"  # goes there as a TIF
    zarr.create_array(as_zarr, data=tifffile.imread(labels)[::-1].copy())
    config = quick_config(data, 10).replace(data_url="", image=str(images), labels=str(as_zarr))
    with open_pair(images, as_zarr, config.label_convention, config.ids) as pair:
        found = FoundMeaning(files_state(images, as_zarr), config.ids, pair.meaning)
    run = launcher.start(config, "first", [found])
    there = RunDirectory(sshd.work / "runs" / run.name)
    known, config = read_meanings(there.label_meanings), there.read_config()
    assert [meaning.meaning for meaning in known] == [found.meaning]
    with monkeypatch.context() as patches:
        patches.setattr(LabelCensus, "of", None)
        load_training_set(config, known)
    zarr.open_array(as_zarr, mode="r+")[0, 0] = 255
    run = launcher.start(run.read_config().replace(labels=str(as_zarr)), "second", [found])
    assert not RunDirectory(sshd.work / "runs" / run.name).label_meanings.exists()


def test_the_best_model_comes_while_the_run_goes_on(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "GROWING_SECONDS", 1.0)
    hold = sshd.work.with_name("hold-at")
    hold.write_text("15")
    run = launcher.start(quick_config(data, 40), "first")
    there = sshd.work / "runs" / "first"
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 14)
    while not run.best.exists():
        follower.update()
    assert sha256(run.best) == sha256(RunDirectory(there).best)
    early = sha256(run.best)
    hold.write_text("25")
    while sha256(run.best) == early:
        follower.update()
    hold.unlink()
    follow_to_end(follower)
    assert_complete(run, sshd, 40)


def test_python_is_run_by_what_the_profile_puts_before_it(
    sshd: Sshd, tmp_path: Path, activate: str, data: Path
) -> None:
    """As in a container, whose image is a file with a space in its name."""
    container = tmp_path / "container"
    container.write_text(f'#!/bin/sh\nshift\necho "$*" >> "{tmp_path}/inside"\nexec "$@"\n')
    container.chmod(0o755)
    profile = sshd.profile(activate=activate, prefix=f"{container} 'an image.sif'")
    save_profile(profile)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        run = launcher.start(quick_config(data, 3), "first")
        follow_to_end(follower := RunFollower(run, launcher))
    assert follower.status == "finished"
    inside = (tmp_path / "inside").read_text().splitlines()
    assert "-m training.launch_8p --run_dir" in inside[-1]
    assert inside[0].startswith("sh -c command -v python")


def test_the_same_data_is_uploaded_once(
    sshd: Sshd, tmp_path: Path, activate: str, data: Path
) -> None:
    told: list[UploadProgress] = []
    profile = sshd.profile(activate=activate)
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "copies", on_progress=told.append)
    launcher.start(quick_config(data, 1), "first")
    files = {"train-volume.tif", "train-labels.tif", "training source"}
    assert {progress.what for progress in told} == files
    assert all(progress.done <= progress.total for progress in told)
    assert told[-1].done == told[-1].total
    told.clear()
    (data / "train-volume.tif").rename(data / "renamed.tif")
    launcher.start(quick_config(data, 1).replace(image="renamed.tif"), "second")
    assert told == []
    launcher.close()


def test_every_volume_is_uploaded_as_tif_and_keeps_its_name(
    launcher: RemoteLauncher, sshd: Sshd, tmp_path: Path
) -> None:
    one, two = write_data(tmp_path / "one"), write_data(tmp_path / "two")
    tifffile.imwrite(two / "train-volume.tif", np.zeros((5, 8, 8), np.uint8))
    with h5py.File(one / "crop.h5", "w") as file:
        file["raw"] = np.ones((2, 8, 8), np.uint8)
        file["raw"].attrs["resolution"] = (40.0, 4.0, 4.0)
    ids = zarr.create_array(one / "ids.zarr", shape=(2, 8, 8), chunks=(1, 8, 8), dtype="uint64")
    ids[:] = np.arange(128, dtype=np.uint64).reshape(2, 8, 8) + 2**63
    pairs = [
        [str(one / "crop.h5" / "raw"), str(one / "ids.zarr")],
        [str(two / "train-volume.tif"), str(two / "train-labels.tif"), "membrane"],
    ]
    run = launcher.start(preset_config("compact", pairs=pairs, steps=1), "first")
    follow_to_end(RunFollower(run, launcher))
    there = RunDirectory(sshd.work / "runs" / "first").read_config()
    names = [(pair.name, pair.convention) for pair in there.pairs]
    assert names == [("crop.h5/raw", None), ("train-volume.tif", "membrane")]
    for sent, kept in zip(there.pairs, pairs, strict=True):
        for path, original in zip(sent[:2], kept[:2], strict=True):
            assert path.endswith(".tif")
            np.testing.assert_array_equal(read_stack(path), read_stack(original))
    assert read_pixel_size(Path(there.pairs[0].image)) == PixelSize(40, 4, 4)


def test_a_cut_connection_is_taken_up_where_it_broke(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = launcher.start(quick_config(data, 150), "first")
    follower = RunFollower(run, launcher)
    for step in (20, 40, 60):
        follow_until_step(follower, step)
        sshd.cut_connections()
    follow_to_end(follower)
    assert follower.status == "finished"
    assert_complete(run, sshd, 150)


def test_a_server_that_is_down_for_a_while_is_waited_for(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = launcher.start(quick_config(data, 60), "first")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 10)
    sshd.stop()
    with pytest.raises(ConnectionLostError, match="Trying again in 2 s"):
        while True:
            try:
                follower.update()
            except ConnectionLostError as error:
                if "Trying again in 2 s" in str(error):
                    raise
    sshd.start()
    assert follow_to_end(follower)
    assert follower.status == "finished"
    assert_complete(run, sshd, 60)


def test_the_local_process_may_be_killed_and_started_anew(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path
) -> None:
    held = sshd.work.with_name("hold-at")
    held.write_text("100")
    run = launcher.start(quick_config(data, 300), "first")
    program = textwrap.dedent("""
        import sys, pathlib
        from napari_unet.runs.run_follower import RunFollower
        from napari_unet.runs.training_places import launcher_for
        from training.runs.run_directory import RunDirectory
        run = RunDirectory(sys.argv[1])
        follower = RunFollower(run, launcher_for(run))
        while True:
            follower.update()
            print(follower.state.step, flush=True)
    """)
    for step, following in ((100, "200"), (200, "290"), (290, "")):
        watcher = subprocess.Popen(
            [sys.executable, "-c", program, str(run.path)], stdout=subprocess.PIPE, text=True
        )
        assert watcher.stdout is not None
        with watcher.stdout as lines:
            next(line for line in lines if int(line) == step - 1)  # the last before it is held
            watcher.send_signal(signal.SIGKILL)
        watcher.wait()
        held.write_text(following)
    follower = RunFollower(run, launcher)
    follow_to_end(follower)
    assert follower.status == "finished"
    assert_complete(run, sshd, 300)


def test_stop_keeps_the_model_and_resume_goes_on(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    hold = sshd.work.with_name("hold-at")
    hold.write_text("13")
    run = launcher.start(quick_config(data, 50), "first")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 12)
    with pytest.raises(UserError, match="running already"):
        launcher.resume(run)
    launcher.stop(run)
    hold.unlink()
    follow_to_end(follower)
    assert follower.status == "stopped"
    assert run.best.exists()
    launcher.resume(run, devices=4)
    follow_to_end(RunFollower(run, launcher))
    assert_complete(run, sshd, 50)
    starts = [
        event["world_size"]
        for event in parse_events(run.events.read_bytes())
        if event["kind"] == "started"
    ]
    assert starts == [2, 4]


def test_npus_are_chosen_by_their_numbers(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path
) -> None:
    def arguments(run: RunDirectory) -> list[str]:
        follow_to_end(RunFollower(run, launcher))
        launch = json.loads((sshd.work / "runs" / run.name / "launch.json").read_text())
        return [argument for argument in launch["arguments"] if argument.startswith("--device")]

    choosing = RemoteLauncher.in_place("loopback", tmp_path / "copies", device_ids="4,5,7")
    with closing(choosing):
        run = choosing.start(quick_config(data, 3), "first")
    assert arguments(run) == ["--devices=3", "--device_ids=4,5,7"]
    launcher.resume(run)
    assert arguments(run) == ["--devices=3", "--device_ids=4,5,7"]
    launcher.resume(run, device_ids="6")
    assert arguments(run) == ["--devices=1", "--device_ids=6"]
    launcher.resume(run, devices=2)
    assert arguments(run) == ["--devices=2"]
    with pytest.raises(UserError, match="device_ids is 'six'"):
        launcher.resume(run, device_ids="six")


def test_variables_of_a_profile_reach_the_training(
    sshd: Sshd, data: Path, tmp_path: Path, activate: str
) -> None:
    """As they are written, whatever activates Python has set."""
    wanted = {"HCCL_IF_BASE_PORT": "50000", "HCCL_SOCKET_IFNAME": "it's $(echo eth0)"}
    variables = tuple(f"{name}={value}" for name, value in wanted.items())
    profile = sshd.profile(activate=f"{activate}; export HCCL_IF_BASE_PORT=1", variables=variables)
    save_profile(profile)
    with closing(RemoteLauncher(profile, tmp_path / "copies")) as launcher:
        run = launcher.start(quick_config(data, 3), "first")
        follow_to_end(RunFollower(run, launcher))
    launch = json.loads((sshd.work / "runs" / run.name / "launch.json").read_text())
    assert launch["hccl"] == wanted


def test_cancel_leaves_no_process(launcher: RemoteLauncher, sshd: Sshd, data: Path) -> None:
    run = launcher.start(quick_config(data, 100_000), "first")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 3)
    assert processes_on(sshd, launcher, run)
    launcher.cancel(run)
    assert processes_on(sshd, launcher, run) == []
    follower.update()
    follower.update()
    assert follower.status == "interrupted"
    launcher.cancel(run, delete=True)
    assert not run.path.exists()
    assert not (sshd.work / "runs" / "first").exists()


def test_a_kill_ends_what_every_launch_of_the_run_left_and_no_other_run(sshd: Sshd) -> None:
    server = Server(sshd.profile())
    run_id = secrets.token_hex(16)
    marks = [run_id, launch_mark(run_id), launch_mark(run_id), f"{run_id}0"]
    processes = [
        subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_MARK: mark}) for mark in marks
    ]
    try:
        assert wait_for(server.count(scripts.are_running(run_id))) == 3
        assert wait_for(server.count(scripts.kill(run_id))) == 0
        assert [process.poll() for process in processes] == [-signal.SIGKILL] * 3 + [None]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_run_that_dies_without_a_word_is_reported_as_failed(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    sshd.work.with_name("die-at").write_text("25")
    run = launcher.start(quick_config(data, 30), "first")
    follower = RunFollower(run, launcher)
    follow_to_end(follower)
    assert follower.status == "failed"
    assert follower.state.failure is not None
    assert "were killed" in follower.state.failure["message"]
    assert "step: 24" in follower.state.failure["traceback"]
    assert processes_on(sshd, launcher, run) == []
    sshd.work.with_name("die-at").unlink()
    launcher.resume(run)
    follower = RunFollower(run, launcher)
    follow_to_end(follower)
    assert follower.status == "finished"
    assert_complete(run, sshd, 30)


def test_a_run_ends_by_its_server_s_clock(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path
) -> None:
    """The times of its events are subtracted from each other."""
    date = tmp_path / "a clock of its own" / "date"
    date.parent.mkdir()
    date.write_text("#!/bin/sh\necho 12345\n")
    date.chmod(0o755)
    (sshd.login / ".bash_profile").write_text(f"PATH='{date.parent}':$PATH\n")
    sshd.work.with_name("die-at").write_text("2")
    run = launcher.start(quick_config(data, 30), "first")
    follow_to_end(RunFollower(run, launcher))
    last = json.loads(run.events.read_text().splitlines()[-1])
    assert (last["kind"], last["time"]) == ("failed", 12345)


def test_a_server_that_was_rebooted_says_so(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    """A machine that tests can't be rebooted: the run was started in another boot than this."""
    run = launcher.start(quick_config(data, 400), "first")
    follower = RunFollower(run, launcher)
    follow_until_step(follower, 1)
    launch = sshd.work / "runs" / "first" / "launch.json"
    launch.write_text(json.dumps(json.loads(launch.read_text()) | {"boot_id": "another"}, indent=2))
    sshd.work.with_name("die-at").write_text(str(follower.state.step + 50))
    follow_to_end(follower)
    assert follower.state.failure is not None
    assert "was rebooted" in follower.state.failure["message"]


def test_a_record_of_a_run_that_has_ended_is_not_believed(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path
) -> None:
    """Another machine has resumed the run since."""
    held = sshd.work.with_name("hold-at")
    held.write_text("50")
    run = launcher.start(quick_config(data, 60), "first")
    follow_until_step(RunFollower(run, launcher), 40)
    update_record(run, is_running=False)
    other = RemoteLauncher(launcher.profile, tmp_path / "copies")
    follower = RunFollower(run, other)
    follower.update()
    assert read_record(run).is_running and not follower.has_ended
    held.unlink()
    follow_to_end(follower)
    assert follower.status == "finished"
    other.close()


def test_a_follower_shows_events_that_began_again(
    launcher: RemoteLauncher, sshd: Sshd, data: Path
) -> None:
    run = launcher.start(quick_config(data, 5), "first")
    follower = RunFollower(run, launcher)
    follow_to_end(follower)
    assert follower.status == "finished"
    there = sshd.work / "runs" / "first" / "events.jsonl"
    first, *_ = there.read_text().splitlines()
    failed = {"kind": "failed", "time": 1.0, "message": "m", "remedy": "", "traceback": "x" * 9999}
    there.write_text(first.replace('"quick"', '"another"') + "\n" + json.dumps(failed) + "\n")
    follower.update()
    assert follower.status == "failed" and follower.state.step == 0


def test_two_watchers_on_one_machine_write_one_copy(
    launcher: RemoteLauncher, sshd: Sshd, data: Path, tmp_path: Path
) -> None:
    run = launcher.start(quick_config(data, 60), "first")
    other = RemoteLauncher(launcher.profile, tmp_path / "copies")
    followers = [RunFollower(run, launcher), RunFollower(run, other)]
    while not all(follower.has_ended for follower in followers):
        for follower in followers:
            follower.update()
    assert_complete(run, sshd, 60)
    other.close()


def test_a_start_that_fails_leaves_nothing_here(
    sshd: Sshd, tmp_path: Path, activate: str, data: Path
) -> None:
    profile = sshd.profile(activate=activate)
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "copies")
    sshd.stop()
    with pytest.raises(ConnectionLostError):
        launcher.start(quick_config(data, 1), "first")
    sshd.start()
    assert list((tmp_path / "copies").iterdir()) == []
    launcher.start(quick_config(data, 1), "first")
    with pytest.raises(UserError, match="not empty"):
        launcher.start(quick_config(data, 1), "first")
    other = RemoteLauncher(profile, tmp_path / "elsewhere")
    with pytest.raises(UserError, match="has a run first already"):
        other.start(quick_config(data, 1), "first")
    assert os.listdir(tmp_path / "elsewhere") == []  # noqa: PTH208
    launcher.close()
    other.close()


def test_of_starts_of_one_name_one_trains(
    sshd: Sshd, launcher: RemoteLauncher, tmp_path: Path, data: Path
) -> None:
    """From several computers at the same moment, whose person has one account on the server."""
    launchers = [RemoteLauncher(launcher.profile, tmp_path / name) for name in "abcd"]

    def start(launcher: RemoteLauncher) -> RunDirectory | str:
        try:
            return launcher.start(quick_config(data, 10), "first")
        except UserError as error:
            return error.problem

    with ThreadPoolExecutor() as threads:
        found = list(threads.map(start, launchers))
    (run,) = [each for each in found if isinstance(each, RunDirectory)]
    assert found.count("loopback has a run first already.") == 3
    follow_to_end(RunFollower(run, winner := launchers[found.index(run)]))
    assert_complete(run, sshd, 10)
    assert json.loads((sshd.work / "runs/first/launch.json").read_text())["id"] == (
        read_record(run).run_id
    )
    assert [each for each in launchers if list(each.runs_folder.iterdir())] == [winner]
    for each in launchers:
        each.close()


def test_a_start_that_fails_leaves_nothing_there(
    sshd: Sshd, launcher: RemoteLauncher, data: Path
) -> None:
    """Of what was half made, as on a disk whose files are used up; what others have there stays."""
    config = quick_config(data, 5)
    with small_disk(sshd.work, "nr_inodes=10000"):
        launcher.cancel(launcher.start(config, "earlier"), delete=True)
        state = os.statvfs(sshd.work)
        for more in (0, 1, 2, 3, 4):
            used = state.f_files - state.f_ffree
            subprocess.run(
                ["mount", "-o", f"remount,nr_inodes={used + more}", sshd.work], check=True
            )
            with pytest.raises(UserError, match="The disk of loopback is full"):
                launcher.start(config, "first")
            assert not list((sshd.work / "runs").iterdir())
    (sshd.work / "runs" / "first").mkdir(parents=True)
    with pytest.raises(UserError, match="has a run first already"):
        launcher.start(config, "first")
    assert (sshd.work / "runs" / "first").exists()
    assert not list(launcher.runs_folder.iterdir())


OLD_PYTHON = """\
#!/bin/sh
case "$1" in
  --version) echo Python 3.9.2 ;;
  *) echo "Unknown option: -P" >&2; exit 2 ;;
esac
"""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"activate": "export PATH='{folder}':$PATH"},
            "Python 3.9.2 is older than 3.11, or",
        ),
        ({"activate": "export PATH='{folder}/none'"}, "There is no python on the PATH."),
        ({"activate": "export PATH='{folder}/few'"}, "There is no setsid on the PATH."),
        ({"activate": "exit 3"}, "ended, perhaps by the command line that activates Python"),
        ({"prefix": "no-apptainer exec"}, "no python on the PATH of what is run by no-apptainer"),
    ],
)
def test_a_python_that_can_not_train_is_told_at_once(
    sshd: Sshd, tmp_path: Path, data: Path, changes: dict[str, str], told: str
) -> None:
    """Then nothing is left, here or there."""
    python = sshd.folder / "old" / "python"
    python.parent.mkdir()
    python.write_text(OLD_PYTHON)
    python.chmod(0o755)
    install_quick_python(few := python.parent / "few")
    (few / "sh").symlink_to("/bin/sh")
    given = {name: value.format(folder=python.parent) for name, value in changes.items()}
    profile = sshd.profile(**given)
    save_profile(profile)
    launcher = RemoteLauncher(profile, tmp_path / "copies")
    with closing(launcher), pytest.raises(UserError, match=told):
        launcher.start(quick_config(data, 5), "first")
    assert not list(sshd.work.glob("runs/*")) and not list(tmp_path.glob("copies/*"))


def test_an_unreadable_stack_is_not_a_full_disk(
    launcher: RemoteLauncher, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused as another user's file is; tests may run as root, which may read any file."""
    open_file = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "train-labels.tif":
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"train-labels\.tif can't be read: Permission") as refused:
        launcher.start(quick_config(data, 1), "first")
    assert "space" not in str(refused.value)
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_copy_that_cannot_be_written_is_named(launcher: RemoteLauncher, data: Path) -> None:
    run = launcher.start(quick_config(data, 20), "first")
    run.log.unlink(missing_ok=True)
    run.log.mkdir()
    with pytest.raises(UserError, match=r"train\.log can't be written: Is a directory"):
        follow_to_end(RunFollower(run, launcher))
    run.log.rmdir()
    follow_to_end(RunFollower(run, launcher))


def test_nothing_is_copied_through_links_or_into_pipes(
    launcher: RemoteLauncher, data: Path, tmp_path: Path
) -> None:
    """The folder of a copy may come from someone else."""
    run = launcher.start(quick_config(data, 20), "first")
    follow_to_end(RunFollower(run, launcher))
    own = tmp_path / "own"
    own.write_text("longer than any log of the quick training\n" * 1000)
    before = own.read_bytes()
    log = run.device_log(0)
    log.parent.mkdir(parents=True)
    for link, target in ((log, own), (run.logs, own.parent)):
        if link == run.logs:
            shutil.rmtree(run.logs)
        link.symlink_to(target)
        with pytest.raises(UserError, match="is a link"):
            launcher.fetch_device_log(run, 0)
    assert own.read_bytes() == before
    run.mirror_lock.unlink()
    os.mkfifo(run.mirror_lock)
    with pytest.raises(UserError, match=r"mirror\.lock can't be written: Not a regular file"):
        launcher.refresh(run)


def test_a_full_disk_is_reported(
    sshd: Sshd, launcher: RemoteLauncher, data: Path, tmp_path: Path
) -> None:
    with small_disk(sshd.work, "size=64k"):
        with pytest.raises(UserError, match="The disk of loopback is full"):
            launcher.start(quick_config(data, 1), "first")
        assert list((tmp_path / "copies").iterdir()) == []


def test_a_full_disk_is_reported_where_the_working_folder_is_not_made_yet(
    sshd: Sshd, launcher: RemoteLauncher, data: Path
) -> None:
    with small_disk(sshd.work, "size=64k"):
        (sshd.work / "all").write_bytes(bytes(64 * 2**10))
        launcher.profile = sshd.profile(folder=str(sshd.work / "new" / "folder"))
        save_profile(launcher.profile)
        with pytest.raises(UserError, match="The disk of loopback is full"):
            launcher.start(quick_config(data, 1), "first")


def make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def test_a_disk_that_can_only_be_read_is_reported(
    sshd: Sshd, launcher: RemoteLauncher, data: Path, tmp_path: Path
) -> None:
    with small_disk(sshd.work, "size=1m"):
        make_read_only(sshd.work)
        with pytest.raises(UserError, match="written on loopback: Read-only file system"):
            launcher.start(quick_config(data, 1), "first")
        assert list((tmp_path / "copies").iterdir()) == []


def test_a_run_does_not_go_on_where_its_log_can_not_be_written(
    sshd: Sshd, launcher: RemoteLauncher, data: Path
) -> None:
    with small_disk(sshd.work, "size=20m"):
        sshd.work.with_name("die-at").write_text("2")
        run = launcher.start(quick_config(data, 3), "first")
        follow_to_end(RunFollower(run, launcher))
        make_read_only(sshd.work)
        with pytest.raises(UserError, match="Read-only file system"):
            launcher.resume(run)
        assert not read_record(run).is_running
        with pytest.raises(UserError, match="written on loopback: Read-only file system"):
            launcher.cancel(run, delete=True)
        assert run.config.exists()


def test_why_a_run_ended_is_told_where_it_can_not_be_noted(
    sshd: Sshd, launcher: RemoteLauncher, data: Path
) -> None:
    with small_disk(sshd.work, "size=20m"):
        sshd.work.with_name("die-at").write_text("5")
        run = launcher.start(quick_config(data, 10), "first")
        while processes_on(sshd, launcher, run):
            pass
        sshd.work.with_name("die-at").unlink()
        make_read_only(sshd.work)
        with pytest.raises(UserError, match="The run's processes on loopback were killed"):
            launcher.refresh(run)
        assert not read_record(run).is_running
        subprocess.run(["mount", "-o", "remount,rw", sshd.work], check=True)
        launcher.resume(run)
        follower = RunFollower(run, launcher)
        follow_to_end(follower)
        assert follower.status == "finished"


def test_a_run_without_a_folder_there_is_not_said_to_be_fetched(
    sshd: Sshd, launcher: RemoteLauncher, data: Path
) -> None:
    run = launcher.start(quick_config(data, 10), "first")
    follow_to_end(RunFollower(run, launcher))
    shutil.rmtree(sshd.work / "runs" / "first")
    with pytest.raises(UserError, match=r"runs/first is not on loopback any more\. What was"):
        launcher.fetch(run)
    assert run.best.exists()
    update_record(run, paths=())  # as where this machine went down while it sent the data
    with pytest.raises(UserError, match="The run first never began on loopback"):
        launcher.fetch(run)
