import subprocess

import pytest

from training.devices.run_processes import RUN_MARK, find_processes, kill_processes, launch_mark


def test_a_mark_finds_the_processes_of_a_run_and_of_each_launch() -> None:
    marks = [launch_mark("run"), launch_mark("run"), "runner"]
    started = [subprocess.Popen(["sleep", "600"], env={RUN_MARK: mark}) for mark in marks]
    try:
        numbers = [process.pid for process in started]
        assert [process.pid for process in find_processes("run")] == numbers[:2]
        assert kill_processes(marks[1]) == []
        assert [process.pid for process in find_processes("run")] == numbers[:1]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_an_empty_mark_is_refused() -> None:
    """It would find every process of the machine."""
    with pytest.raises(ValueError, match="empty"):
        find_processes("")
