"""One damaged run on a server hides none of the others, and leaves nothing here."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from click.testing import CliRunner

from napari_unet.cli.runs import command
from napari_unet.launchers.servers.listing import adopt_run, list_remote_runs
from napari_unet.launchers.servers.profiles import save_profile
from tests.napari_unet.launchers.servers.loopback.hostile_server import HostileServer, printing
from training.config import preset_config
from training.errors import UserError
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

LAUNCH = {"id": "abc", "devices": 1, "boot_id": ""}
DAMAGED = {
    "no-json": "{",
    "list": "[]",
    "number": "7",
    "bad-id": json.dumps({**LAUNCH, "id": "x y"}),
    "id-of-lines": json.dumps({**LAUNCH, "id": "abc\nabc"}),
    "no-devices": json.dumps({"id": "abc"}),
    "text-devices": json.dumps({**LAUNCH, "devices": "1"}),
}
UNUSABLE = {
    **DAMAGED,
    "0-devices": json.dumps({**LAUNCH, "devices": 0}),
    "many-devices": json.dumps({**LAUNCH, "devices": 100_000_000}),
    "huge-devices": '{"id": "abc", "devices": ' + "9" * 5000 + "}",
}


def make_run(hostile: HostileServer, name: str, launch: str) -> RunDirectory:
    run = RunDirectory(hostile.work / "runs" / name)
    run.create(preset_config("compact"))
    run.launch.write_text(launch)
    with closing(EventLog(run.events)) as log:
        log.append("finished", step=1, seconds=1.0)
    return run


def test_each_damaged_run_is_a_row(hostile: HostileServer) -> None:
    for name, launch in {"good": json.dumps(LAUNCH), **DAMAGED}.items():
        make_run(hostile, name, launch)
    rows = {run.name: run for run in list_remote_runs(hostile.profile())}
    assert rows.pop("good").status == "finished"
    assert {name: run.status for name, run in rows.items()} == dict.fromkeys(DAMAGED, "unreadable")
    assert all(run.problem for run in rows.values())


def test_names_that_are_none_are_rows(hostile: HostileServer) -> None:
    make_run(hostile, "good", json.dumps(LAUNCH))
    names = [b"", b"../../x", b"a\nb", b"x" * 5000, b"\xff\x1b[31m", b".hidden", b"good"]

    class Naming(asyncssh.SFTPServer):
        async def scandir(self, path: bytes) -> Any:
            for name in names:
                yield asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs())

    hostile.files = Naming
    runs = list_remote_runs(hostile.profile())
    assert len(runs) == len(names) - 1
    assert [run.status for run in runs if run.name == "good"] == ["finished"]
    assert sum("can't be called" in run.problem for run in runs) == 3  # none, of others, too long
    assert all(len(run.name) < 300 for run in runs)
    save_profile(hostile.profile())
    shown = CliRunner().invoke(command, ["--remote", "hostile"])
    assert shown.exit_code == 0, shown.output
    assert len(shown.output.splitlines()) == len(names) - 1


def test_a_count_that_is_none_is_a_row(hostile: HostileServer) -> None:
    make_run(hostile, "run", json.dumps(LAUNCH))
    hostile.answer = printing(b"abc\n", "| wc -l")
    (row,) = list_remote_runs(hostile.profile())
    assert row.status == "unreadable" and "makes no sense" in row.problem


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_run_is_not_adopted(hostile: HostileServer, tmp_path: Path, name: str) -> None:
    run = make_run(hostile, name, UNUSABLE[name])
    with pytest.raises(UserError, match=r"launch\.json on hostile is damaged"):
        adopt_run(hostile.profile(), name, tmp_path / "copies")
    assert not (tmp_path / "copies").exists()
    run.launch.write_text(json.dumps(LAUNCH))
    assert adopt_run(hostile.profile(), name, tmp_path / "copies").remote.exists()


def test_a_copy_with_a_damaged_record_is_a_row(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("good", "bad"):
        RunDirectory(tmp_path / "runs" / name).create(preset_config("compact"))
    RunDirectory(tmp_path / "runs" / "bad").remote.write_text("{")
    shown = CliRunner().invoke(command)
    assert shown.exit_code == 0, shown.output
    rows = {line.split()[0]: line for line in shown.output.splitlines()}
    assert "here" in rows["good"]
    assert "unreadable" in rows["bad"] and "remote.json is damaged" in rows["bad"]
