"""What comes from someone else does no more than be shown, or refused."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from napari_unet.cli.runs import command as list_command
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.record import RemoteRecord, read_record, write_record
from napari_unet.projects.project import DOCUMENT, Project
from napari_unet.runs.learning_on import accept
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_list import list_runs
from napari_unet.runs.run_progress import ProgressReader
from napari_unet.runs.training_places import launcher_for
from napari_unet.text import as_html, line
from tests.faults.reading.judging import read_all
from training.config import preset_config
from training.console import printable
from training.errors import UserError
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory
from training.runs.run_paths import RunPaths
from training.runs.run_state import load_state

ROOT = Path(__file__).parents[3]
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202e\r"
HOSTILE_NAME = f"<img src=x><b>run\n{ESCAPES}"

# Calls that would run what a file says, or take it for more than data.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load",
                   "ElementTree.parse", "minidom.parseString"}  # fmt: skip
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml",
                     "zipfile", "xmlrpc", "telnetlib", "commands"}  # fmt: skip
READ_ARCHIVES = {  # into memory, up to a size
    ROOT / "napari_unet/neurons/search_files.py",
    ROOT / "napari_unet/prediction/package_file.py",
    *(ROOT / f"training/files/{name}.py" for name in ("array_files", "zip_members")),
}
FORBIDDEN_WORDS = {"shell": True, "allow_pickle": True}
FORBIDDEN_METHODS = {"extractall", "extract"}


def sources() -> list[Path]:
    return sorted(
        path for name in ("napari_unet", "training") for path in ROOT.glob(f"{name}/**/*.py")
    )


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_a_file_says(path: Path) -> None:
    forbidden = FORBIDDEN_MODULES
    if path in READ_ARCHIVES:
        forbidden = forbidden - {"zipfile"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & forbidden
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in forbidden
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in FORBIDDEN_CALLS, called
            assert called.rpartition(".")[2] not in FORBIDDEN_METHODS, called
            words = {word.arg: word.value for word in node.keywords if word.arg in FORBIDDEN_WORDS}
            for word, value in words.items():
                assert isinstance(value, ast.Constant), f"{called}({word}=...)"
                assert value.value is not FORBIDDEN_WORDS[word], f"{called}({word}=...)"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of someone else's, with a name that would do harm."""
    run = RunDirectory(tmp_path / "runs" / HOSTILE_NAME)
    run.create(preset_config("compact", data_url="/etc/../../secrets", image="/etc/shadow"))
    log = EventLog(run.events)
    log.append("started", first_step=0, total_steps=9, device=HOSTILE_NAME, valid_slices=[1])
    log.append("failed", message=HOSTILE_NAME, remedy=HOSTILE_NAME, traceback="")
    log.close()
    return run


def test_a_run_of_someone_else_is_listed_and_followed(run: RunDirectory) -> None:
    [summary] = list_runs(run.path.parent)
    assert (summary.run.name, summary.status) == (HOSTILE_NAME, "failed")
    follower = RunFollower(run, LocalLauncher(run.path.parent))
    follower.update()
    assert ProgressReader(follower).read().figures()["Device"] == HOSTILE_NAME


def test_terminals_are_given_no_controls(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path.parent.parent)
    listed = CliRunner().invoke(list_command, catch_exceptions=False).output
    assert "<b>run\\n\\x1b[2J" in listed
    assert listed.count("\n") == 1
    assert not set("\x1b\x07\u202e\r") & set(listed)
    assert printable("a\tb\n\ud800\x9b") == "a\tb\n\\xd800\\x9b"
    assert line("a\nb") == "a\\nb"


def test_markup_is_no_markup_any_more() -> None:
    assert as_html("<b>&\n\x1b") == "&lt;b&gt;&amp;<br>\\x1b"


def test_pipes_in_a_run_hang_nobody(tmp_path: Path) -> None:
    names = ["config.json", "events.jsonl", "process.json", "lock", "remote.json", "train.log",
             "preview/step-000001.png"]  # fmt: skip
    runs = []
    for index, name in enumerate(names):
        run = RunDirectory(tmp_path / str(index) / "run")
        run.create(preset_config("compact"))
        log = EventLog(run.events)
        log.append("preview", step=1, slice=1, path="preview/step-000001.png")
        log.close()
        (run.path / name).unlink(missing_ok=True)
        os.mkfifo(run.path / name)
        runs.append(run.path)
    assert read_all("run", runs).total() == len(names)


@pytest.mark.parametrize("name", ["lock", "events.jsonl", "train.log", "accepted", "stop"])
def test_nothing_is_written_into_pipes(run: RunDirectory, name: str) -> None:
    path = run.path / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    write: dict[str, Callable[[], Any]] = {
        "lock": lambda: run.hold().__enter__(),
        "events.jsonl": lambda: EventLog(run.events),
        "train.log": lambda: LocalLauncher(run.path.parent).resume(run),
        "accepted": lambda: accept(run),
        "stop": run.request_stop,
    }
    with pytest.raises(UserError, match="can't be written: Not a regular file"):
        write[name]()


def test_a_training_writes_its_output_into_no_pipe(run: RunDirectory) -> None:
    os.mkfifo(run.log)
    command = [sys.executable, "-m", "training.train", "--run_dir", run.path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "train.log can't be written: Not a regular file." in result.stderr


@pytest.mark.parametrize("name", ["events.jsonl", "train.log", "checkpoints", "stop", "lock",
                                  "model.onnx", "preview", "logs", "data"])  # fmt: skip
def test_nothing_is_written_through_links_out_of_a_run(run: RunDirectory, name: str) -> None:
    outside = run.path.parent.parent / "outside"
    outside.mkdir()
    (outside / ".profile").write_text("mine")
    target = outside if "." not in name else outside / ".profile"
    path = run.path / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    launcher = LocalLauncher(run.path.parent)
    with pytest.raises(UserError, match="is a link to outside of the run"):
        launcher.resume(run)
    with pytest.raises(UserError, match="is a link"), run.hold():
        pytest.fail("it was held")
    with pytest.raises(UserError, match="is a link"):
        run.request_stop()
    assert [path.name for path in outside.iterdir()] == [".profile"]
    assert (outside / ".profile").read_text() == "mine"


def test_a_run_uploads_nothing_to_a_server_that_it_brings(run: RunDirectory) -> None:
    """Its configuration may name any file of this machine."""
    theirs = Profile(name="theirs", host="127.0.0.1", port=1)
    write_record(run, RemoteRecord(profile=theirs, run_id="0123456789abcdef", devices=1))
    with pytest.raises(UserError, match="not one of your servers"):
        launcher_for(run).resume(run)


@pytest.mark.parametrize("path", ["../../secret.png", "/etc/passwd", "model.onnx", "remote.json",
                                  "preview/../config.json", "preview/.hidden.png",
                                  "preview/a\0.png", "preview//a.png"])  # fmt: skip
def test_previews_are_only_taken_from_the_previews(tmp_path: Path, path: str) -> None:
    """A server names them: what it names is fetched, and put where it says."""
    log = EventLog(tmp_path / "events.jsonl")
    log.append("preview", step=1, slice=1, path=path)
    log.close()
    assert load_state(tmp_path / "events.jsonl").preview is None


def write_project(folder: Path, **changes: Any) -> Project:
    project = Project.create(folder)
    tifffile.imwrite(folder / "labels" / "a.tif", np.zeros((5, 8, 8), np.uint8))
    layer = {"kind": "labels", "file": "labels/a.tif", "attributes": {}, "metadata": {},
             "stack": None}  # fmt: skip
    document = {"layers": [{**layer, **changes}], "view": {}, "settings": {}}
    (folder / DOCUMENT).write_text(json.dumps(document))
    return project


@pytest.mark.parametrize("file", ["../outside.tif", "/tmp/outside.tif", "labels/../../outside.tif",
                                  "labels/.hidden.tif", "project.json", "runs/a/model.onnx", "",
                                  "labels/a.tif/../../../b.tif", "labels/a\0.tif", 3, None,
                                  "labels//outside.tif"])  # fmt: skip
def test_projects_name_no_files_outside(tmp_path: Path, file: object) -> None:
    """They are saved a second after a stroke: what a project names is what is replaced."""
    project = write_project(tmp_path / "project", file=file)
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        project.read()


def test_projects_follow_no_links_outside(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    [record] = project.read().layers
    assert project.own_file(record) == project.folder / "labels" / "a.tif"
    (tmp_path / "outside").mkdir()
    shutil.move(project.folder / "labels" / "a.tif", tmp_path / "outside" / "a.tif")
    (project.folder / "labels").rmdir()
    (project.folder / "labels").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="is a link to outside of the project"):
        project.own_file(record)


def write_unchecked_record(run: RunDirectory, **changes: object) -> None:
    whole = RemoteRecord(profile=Profile(name="lab", host="host"), run_id="1f", devices=8)
    run.remote.write_text(json.dumps({**whole.model_dump(), **changes}))


@pytest.mark.parametrize(
    "run_id", ["1; touch owned", "$(touch owned)", "a\nb", "", "a" * 65, "'", 3]
)
def test_ids_of_runs_are_no_scripts(tmp_path: Path, run_id: Any) -> None:
    for script in (scripts.are_running, scripts.kill):
        with pytest.raises(UserError, match="damaged"):
            script(run_id)
    with pytest.raises(UserError, match="damaged"):
        scripts.start(
            Profile(name="lab", host="host"),
            "/source",
            RunPaths(PurePosixPath("/run")),
            run_id,
            "key",
            [],
        )
    run = RunDirectory(tmp_path)
    write_unchecked_record(run, run_id=run_id)
    with pytest.raises(UserError, match="damaged"):
        read_record(run)


@pytest.mark.parametrize("path", ["/", "/home/me", "/home/me/runs", "/runs/../../home", "runs", ""])
def test_a_record_names_no_other_folder_to_delete(tmp_path: Path, path: str) -> None:
    run = RunDirectory(tmp_path)
    write_unchecked_record(run, paths=[path])
    with pytest.raises(UserError, match="damaged"):
        read_record(run)
