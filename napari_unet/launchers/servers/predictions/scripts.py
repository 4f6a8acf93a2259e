"""The bash scripts of a prediction on a server, or in its queue. Every name in them is quoted."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import PurePosixPath

from napari_unet.launchers.servers.predictions.record import (
    KINDS,
    Outcome,
    exit_code_path,
    kept_path,
    log_path,
    result_path,
)
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.scripts import CAN_DETACH, activation, check_id, python_of
from napari_unet.launchers.servers.slurm import batch_script
from napari_unet.launchers.servers.slurm.options import LIMIT_SIGNAL
from training.devices.run_processes import RUN_MARK
from training.runs.run_paths import RunPaths

RemotePaths = RunPaths[PurePosixPath]
GONE = "gone"
_SIGNALS = 128  # exit codes above it are of processes that a signal ended
# It waits for its command whatever asks that to end, and notes how it ended. Of what a person
# stopped no slices are kept.
_NOTE_ENDING = """trap : TERM
log=$1 code=$2 stop=$3 kept=$4
shift 4
"$@" >>"$log" 2>&1
ended=$?
[ ! -e "$stop" ] || rm -rf -- "$kept"
echo $ended >".$code" && mv -f ".$code" "$code"
"""


def start(
    profile: Profile, source: str, run: RemotePaths, run_id: str, arguments: list[str]
) -> str:
    """Start a prediction, or go on, in a session of its own, which outlives the connection."""
    return f"""
{activation(profile, source)}
{CAN_DETACH}
cd -- {shlex.quote(str(run.path))} && : >>{log_path(run).name} || return
rm -f -- {_ending(run)}
export {RUN_MARK}={check_id(run_id)}
setsid nohup {_noting(profile, run, arguments)} >/dev/null 2>&1 &
until grep -qsz '^{RUN_MARK}=' /proc/$!/environ || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
"""


def submit(
    profile: Profile, source: str, run: RemotePaths, run_id: str, arguments: list[str]
) -> str:
    """Submit a prediction as a job of Slurm on one node; the arguments are as for :func:`start`.

    What Slurm queues again, for a node that was lost, goes on where it was. The training's signal
    before the time limit is passed over: a prediction has nothing to save.
    """
    options = dataclasses.replace(profile.job_options(), nodes=1)
    exit_code = exit_code_path(run).name
    script = f"""#!/bin/bash -l
cd -- {shlex.quote(str(run.path))} || exit
[ ! -e {run.stop_request.name} ] || exit
rm -f -- {_ending(run)}
trap : TERM {LIMIT_SIGNAL}
activate() {{
{activation(profile, source)}
}}
activate || {{ echo 1 >{exit_code}; exit 1; }}
export {RUN_MARK}={check_id(run_id)}
{_noting(profile, run, arguments)}
exit "$(cat {exit_code})"
"""
    return batch_script.submit(options, run, log_path(run), run_id, script)


def _ending(run: RemotePaths) -> str:
    """Name what a prediction leaves in its folder that ends: also one that is killed just then."""
    results = (result_path(run, kind) for kind in KINDS)
    return shlex.join([path.name for path in (exit_code_path(run), *results)])


def _noting(profile: Profile, run: RemotePaths, arguments: list[str]) -> str:
    """Give the command that predicts, and notes how that ended, in the prediction's folder."""
    paths = log_path(run), exit_code_path(run), run.stop_request, kept_path(run)
    names = shlex.join([path.name for path in paths])
    module = shlex.join(["-P", "-m", "training.predict", *arguments])
    return f"sh -c {shlex.quote(_NOTE_ENDING)} sh {names} {python_of(profile)} {module}"


def ask_to_end(run: RemotePaths, run_id: str) -> str:
    """Ask a prediction to end, and to remove what it has half written; its workers end with it."""
    return f"""
touch -- {shlex.quote(str(run.stop_request))} || return
pids=$(grep -lsz '^{RUN_MARK}={check_id(run_id)}$' /proc/[0-9]*/environ | cut -d / -f 3)
[ -z "$pids" ] || kill -TERM $pids 2>/dev/null
true"""


def end_job(run: RemotePaths, run_id: str) -> str:
    """Have Slurm end a prediction's job, asked first and killed where it doesn't, or not begin."""
    return f"""
touch -- {shlex.quote(str(run.stop_request))} || return
scancel --user="$(id -u)" --name={batch_script.job_name(check_id(run_id))}"""


def how_it_ended(run: RemotePaths) -> str:
    """Print the exit code, if there is one, ``stop`` if it was asked to end, ``gone`` if all is."""
    return f"""
[ -d {shlex.quote(str(run.path))} ] || {{ echo {GONE}; return 0; }}
cd -- {shlex.quote(str(run.path))} || return
head -c 9 {exit_code_path(run).name} 2>/dev/null
[ ! -e {run.stop_request.name} ] || echo stop
true"""


def outcome_of(printed: str) -> Outcome:
    """Tell how a prediction ended by what :func:`how_it_ended` printed."""
    said = printed.split()
    if said[:1] == ["0"]:
        return "finished"
    if "stop" in said:
        return "stopped"
    was_killed = said in ([], [GONE]) or (said[0].isdecimal() and int(said[0]) > _SIGNALS)
    return "interrupted" if was_killed else "failed"
