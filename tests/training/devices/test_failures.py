"""Why a process died, as its exit code and its log tell it."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from training.devices.failures import explain_death, find_cause
from training.runs.run_directory import RunDirectory

# The end of a log, its sentence, and a word of what to do about it.
LOGS = [
    ("OSError: [Errno 28] No space left on device", "The disk is full.", "Free"),
    ("bind: Address already in use", "msrun's port is taken.", "--master_port"),
    (
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'mindspore'\n",
        "Python could not start the training: ModuleNotFoundError: No module named 'mindspore'.",
        "activate",
    ),
    (
        "There is no python on the PATH",
        "Python could not start the training: There is no python on the PATH.",
        "activate",
    ),
    ("RuntimeError: NPU out of memory\nstep: 3", "The memory is used up.", "batchsize"),
    ("Traceback (most recent call last):\nMemoryError", "The memory is used up.", "batchsize"),
    ("Error: Slow.\nError: NPU 3 is busy. Wait.\nBye", "NPU 3 is busy. Wait.", ""),
    (
        "Traceback (most recent call last):\n  x = 1\nKeyError: 1\n"
        "Traceback (most recent call last):\n  x = 2\nValueError: {x}\n\n"
        "[INFO] DISTRIBUTED: Event base dispatch success!",
        "ValueError: {x}",
        "",
    ),
]


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[[str], RunDirectory]:
    """Write the log of a run's second device."""

    def write(content: str) -> RunDirectory:
        run = RunDirectory(tmp_path)
        run.device_log(1).parent.mkdir(parents=True)
        run.device_log(1).write_text(content)
        return run

    return write


@pytest.mark.parametrize(("log", "sentence", "advice"), LOGS)
def test_a_log_tells_why_its_process_ended(log: str, sentence: str, advice: str) -> None:
    cause = find_cause(log.splitlines(), is_disk_full=False)
    assert cause is not None
    assert cause.problem == sentence
    assert advice in cause.remedy


def test_a_log_without_an_error_tells_nothing() -> None:
    assert find_cause(["step: 3", "No Error: here"], is_disk_full=False) is None
    assert find_cause([], is_disk_full=False) is None


def test_a_full_disk_is_a_cause_whatever_the_log_says() -> None:
    cause = find_cause(["step: 3"], is_disk_full=True)
    assert cause is not None
    assert cause.problem == "The disk is full."


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (-signal.SIGKILL, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
        (3, "ended with code 3"),
    ],
)
def test_a_death_is_told_by_its_exit_code(
    write_log: Callable[[str], RunDirectory], code: int, how: str
) -> None:
    run = write_log("step: 3\n")
    death = explain_death(run, 1, code)
    assert death.problem == f"The process of device 1 {how}."
    assert death.remedy.startswith("Resume the run")
    assert str(run.device_log(1)) in death.remedy
    assert death.log_tail == "step: 3"


def test_a_death_is_told_with_its_cause(write_log: Callable[[str], RunDirectory]) -> None:
    death = explain_death(write_log("step: 3\nMemoryError\n"), 1, 1)
    assert death.problem == "The process of device 1 ended with code 1. The memory is used up."
    assert death.remedy.startswith("Take a smaller batchsize. Resume the run")


def test_a_death_without_a_log_is_told(tmp_path: Path) -> None:
    death = explain_death(RunDirectory(tmp_path), None, 1)
    assert death.problem == "MindSpore's launcher msrun ended with code 1."
    assert death.log_tail == ""


def test_of_a_long_log_only_its_last_lines_count(
    write_log: Callable[[str], RunDirectory],
) -> None:
    steps = [f"step: {number}" for number in range(100_000)]
    death = explain_death(write_log("\n".join(["MemoryError", *steps])), 1, 1)
    assert death.problem == "The process of device 1 ended with code 1."
    assert death.log_tail.splitlines() == steps[-15:]


def test_a_log_of_one_endless_line_is_told(write_log: Callable[[str], RunDirectory]) -> None:
    death = explain_death(write_log("." * 100_000 + "out of memory"), 1, 1)
    assert "The memory is used up." in death.problem
