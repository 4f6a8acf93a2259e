"""A training on this machine, as a process that lives and ends with its command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from napari_unet.cli.progress.progress_display import ProgressDisplay, ending_lines
from napari_unet.training_python.choice import TrainingPython
from training.console import lossy_output
from training.devices.cann import with_cann
from training.devices.launch_lock import launching
from training.devices.run_processes import (
    DETACHED,
    Handler,
    end_with_parent,
    on_hang_up,
    passed_on,
)
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, read_state

UPDATE_SECONDS = 0.5


@lossy_output()
def train_here(run: RunDirectory, python: TrainingPython) -> int:
    """Train the run in a directory to its end, and show its progress meanwhile.

    Ctrl-C, SIGTERM and a hang-up of the terminal end the training after its current step, as
    does on Linux a kill of this process; a second Ctrl-C or SIGTERM ends it at once. Ctrl-Z
    suspends both.

    Parameters
    ----------
    run : RunDirectory
        A new one, or one to resume.
    python : TrainingPython
        What it trains in.

    Returns
    -------
    int
        Exit code of the training; 128 + N where signal N killed it, as in a shell.
    """
    command = python.command("training.train", "--run_dir", str(run.path))
    state, offset = RunState(), 0
    with ProgressDisplay() as display:
        # In a session of its own it gets signals from this process alone, each once. It prints
        # what goes wrong on the standard error, and all else also in its log.
        with launching(run) as lock:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                creationflags=DETACHED,
                env=python.environment(with_cann(os.environ, run.read_config().device)),
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
                pass_fds=passed_on(lock),
            )
            with _passing_signals_on(process, run):
                display.say(f"The run is in {run.path}.")
                while _is_alive(process):
                    state, offset = read_state(run.events, state, offset)
                    display.show(state)
        state, offset = read_state(run.events, state, offset)
        display.show(state)
    code = process.returncode
    if code == 0:
        for line in ending_lines(run, state.status, state):
            display.say(line)
    return code if code >= 0 else 128 - code


def _is_alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process still runs after a short while."""
    try:
        process.wait(UPDATE_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


if sys.platform == "win32":

    @contextmanager
    def _passing_signals_on(process: subprocess.Popen[bytes], run: RunDirectory) -> Iterator[None]:
        """Stop the training by its file when this process is asked to end: the second time at once.

        A process of Windows can send no other a signal that this one could obey.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            if run.stop_request.exists():
                process.kill()
            run.request_stop()

        with _handling({signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGBREAK: stop}):
            yield

else:

    @contextmanager
    def _passing_signals_on(process: subprocess.Popen[bytes], run: RunDirectory) -> Iterator[None]:
        """Send the training what this process is sent."""

        def stop(number: int, frame: FrameType | None) -> None:
            process.terminate()

        def hang_up(number: int, frame: FrameType | None) -> None:
            process.send_signal(number)

        def suspend(number: int, frame: FrameType | None) -> None:
            process.send_signal(signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)  # returns when this process goes on
            process.send_signal(signal.SIGCONT)

        former = signal.getsignal(signal.SIGHUP)
        on_hang_up(hang_up)
        try:
            with _handling({signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGTSTP: suspend}):
                yield
        finally:
            signal.signal(signal.SIGHUP, former)


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Handle signals for the time of a ``with`` statement."""
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
