"""The bash scripts that submit a run's job, find it and end it. Every name in them is quoted.

A job is found by its name, which has the run's id in it: also from another machine, and after
Slurm has queued it again.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from napari_unet.launchers.servers.slurm.options import LIMIT_SIGNAL, JobOptions
from training.runs.run_paths import RunPaths

RemotePaths = RunPaths[PurePosixPath]
_JOB_FORMAT = "%j|%i|%T|%r|%N"
_CANCEL_ROUNDS = 60  # of half a second
_ASKED = "a person asked for it"  # what a stop request says that is not the time limit's


def job_name(run_id: str) -> str:
    """Name the job of a run."""
    return f"napari-unet-{run_id}"


def submit(
    options: JobOptions, run: RemotePaths, log: PurePosixPath, run_id: str, script: str
) -> str:
    """Submit a batch script, whose output goes on in the run's log."""
    arguments = [
        *("--parsable", "--open-mode=append"),
        f"--job-name={job_name(run_id)}",
        f"--chdir={run.path}",
        # Slurm takes a % for the job's number, and so on.
        f"--output={str(log).replace('%', '%%')}",
        *options.arguments(),
    ]
    return f"printf %s {shlex.quote(script)} | sbatch {shlex.join(arguments)} >/dev/null"


def try_options(options: JobOptions) -> str:
    """Ask Slurm whether it would take such a job, and print what it says; nothing is submitted."""
    arguments = shlex.join(["--test-only", *options.arguments()])
    return f"""
command -v sbatch squeue scancel >/dev/null ||
  {{ echo "Slurm's sbatch is not on the PATH"; return 1; }}
printf '#!/bin/bash\\ntrue\\n' | sbatch {arguments} 2>&1"""


def batch_script(
    options: JobOptions,
    run: RemotePaths,
    activation: str,
    variables: Sequence[str],
    python: str,
    arguments: Sequence[str],
) -> str:
    """Give the script that a job runs: the launcher, which is asked to stop at the time limit.

    Where the job may be queued again, and the training has saved, it goes on in the next one,
    unless a person has asked for a stop.

    Parameters
    ----------
    options : JobOptions
    run : RunPaths
        Its folder there, which the nodes share.
    activation : str
        Lines that set ``$python``; they ``return`` where it can't be found.
    variables : sequence of str
        Of the environment of all processes, each NAME=VALUE.
    python : str
        How ``$python`` is called.
    arguments : sequence of str
        Of ``training.launch_8p``.
    """
    stop, events = shlex.quote(run.stop_request.name), shlex.quote(run.events.name)
    exports = "\n".join(f"export {shlex.quote(variable)}" for variable in variables)
    return f"""#!/bin/bash -l
cd -- {shlex.quote(str(run.path))} || exit
is_asked() {{ [ "$(cat {stop} 2>/dev/null)" = "{_ASKED}" ]; }}
is_asked && exit
rm -f -- {stop}
signalled= limited=
trap 'signalled=1; [ -e {stop} ] || {{ limited=1; : > {stop}; }}' {LIMIT_SIGNAL}
activate() {{
{activation}
}}
activate || exit
{exports}
{_launch(options, python, ["--run_dir", str(run.path), *arguments])} &
child=$!
while wait $child; code=$?; [ -n "$signalled" ]; do signalled=; done
if {str(options.requeue).lower()} && [ -n "$limited" ] && ! is_asked &&
  tail -n 1 {events} | grep -q '"kind": "stopped"'
then scontrol requeue "$SLURM_JOB_ID"; fi
exit $code
"""


def _launch(options: JobOptions, python: str, arguments: Sequence[str]) -> str:
    """Start the launcher: once, or by srun on each node, with a port that is free on the first."""
    module = f"{python} -P -m training"
    if options.nodes == 1:
        return f"{module}.launch_8p {shlex.join(arguments)}"
    node = shlex.quote(
        f'exec {module}.launch_8p --node_rank="$SLURM_NODEID" --nodes={options.nodes} '
        '--master_addr="$address" --master_port="$port" "$@"'
    )
    return f"""
address=$(scontrol -o show node "$SLURMD_NODENAME" | sed 's/.* NodeAddr=\\([^ ]*\\) .*/\\1/')
port=$({module}.devices.free_ports "$address") || exit
export python address port
srun bash -c {node} bash {shlex.join(arguments)}"""


def list_jobs(run_id: str = "") -> str:
    """Print a line for each job of a run that Slurm still knows, or of all."""
    name = f"--name={job_name(run_id)} " if run_id else ""
    return f"""
squeue --noheader --user="$(id -u)" --states=all {name}--format='{_JOB_FORMAT}'"""


def request_stop(run: RemotePaths, run_id: str) -> str:
    """Ask a run to end after its current step, and take its job off the queue if it waits there."""
    return f"""
echo "{_ASKED}" > {shlex.quote(str(run.stop_request))} || return
scancel --user="$(id -u)" --state=PENDING --name={job_name(run_id)}"""


def cancel(run_id: str) -> str:
    """End a run's job at once, wait for it, and print how many are left."""
    name = f'--user="$(id -u)" --name={job_name(run_id)}'
    return f"""
round=0
while [ $round -lt {_CANCEL_ROUNDS} ]; do
  left=$(squeue --noheader {name} --format=%i) || return
  [ -z "$left" ] && break
  [ $((round % 10)) -eq 0 ] && scancel --signal=KILL {name}
  sleep 0.5
  round=$((round + 1))
done
printf %s "$left" | grep -c . || true"""
