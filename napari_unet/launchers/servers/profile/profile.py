"""How to reach a server and how to train there, as a person says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from napari_unet.launchers.document import Document
from napari_unet.launchers.servers.slurm.options import JobOptions
from training.errors import UserError

MOST_DEVICES = 4096
# Both reach the shell of a ProxyCommand in ~/.ssh/config. Hosts may have letters of any alphabet.
_HOST = re.compile(r"(?!-)[\w.:%-]+")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=[^\0\n]*", re.ASCII)
_USER = re.compile(r"(?!-)[\w.:%-]*", re.ASCII)


@dataclass(frozen=True)
class Hint:
    """What a person who fills a field in sees there.

    Parameters
    ----------
    text : str
        What is used where nothing is given, or an example of what must be.
    is_path : bool
        Whether it names a file of this machine.
    page : str
        Of the window's form.
    """

    text: str = ""
    is_path: bool = False
    page: str = "Server"


class Profile(Document):
    """How to reach a server and how to train there. Passwords are asked for, and never stored.

    Title, description, hint and limits of each field make an option of the command line and a
    field of the window's form.

    Raises
    ------
    UserError
        If a value has the wrong type, or can't be used.
    """

    name: Annotated[str, Hint("lab")] = Field(title="Name", description="What you call the server.")
    host: Annotated[str, Hint("ascend.example.org")] = Field(
        title="Address", description="A host name, an IP address, or a Host of ~/.ssh/config."
    )
    port: Annotated[int, Hint("as in ~/.ssh/config, or 22")] = Field(
        default=0, title="Port", description="SSH's port there.", ge=0, le=65535
    )
    user: Annotated[str, Hint("as in ~/.ssh/config, or yours here")] = Field(
        default="", title="User", description="Your account there."
    )
    key: Annotated[str, Hint("the agent's, and those in ~/.ssh", is_path=True)] = Field(
        default="", title="Key file", description="Private key. No password is kept."
    )
    folder: Annotated[str, Hint("napari-unet")] = Field(
        default="napari-unet",
        title="Working folder",
        description="Runs and data are kept in this folder there; relative to the home folder "
        "unless it begins with /.",
    )
    activate: Annotated[str, Hint("the login's own Python", page="Training")] = Field(
        default="",
        title="Activate Python",
        description="Command line there that makes python the one with MindSpore, such as "
        "source ~/venv/bin/activate.",
    )
    prefix: Annotated[str, Hint("none", page="Training")] = Field(
        default="",
        title="Before python",
        description="Command there that python is run by, such as apptainer exec image.sif.",
    )
    cann: Annotated[str, Hint("found in the usual places", page="Training")] = Field(
        default="", title="CANN's set_env.sh", description="Its path there."
    )
    device: Annotated[Literal["auto", "ascend", "cpu"], Hint(page="Training")] = Field(
        default="auto", title="Train with", description="auto: NPUs if there are any."
    )
    devices: Annotated[int, Hint(page="Training")] = Field(
        default=8,
        title="Devices",
        description="How many a training takes, over all servers of the job.",
        ge=1,
        le=MOST_DEVICES,
    )
    nodes: Annotated[tuple[str, ...], Hint("none", page="Training")] = Field(
        default=(),
        title="Further servers",
        description="Addresses of further servers: one training runs on all of them.",
        strict=False,  # JSON has lists
    )
    master_addr: Annotated[str, Hint("for further servers only", page="Training")] = Field(
        default="",
        title="Address of first node",
        description="Address of the first server, as the further ones see it.",
    )
    variables: Annotated[tuple[str, ...], Hint("none", page="Training")] = Field(
        default=(),
        title="Environment variables",
        description="For the training there, such as HCCL_SOCKET_IFNAME=eth0.",
        strict=False,
    )
    slurm: Annotated[bool, Hint("no", page="Queue")] = Field(
        default=False,
        title="Slurm",
        description="Submit to Slurm's queue; the server is its login node.",
    )
    partition: Annotated[str, Hint("the queue's default", page="Queue")] = Field(
        default="", title="Partition", description="Slurm's partition."
    )
    account: Annotated[str, Hint("yours", page="Queue")] = Field(
        default="", title="Account", description="Slurm's account that pays."
    )
    qos: Annotated[str, Hint("the account's", page="Queue")] = Field(
        default="", title="QOS", description="Slurm's quality of service."
    )
    gres: Annotated[str, Hint("none", page="Queue")] = Field(
        default="", title="Resources", description="Slurm's gres, on each node, such as npu:8."
    )
    time: Annotated[str, Hint("the partition's", page="Queue")] = Field(
        default="",
        title="Time limit",
        description="Of a job, such as 12:00:00; the training saves and stops before it is over.",
    )
    requeue: Annotated[bool, Hint("no", page="Queue")] = Field(
        default=False,
        title="Go on in another job",
        description="After the time limit, or when a node is lost, queue the run again.",
    )
    job_nodes: Annotated[int, Hint(page="Queue")] = Field(
        default=1,
        title="Nodes",
        description="How many of Slurm's nodes share the devices of a training.",
        ge=1,
        le=MOST_DEVICES,
    )
    sbatch: Annotated[tuple[str, ...], Hint("none", page="Queue")] = Field(
        default=(),
        title="#SBATCH lines",
        description="Further options of the job, such as --mem=64G.",
        strict=False,
    )

    @field_validator("variables")
    @classmethod
    def _join_values(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Put the values together that a form has divided at their commas: ``A=0,1``."""
        whole: list[str] = []
        for part in parts:
            if whole and "=" not in part:
                whole[-1] += f",{part}"
            else:
                whole.append(part)
        return tuple(whole)

    @field_validator("sbatch")
    @classmethod
    def _join_lines(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Put the options together that a form has divided at their commas: ``--nodelist=a,b``."""
        whole: list[str] = []
        for part in parts:
            if whole and not part.startswith(("-", "#")):
                whole[-1] += f",{part}"
            else:
                whole.append(part)
        return tuple(whole)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.name.strip() or not self.name.isprintable():
            name = f"{self.name!r:.99}"
            raise UserError(f"A server can't be called {name}.", "Choose a readable name.")
        for host in (self.host, *self.nodes, *filter(None, [self.master_addr])):
            if not _HOST.fullmatch(host):
                raise UserError(
                    f"{host!r:.99} is not the address of a server.",
                    "Give a host name, an IP address or a Host of ~/.ssh/config.",
                )
        if not _USER.fullmatch(self.user):
            raise UserError(
                f"{self.user!r:.99} is not the name of an account.",
                "Give the name of your account on the server, or none.",
            )
        for variable in self.variables:
            if not _VARIABLE.fullmatch(variable):
                raise UserError(
                    f"{variable!r:.99} is not an environment variable.",
                    "Give NAME=VALUE, such as HCCL_SOCKET_IFNAME=eth0.",
                )
        self._check_queue()
        self.divisible(self.devices)
        if not self.folder or "\0" in self.folder:
            raise UserError("The working folder has no name.", "Give a folder on the server.")
        if self.nodes and not self.master_addr:
            raise UserError(
                "A job on several servers needs the first one's address, as the others see it.",
                "Give it as master_addr.",
            )
        return self

    def _check_queue(self) -> None:
        self.job_options()
        names = ("partition", "account", "qos", "gres", "time", "requeue", "job_nodes", "sbatch")
        declared = type(self).model_fields
        given = [name for name in names if getattr(self, name) != declared[name].default]
        if given and not self.slurm:
            raise UserError(
                f"{declared[given[0]].title} is for a queue, and this server is used without one.",
                "Choose Slurm too: --slurm.",
            )
        if self.slurm and self.nodes:
            raise UserError(
                "Slurm chooses its nodes itself, so none can be named as further servers.",
                "Say how many: --job-nodes.",
            )

    def job_options(self) -> JobOptions:
        """Give what is asked of Slurm for a training."""
        return JobOptions(
            partition=self.partition,
            account=self.account,
            qos=self.qos,
            gres=self.gres,
            time=self.time,
            nodes=self.job_nodes,
            requeue=self.requeue,
            lines=self.sbatch,
        )

    @property
    def node_count(self) -> int:
        """How many machines share the devices of a training."""
        return self.job_nodes * len(self._hosts())

    def node_profiles(self) -> list[Profile]:
        """A profile for each server of the job, the first one's first."""
        return [self.replace(host=host, nodes=(), master_addr="") for host in self._hosts()]

    def divisible(self, devices: int) -> int:
        """Give back a number of devices.

        Raises
        ------
        UserError
            If the servers can't take as many each.
        """
        count = self.node_count
        if devices < 1 or devices % count:
            raise UserError(
                f"{devices} devices can't be divided among {count} servers.",
                "Give a multiple of the number of servers.",
            )
        return devices

    @property
    def address(self) -> tuple[str, int, str]:
        """What must agree for the first server, and the account there, to be the same."""
        return self.host, self.port, self.user

    @property
    def place(self) -> str:
        """The address as ssh would write it."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}" + (f":{self.port}" if self.port else "")

    def _hosts(self) -> tuple[str, ...]:
        return (self.host, *self.nodes)
