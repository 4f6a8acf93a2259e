"""What a profile may ask of Slurm, and what Slurm's answers may do."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner

from napari_unet.cli import servers
from napari_unet.launchers.launcher import Standing
from napari_unet.launchers.servers.endings import ending_event
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.launchers.servers.slurm.batch_script import submit
from napari_unet.launchers.servers.slurm.jobs import parse_jobs
from napari_unet.launchers.servers.slurm.options import JobOptions
from tests.terminal import HOSTILE
from training.errors import UserError
from training.runs.run_paths import RunPaths


@pytest.mark.parametrize(
    "line",
    [
        "--mem=64G\n#SBATCH --uid=0",
        "--mem=64G\r--uid=0",
        "",
        "#SBATCH",
        "mem=64G",
        "--comment='open",
        "--comment=a --wrap=true",
        "--job-name=mine",
        "-Jmine",
        "--array=1-9",
        "--nodes=4",
        "--signal=TERM@60",
        "\u202e--mem=1",
    ],
)
def test_a_line_is_one_option_and_none_of_ours(line: str) -> None:
    with pytest.raises(UserError, match=r"#SBATCH line|signal"):
        Profile(name="lab", host="login", slurm=True, sbatch=(line,))


@pytest.mark.parametrize("name", ["partition", "account", "qos", "gres", "time"])
def test_a_word_is_one_word(name: str) -> None:
    for value in ("a b", "a\n--uid=0", "a\0"):
        with pytest.raises(UserError, match="is not a"):
            JobOptions(**{name: value})
    assert f"--{name}=a;b$(c)" in JobOptions(**{name: "a;b$(c)"}).arguments()


def test_what_belongs_to_a_queue_needs_one() -> None:
    with pytest.raises(UserError, match="Partition is for a queue"):
        Profile(name="lab", host="login", partition="npu")
    with pytest.raises(UserError, match="--job-nodes"):
        Profile(name="lab", host="a", nodes=("b",), master_addr="c", slurm=True)
    with pytest.raises(UserError, match="can't be divided among 3 servers"):
        Profile(name="lab", host="login", slurm=True, job_nodes=3, devices=8)
    joined = Profile(name="lab", host="login", slurm=True, sbatch=("--nodelist=a", "b"))
    assert joined.sbatch == ("--nodelist=a,b",)


def test_lines_and_switches_are_options_of_the_command_line(home: Path) -> None:
    options = ["--host=login", "--slurm", "--requeue", "--job-nodes=2", "--time=1-0"]
    lines = ["--sbatch=--mem=64G", "--sbatch", "--exclusive", "--sbatch", "#SBATCH --nice"]
    done = CliRunner().invoke(servers.command, ["add", "lab", *options, *lines])
    assert done.exit_code == 0, done.output
    profile = find_profile("lab")
    assert profile.slurm and profile.requeue and profile.job_nodes == 2
    assert profile.sbatch == ("--mem=64G", "--exclusive", "#SBATCH --nice")
    assert profile.job_options().arguments()[-3:] == ["--mem=64G", "--exclusive", "--nice"]


def test_sbatch_gets_every_word_whole(tmp_path: Path) -> None:
    """Whatever a run's folder is called, and whatever quotes a person's line has."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >&2\ncat >&2\n')
    sbatch.chmod(0o755)
    options = JobOptions(gres="npu:8", lines=("#SBATCH --comment='two words'",))
    run = RunPaths(PurePosixPath("/runs/it's $(a) 100%"))
    script = submit(options, run, run.log, "abc", "the script's\n")
    done = subprocess.run(
        ["bash", "-c", f"PATH={shlex.quote(str(tmp_path))}:$PATH\n{script}"],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    words = done.stderr.splitlines()
    assert {
        "--job-name=napari-unet-abc",
        "--chdir=/runs/it's $(a) 100%",
        "--output=/runs/it's $(a) 100%%/train.log",
        "--gres=npu:8",
        "--comment=two words",
        "--no-requeue",
    } <= set(words)
    assert words[-1] == "the script's"


def test_answers_of_a_queue_are_read_within_bounds() -> None:
    jobs = parse_jobs(
        "napari-unet-a|7|COMPLETED|None|n1\n"
        "napari-unet-a|9|PENDING|Priority|\n"
        "napari-unet-a|8|FAILED|None|n1\n"
        f"napari-unet-b|1|PENDING|{HOSTILE}{'x' * 999}|\n"
        "napari-unet-$(x)|1|RUNNING|None|n1\nother|1|RUNNING|None|n1\nnonsense\n\xff|||\n"
        f"napari-unet-c|{'9' * 30}|TIMEOUT|TimeLimit|n1\n"
    )
    assert sorted(jobs) == ["a", "b", "c"]
    assert jobs["a"].standing == Standing("Job 9 is pending: Priority", is_waiting=True)
    assert jobs["b"].standing.text.isprintable() and len(jobs["b"].standing.text) < 200
    assert jobs["c"].standing == Standing() and not jobs["c"].is_alive


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("TIMEOUT", "time limit was reached before it had ended"),
        ("OUT_OF_MEMORY", "more memory than it had asked for"),
        ("NODE_FAIL", "its node failed"),
        ("CANCELLED", "it was cancelled"),
        ("FAILED", "were killed"),
        ("FORGOTTEN", "were killed"),
    ],
)
def test_an_end_by_the_queue_is_explained(state: str, sentence: str) -> None:
    """The node's boot is not that of the login node, whatever both are."""
    job = parse_jobs(f"napari-unet-a|7|{state}|None|n1")["a"]
    event = ending_event("time 9\nboot a\nstarted-at b\nfree 9\nstep: 3", "lab", job)
    assert event["kind"] == "failed"
    assert sentence in event["message"]
    before = ending_event("time 9\nboot a\n", "lab", job, has_begun=False)
    assert (before["kind"] == "stopped") == (state == "CANCELLED")
