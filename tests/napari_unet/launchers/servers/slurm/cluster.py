"""A real Slurm on this machine: a controller and two nodes of two processors, with their munge."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.napari_unet.launchers.servers.loopback.namespaces import OWN_ADDRESS, SUBNET
from tests.napari_unet.launchers.servers.loopback.sshd import free_port

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
PARTITION = "npu"
PATIENCE = 60.0


def missing() -> str:
    """Why there can be no Slurm here; empty if there can."""
    paths = f"{os.environ.get('PATH', '')}:/usr/sbin"
    absent = [name for name in DAEMONS if shutil.which(name, path=paths) is None]
    if absent:
        return f"{', '.join(absent)} is not installed: apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "Slurm's daemons need root"


class Cluster:
    """Starts and ends the daemons, and speaks to them as an administrator does.

    Parameters
    ----------
    folder : Path
    namespaces : sequence of str
        The nodes' networks, if they are not to be this machine's, too.
    """

    def __init__(self, folder: Path, namespaces: Sequence[str] = ()) -> None:
        self.folder = folder
        self._namespaces = namespaces
        self.configuration = folder / "slurm.conf"
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for name in ("state", "log", "spool-n1", "spool-n2"):
            (folder / name).mkdir()
        host = platform.node().partition(".")[0]
        ports = [free_port() for _ in range(3)]
        own = OWN_ADDRESS if namespaces else "127.0.0.1"
        others = [f"{SUBNET}.1", f"{SUBNET}.2"] if namespaces else [own, own]
        self.configuration.write_text(
            f"ClusterName=test\nSlurmctldHost={host}({own})\nSlurmctldPort={ports[0]}\n"
            f"AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket\nCredType=cred/munge\n"
            f"SlurmUser=root\nSlurmdUser=root\nStateSaveLocation={folder}/state\n"
            f"SlurmdSpoolDir={folder}/spool-%n\nSlurmctldPidFile={folder}/controller.pid\n"
            f"SlurmdPidFile={folder}/%n.pid\nSlurmctldLogFile={folder}/log/controller\n"
            f"SlurmdLogFile={folder}/log/%n\nProctrackType=proctrack/linuxproc\n"
            "TaskPlugin=task/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n"
            "ReturnToService=2\nMpiDefault=none\nJobAcctGatherType=jobacct_gather/none\n"
            "KillWait=5\nMinJobAge=300\nSchedulerParameters=sched_interval=1\n"
            + "".join(
                f"NodeName=n{number} NodeHostname={host} NodeAddr={address} Port={port} "
                "CPUs=2 State=UNKNOWN\n"
                for number, (address, port) in enumerate(zip(others, ports[1:], strict=True), 1)
            )
            + f"PartitionName={PARTITION} Nodes=n[1-2] Default=YES MaxTime=60 State=UP\n"
        )

    def start(self) -> None:
        files = [f"--{what}-file={self.folder}/munge.{what}" for what in ("key", "pid", "seed")]
        socket = self.folder / "munge.socket"
        self._spawn("munged", "--foreground", "--force", f"--socket={socket}", *files)
        self._wait(socket.exists)
        self._spawn("slurmctld", "-D", "-f", str(self.configuration))
        for number, node in enumerate(("n1", "n2")):
            # Not ip netns exec, which hides the cgroups that slurmd looks for.
            namespaces = [f"--net=/run/netns/{name}" for name in self._namespaces]
            network = ["nsenter", namespaces[number]] if namespaces else []
            arguments = ["-D", "-f", str(self.configuration), "-N", node]
            self._spawn("slurmd", *arguments, network=network)
        self._wait(lambda: self.ask("sinfo", "-h", "-o", "%T").split() == ["idle"])

    def stop(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.ask("scancel", "--signal=KILL", "--user=root")
            self._wait(lambda: not self.ask("squeue", "-h"))
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(timeout=PATIENCE)

    def ask(self, *command: str) -> str:
        """Run one of Slurm's commands, and return what it printed."""
        environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout.strip()

    def open_partition(self, is_open: bool) -> None:
        """Let jobs begin, or keep them waiting."""
        state = "UP" if is_open else "DOWN"
        self.ask("scontrol", "update", f"PartitionName={PARTITION}", f"State={state}")

    def _spawn(self, name: str, *arguments: str, network: Sequence[str] = ()) -> None:
        program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None
        command = [*network, program, *arguments]
        with (self.folder / "log" / f"{name}-{len(self._processes)}").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            logs = (self.folder / "log").iterdir()
            told = "\n".join(path.read_text(errors="replace")[-500:] for path in logs)
            assert all(process.poll() is None for process in self._processes), told
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
