"""The run directory: its paths, its lock, and files that are never half-written."""

import multiprocessing
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.refusals import refusing
from training.config import preset_config
from training.errors import UserError
from training.runs.process_record import ProcessRecord
from training.runs.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", seed=3))
    return run


def test_a_new_run_holds_its_configuration(run: RunDirectory) -> None:
    assert run.read_config() == preset_config("compact", seed=3)
    assert not run.is_running()
    assert run.list_checkpoints() == []


def test_a_run_is_not_made_where_something_is(run: RunDirectory) -> None:
    with pytest.raises(UserError, match="exists and is not empty"):
        run.create(preset_config("compact"))
    assert run.read_config().seed == 3


def test_a_run_is_made_where_a_killed_process_had_begun_to(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    (run.path / ".config.json.a1b2c3d4.part").write_text("{")
    run.create(preset_config("compact"))
    assert not list(run.path.glob("*.part"))
    assert run.read_config() == preset_config("compact")


@pytest.mark.parametrize("name", ["notes.txt", "checkpoints/best.safetensors"])
def test_a_run_is_not_made_over_files(name: str, tmp_path: Path) -> None:
    file = tmp_path / "run" / name
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(UserError, match="exists and is not empty"):
        RunDirectory(tmp_path / "run").create(preset_config("compact"))


def test_a_run_is_not_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        RunDirectory(tmp_path / "file" / "run").create(preset_config("compact"))


CREATE = """
import sys
from training.config import preset_config
from training.errors import UserError
from training.runs.run_directory import RunDirectory
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    try:
        RunDirectory(f"{sys.argv[1]}/{number}").create(preset_config("compact"))
        print(number)
    except UserError as error:
        assert "exists and is not empty" in str(error), error
"""


def test_of_processes_that_make_the_same_run_one_does(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CREATE, tmp_path]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    made = [number for process in processes for number in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(map(int, made)) == list(range(100))


def test_a_folder_without_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run"):
        RunDirectory(tmp_path).read_config()


def test_checkpoints_come_in_the_order_of_their_steps(run: RunDirectory) -> None:
    paths = [run.checkpoint("unet", epoch, step) for epoch, step in ((1, 9), (2, 10), (10, 100))]
    for path in reversed(paths):
        path.touch()
    run.best.touch()
    assert run.list_checkpoints() == paths


@pytest.mark.parametrize("name", ["stop", "launch1.lock", "checkpoints/best.safetensors", "data"])
def test_a_link_to_outside_is_refused(run: RunDirectory, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "own"
    (run.path / name).symlink_to(outside)
    with pytest.raises(UserError, match=f"{name} is a link to outside of the run"):
        run.request_stop()
    assert not outside.exists() and not run.stop_request.exists()


def test_a_link_within_the_run_is_not_refused(run: RunDirectory) -> None:
    run.log.touch()
    (run.path / "newest.log").symlink_to(run.log)
    run.request_stop()
    assert run.stop_request.exists()


def test_one_process_at_a_time_holds_a_run(run: RunDirectory) -> None:
    context = multiprocessing.get_context("spawn")
    with run.hold():
        assert run.is_running()
        with context.Pool(1) as pool, pytest.raises(UserError, match="Another process"):
            pool.apply(hold, (run,))
    assert not run.is_running()


def hold(run: RunDirectory) -> None:
    with run.hold():
        pass


HOLD = """
import sys
from training.errors import UserError
from training.runs.run_directory import RunDirectory
run = RunDirectory(sys.argv[1])
try:
    with run.hold():
        print("held", run.is_running(), flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
"""


def hold_without_locks(run: RunDirectory, folder: Path) -> "subprocess.Popen[str]":
    """A process that holds a run on a disk without locks until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, run.path],
        env={**os.environ, **refusing("flock", "ENOLCK", folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_process_at_a_time_holds_a_run_on_a_disk_without_locks(
    run: RunDirectory, tmp_path: Path
) -> None:
    first = hold_without_locks(run, tmp_path)
    assert first.stdout is not None
    assert first.stdout.readline() == "held True\n"
    told, warning = hold_without_locks(run, tmp_path).communicate()
    assert told.startswith(f"Another process is training in {run.path}, on {platform.node()}.")
    assert "has no locks" in warning
    first.kill()
    first.communicate()
    assert hold_without_locks(run, tmp_path).communicate()[0] == "held True\n"
    assert not run.process.exists()


LOOK = """
import sys
from training.errors import UserError
from training.runs.run_directory import RunDirectory
try:
    print(RunDirectory(sys.argv[1]).is_running())
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("error", "answer", "warning"),
    [
        ("ENOLCK", "False\n", "The disk of {lock} has no locks"),
        ("ESTALE", "{lock} can't be written: Stale file handle", ""),
    ],
)
def test_a_look_at_a_run_where_locks_are_refused(
    run: RunDirectory, tmp_path: Path, error: str, answer: str, warning: str
) -> None:
    run.lock.touch()
    environment = {**os.environ, **refusing("flock", error, tmp_path)}
    command = [sys.executable, "-c", LOOK, run.path]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.startswith(answer.format(lock=run.lock))
    assert result.stderr.startswith(warning.format(lock=run.lock))


def test_a_run_of_another_machine_on_a_disk_without_locks(
    run: RunDirectory, tmp_path: Path
) -> None:
    replace(ProcessRecord.of(os.getpid()), host="another").write(run.process)
    told, _ = hold_without_locks(run, tmp_path).communicate()
    assert told.startswith(f"Another process is training in {run.path}, on another.")
    assert f"if it has ended, delete {run.process}" in told
    assert run.process.exists()
    run.process.unlink()
    assert hold_without_locks(run, tmp_path).communicate()[0] == "held True\n"


def test_what_a_killed_training_left_is_removed(run: RunDirectory) -> None:
    kept = [run.best, run.onnx, run.preview / "step-000001.png", run.process]
    for path in kept:
        path.touch()
    for path in (run.best, run.onnx, run.preview_image(2)):
        path.with_name(f".{path.name}.x1y2z3_4.part").touch()
    run.remove_leftovers()
    found = {path for path in run.path.rglob("*") if path.is_file()}
    assert found == {*kept, run.config}
