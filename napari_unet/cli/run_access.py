"""What the commands on runs share: finding a run, following it, asking about host keys."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from napari_unet.cli.progress.progress_display import ProgressDisplay, ending_lines
from napari_unet.launchers.launcher import UploadProgress
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError, accept_host_key
from napari_unet.launchers.servers.login.questions import (
    Answers,
    LoginQuestion,
    answer_logins_by,
)
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions.record import is_prediction
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_progress import failure
from napari_unet.runs.training_places import launcher_for, launcher_in
from napari_unet.settings import load_settings
from napari_unet.text import as_argument
from training.config import TrainingConfig
from training.console import lossy_output, say
from training.dataset.found_meanings import FoundMeaning
from training.errors import UserError
from training.runs.run_directory import RunDirectory

RUNS_FOLDER = Path("runs")
UPDATE_SECONDS = 0.5
Result = TypeVar("Result")


def runs_folders() -> list[Path]:
    """Where runs are looked for: ``runs`` here, then the window's folder."""
    return [RUNS_FOLDER, Path(load_settings().runs_folder)]


def find_run(text: str) -> RunDirectory:
    """Find a run by its folder, or by its name in one of :func:`runs_folders`.

    Raises
    ------
    UserError
        If there is none, or more than one.
    """
    paths = (Path(text), *(folder / text for folder in runs_folders()))
    runs = [RunDirectory(path.absolute()) for path in paths]
    present = [run for run in runs if run.config.exists() or is_prediction(run)]
    found = {run.path.resolve(): run for run in present}
    if len(found) > 1:
        raise UserError(
            f"There are several runs '{text}': {', '.join(map(str, found))}.",
            "Give the folder of one.",
        )
    for run in found.values():
        return run
    raise UserError(
        f"There is no run '{text}'.",
        "List them with napari-unet runs; fetch a server's with napari-unet fetch --remote.",
    )


def confirm_host_keys(action: Callable[[], Result], accepted: str | None = None) -> Result:
    """Do something on servers; a person is asked about each unknown host key meanwhile.

    What a server asks at the login is asked in the terminal, too.

    Parameters
    ----------
    action : callable
        Called again after each key that was accepted.
    accepted : str or None
        A fingerprint that the person has accepted on the command line.

    Raises
    ------
    UnknownHostKeyError
        If nobody is there to be asked, or the answer is no.
    """
    if sys.stdin.isatty():
        answer_logins_by(ask_in_terminal)
    while True:
        try:
            return action()
        except UnknownHostKeyError as unknown:
            if unknown.fingerprint != accepted:
                say(unknown.problem, to_stderr=True)
                is_asked = sys.stdin.isatty()
                if not is_asked or not click.confirm("Is it the server's own? Accept it"):
                    raise
            accept_host_key(unknown)


def ask_in_terminal(question: LoginQuestion) -> Answers:
    """Show a server's question, and read the answers; what is secret isn't shown."""
    say(f"{question.server} asks:", to_stderr=True)
    if question.words:
        say(question.words, to_stderr=True)
    return [
        click.prompt(
            prompt.text.rstrip(": ") or "Answer",
            default="",
            show_default=False,
            hide_input=not prompt.is_shown,
            err=True,
        )
        for prompt in question.prompts
    ]


def show_progress(progress: UploadProgress) -> None:
    """Print how far an upload is, on one line of a terminal; else only its end."""
    is_done = progress.done == progress.total
    if sys.stderr.isatty() or is_done:
        share = 100 * progress.done // max(1, progress.total)
        end = "\n" if is_done else "\r"
        say(f"Uploading {progress.what}: {share} %", end=end, to_stderr=True)


@lossy_output()
def train_remotely(
    config: TrainingConfig,
    profile: str,
    devices: int,
    device_ids: str,
    run: Path,
    known: Sequence[FoundMeaning],
) -> None:
    """Start a run on a server, print its name, and follow it until Ctrl-C or its end.

    Parameters
    ----------
    config : TrainingConfig
        Its paths are of this machine.
    profile : str
        Name of the server's profile.
    devices : int
        How many; 0: as many as the profile says.
    device_ids : str
        Which NPUs, such as "4,5"; empty: the first free ones.
    run : Path
        New folder on this machine for the run's copy.
    known : sequence of FoundMeaning
        What its labels mean, see :meth:`Launcher.start`.
    """
    launcher = launcher_in(profile, run.parent, devices, show_progress, device_ids)
    started = confirm_host_keys(lambda: launcher.start(config, run.name, known))
    say(f"The run is {started.name}, on {launcher.name}; its copy is in {started.path}.")
    follow(started, RunFollower(started, launcher))


@lossy_output()
def resume_remotely(run: RunDirectory, devices: int, device_ids: str) -> None:
    """Go on with a server's run there, and follow it."""
    launcher = launcher_for(run)
    confirm_host_keys(lambda: launcher.resume(run, devices, device_ids))
    follow(run, RunFollower(run, launcher))


@lossy_output()
def follow(run: RunDirectory, follower: RunFollower) -> None:
    """Show what a run does until it ends, or Ctrl-C; exit with 1 if it failed or was killed."""
    pause = threading.Event()
    lost = standing = ""
    with ProgressDisplay() as display:
        try:
            while True:
                try:
                    confirm_host_keys(follower.update)
                    if follower.standing.text not in ("", standing):
                        standing = follower.standing.text
                        display.say(standing)
                    display.show(follower.state)
                    lost = ""
                except ConnectionLostError as error:
                    if str(error) != lost:
                        lost = str(error)
                        display.say(lost)
                if follower.has_ended:
                    break
                pause.wait(UPDATE_SECONDS)
        except KeyboardInterrupt:
            name = as_argument(run.name)
            display.say(
                f"\nThe run goes on. Follow it again: napari-unet follow {name}; "
                f"end it: napari-unet stop {name}"
            )
            return
    _report_end(run, follower)


def _report_end(run: RunDirectory, follower: RunFollower) -> None:
    for line in ending_lines(run, follower.status, follower.state):
        say(line)
    if follower.status == "failed":
        say(f"Error: {failure(run, follower.state)}", to_stderr=True)
    if follower.status in ("failed", "interrupted"):
        sys.exit(1)
