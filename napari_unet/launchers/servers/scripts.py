"""The bash scripts that run on a server. Every name in them is quoted."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from posixpath import basename, dirname, join

from napari_unet.launchers.servers.needed_packages import needed_packages
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.record import RUN_ID
from napari_unet.launchers.servers.slurm.batch_script import batch_script
from napari_unet.launchers.servers.slurm.batch_script import submit as submit_job
from napari_unet.launchers.servers.working_folder import WorkingFolder
from training.devices.cann import CANN_PLACES, KERNEL_PACKAGES
from training.devices.failures import SEARCHED_LINES
from training.devices.node_link import LAUNCH_KEY
from training.devices.npus import SMI_PLACES
from training.devices.run_processes import RUN_MARK
from training.errors import UserError
from training.runs.run_paths import RunPaths

RemotePaths = RunPaths[PurePosixPath]
LEAST_PYTHON = "3.11"
_KILL_ROUNDS = 50
# Without these nothing outlives the connection, or is found again and ended.
CAN_DETACH = """
for tool in setsid nohup grep cut; do
  command -v "$tool" >/dev/null || { echo "There is no $tool on the PATH" >&2; return 1; }
done
[ -r /proc/self/environ ] || { echo "There is no /proc to find processes in" >&2; return 1; }
"""
# Prints a section for each package: its version in the last line, or why it can't be imported.
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    print(f"@@package-{name}", flush=True)
    try:
        version = getattr(importlib.import_module(name), "__version__", "")
        print(f"version {version}", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
"""
_ASCEND_FOLDERS = ("/usr/local/Ascend", "$HOME/Ascend")


def activation(profile: Profile, source: str) -> str:
    """Set ``$python`` to the server's Python, with CANN and the training source to be found.

    CANN's packages stay on PYTHONPATH, where its ``set_env.sh`` puts hccl and te.

    Parameters
    ----------
    profile : Profile
        Says which command line activates Python, and where CANN is.
    source : str
        Folder of the uploaded source. Its own tifffile is used where Python has none.
    """
    places, of_python = [shlex.quote(profile.cann)] if profile.cann else [], []
    if profile.device != "cpu" and not places:
        places = [f'"{folder}"/{place}' for folder in _ASCEND_FOLDERS for place in CANN_PLACES]
        of_python = [f'"${{CONDA_PREFIX:-}}"/Ascend/{place}' for place in CANN_PLACES]
    without_tifffile = shlex.quote(f"{source}/without-tifffile")
    python = python_of(profile)
    return f"""
cann=
{_source_first(places)}
{profile.activate}
{_source_first(of_python)}
python=$({profile.prefix} sh -c 'command -v python || command -v python3') ||
  {{ echo {shlex.quote(_no_python(profile))} >&2; return 1; }}
PYTHONPATH={shlex.quote(source)}${{PYTHONPATH:+:$PYTHONPATH}}
found=0
{python} -P -c 'import importlib.util as u, sys; sys.exit(0 if u.find_spec("tifffile") else 9)' ||
  found=$?
case $found in
  0) ;;
  9) PYTHONPATH=$PYTHONPATH:{without_tifffile} ;;
  *) echo "$({python} --version 2>&1) is older than {LEAST_PYTHON}, or can't be run" >&2
     return 1 ;;
esac
export PYTHONPATH
{_exports(profile)}"""


def _no_python(profile: Profile) -> str:
    where = f" of what is run by {profile.prefix}" if profile.prefix else ""
    return f"There is no python on the PATH{where}"


def python_of(profile: Profile) -> str:
    """How a script calls the server's Python, after its activation: in a container, perhaps."""
    return f'{profile.prefix} "$python"'.strip()


def _exports(profile: Profile) -> str:
    """Set the variables of a profile."""
    return "\n".join(f"export {shlex.quote(variable)}" for variable in profile.variables)


def _source_first(places: list[str]) -> str:
    """Source the first of some scripts that is there, unless CANN was found before."""
    if not places:
        return ""
    return f"""
for place in {" ".join(places)}; do
  if [ -z "$cann" ] && [ -r "$place" ]; then cann=$place; . "$place" >/dev/null; fi
done"""


def start(
    profile: Profile, source: str, run: RemotePaths, run_id: str, key: str, arguments: list[str]
) -> str:
    """Start a run's launcher in a session of its own, which outlives the connection.

    The key is a secret that the nodes of this launch share.
    """
    command = shlex.join(["-P", "-m", "training.launch_8p", "--run_dir", str(run.path), *arguments])
    return f"""
{activation(profile, source)}
{CAN_DETACH}
cd -- {_quote(run.path)} && : >>{run.log.name} || return
export {RUN_MARK}={check_id(run_id)} {LAUNCH_KEY}={shlex.quote(key)}
setsid nohup {python_of(profile)} {command} >>{run.log.name} 2>&1 &
"""


def submit(
    profile: Profile, source: str, run: RemotePaths, run_id: str, key: str, arguments: list[str]
) -> str:
    """Submit a run's launcher as a job of Slurm; the arguments are as for :func:`start`."""
    variables = [f"{RUN_MARK}={check_id(run_id)}", f"{LAUNCH_KEY}={key}"]
    options, activate = profile.job_options(), activation(profile, source)
    python = python_of(profile)
    script = batch_script(options, run, activate, variables, python, arguments)
    return submit_job(options, run, run.log, run_id, script)


def free_port(profile: Profile, source: str, address: str) -> str:
    """Print the first of two ports that are free on a server at one of its addresses."""
    return f"""
{activation(profile, source)}
{python_of(profile)} -P -m training.devices.free_ports {shlex.quote(address)}"""


def file_states(paths: Iterable[str]) -> str:
    """Print of each file what :class:`FileState` has: device, inode, size, time of change."""
    return f"stat -L -c '%d %i %s %.9Z' -- {' '.join(map(shlex.quote, paths))} 2>/dev/null || true"


def are_running(run_id: str) -> str:
    """Print how many processes the run has on the server now."""
    return f"{_find(run_id)}\nfind_processes | wc -l"


def kill(run_id: str) -> str:
    """Kill every process of the run, look again until all have ended, and print what is left."""
    return f"""
{_find(run_id)}
round=0
while [ $round -lt {_KILL_ROUNDS} ]; do
  pids=$(find_processes)
  [ -z "$pids" ] && break
  kill -KILL $pids 2>/dev/null
  sleep 0.1
  round=$((round + 1))
done
find_processes | wc -l"""


def why_it_ended(run: RemotePaths) -> str:
    """Print what may show why a run ended without reporting why: boot, free disk, last lines.

    The server's time comes first: its events have it, whatever this machine's clock says.
    """
    return f"""
cd -- {_quote(run.path)} || return
echo "time $(date +%s)"
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
echo "started-at $(sed -n 's/.*"boot_id": "\\([^"]*\\)".*/\\1/p' {run.launch.name} 2>/dev/null)"
echo "free $(df -P -k . | tail -n 1 | awk '{{print $4}}')"
tail -n {SEARCHED_LINES} {run.log.name} 2>/dev/null
true"""


def append_line(path: PurePosixPath, line: str) -> str:
    """Append a line to a file, after ending a line that a killed process left unfinished."""
    quoted = _quote(path)
    return f"""
[ -s {quoted} ] && [ -n "$(tail -c 1 -- {quoted})" ] && echo >> {quoted}
printf '%s\\n' {shlex.quote(line)} >> {quoted}"""


def inspect(profile: Profile, folder: WorkingFolder, source: str) -> str:
    """Print a server's facts in sections that begin with ``@@<name>``.

    Packages are imported with the activation that a run has, those of CANN as well.
    """
    smi = " ".join(f'"{place}"' for place in ("npu-smi", *SMI_PLACES))
    packages = shlex.join([*needed_packages().values(), *KERNEL_PACKAGES.values()])
    return f"""
echo @@clock; date +%s
echo @@disk; df -P -k -- {_quote(folder.path)} | tail -n 1
echo @@hostname; hostname
echo @@ports; cat /proc/sys/net/ipv4/ip_local_reserved_ports 2>/dev/null
smi=
for place in {smi}; do
  if command -v "$place" >/dev/null; then smi=$place; break; fi
done
echo @@interfaces; ls /sys/class/net 2>/dev/null
echo @@addresses
for file in /dev/davinci[0-9]*; do
  PATH=$PATH:/usr/local/Ascend/driver/tools hccn_tool -i "${{file#/dev/davinci}}" -ip -g 2>/dev/null
done
echo @@npus; [ -n "$smi" ] && timeout 30 "$smi" info 2>/dev/null
echo @@npu-list; [ -n "$smi" ] && timeout 30 "$smi" info -l 2>/dev/null
echo @@npu-files; ls /dev 2>/dev/null | grep '^davinci[0-9][0-9]*$'
echo @@activation
(
{activation(profile, source)}
echo @@cann; echo "$cann"
echo @@variables; env | grep '^HCCL_'
echo @@python; {python_of(profile)} -c 'import platform; print(platform.python_version())'
echo @@packages
timeout 180 {python_of(profile)} -P -c {shlex.quote(_IMPORT)} {packages}
) 2>&1
true"""


def try_npus(profile: Profile, source: str, workers: int) -> str:
    """Have the server's NPUs compute a little, or workers on its CPU; print what came out."""
    return f"""
{activation(profile, source)}
{python_of(profile)} -P -m training.devices.npu_checks --workers {workers} 2>&1
true"""


def _quote(path: PurePosixPath) -> str:
    return shlex.quote(str(path))


def check_id(run_id: object) -> str:
    """Return a run's id, which comes from a file, if it is an id and nothing more.

    Raises
    ------
    UserError
        If it is not.
    """
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise UserError("The run's record is damaged: its id is not one.", "Fetch the run again.")
    return run_id


def _find(run_id: str) -> str:
    return f"""
find_processes() {{
  grep -Elsz '^{RUN_MARK}={check_id(run_id)}(-|$)' /proc/[0-9]*/environ | cut -d / -f 3
}}"""


def unpack(archive: str, folder: str) -> str:
    """Unpack a ``.tar.gz`` so that its folder is there whole or not at all.

    A damaged one in its place is set aside, and swept later: a training may be reading it.
    """
    target, packed = shlex.quote(folder), shlex.quote(archive)
    hidden = shlex.quote(join(dirname(folder), f".{basename(folder)}"))
    return f"""
temporary=$(mktemp -d {hidden}.XXXXXX) || return
tar -xzf {packed} -C "$temporary" && chmod 755 "$temporary" || return
if [ -e {target} ]; then
  damaged=$(mktemp -d {hidden}.XXXXXX) && mv -T -- {target} "$damaged" &&
    touch -- "$damaged" || return
fi
mv -T -- "$temporary" {target} 2>/dev/null || rm -rf -- "$temporary"
rm -f -- {packed}
[ -d {target} ]"""


def sweep(folder: WorkingFolder) -> str:
    """Remove what interrupted uploads left in a working folder more than a day ago."""
    return f"""
cd -- {_quote(folder.path)} || return
find {folder.store.name} {folder.source.name} -mindepth 1 -maxdepth 1 -name '.*' -mtime +0 \
  -exec rm -rf -- {{}} +
find {folder.runs.name} -mindepth 3 -maxdepth 3 -path '*/checkpoints/.*' -type f -mtime +0 -delete
true"""


def request_stop(run: RemotePaths) -> str:
    """Ask a run to end after its current step."""
    return f"touch -- {_quote(run.stop_request)}"


def withdraw_stop_request(run: RemotePaths) -> str:
    """Forget that a run was asked to end, before it is started again."""
    return f"rm -f -- {_quote(run.stop_request)}"


def remove(path: str) -> str:
    """Remove a file, if it is there."""
    return f"rm -f -- {shlex.quote(path)}"
