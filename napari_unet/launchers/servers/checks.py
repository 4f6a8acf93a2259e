"""Test of a connection: what the server has, one line each, ok or what to do about it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace

from napari_unet.launchers.launcher import ignore_progress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.needed_packages import needed_packages
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.scripts import LEAST_PYTHON
from napari_unet.launchers.servers.slurm.batch_script import try_options
from napari_unet.launchers.servers.store import Store
from training.devices.cann import CANN_PACKAGES, KERNEL_PACKAGES
from training.devices.check import Check, check_ports
from training.devices.npu_checks import parse_checks
from training.devices.npu_choice import explain_none, most_together
from training.devices.npus import Npu, parse_list, parse_table
from training.errors import UserError

DEEP_SECONDS = 1800
LEAST_FREE_GIB = 5
MOST_CLOCK_SECONDS = 60
# The check that shows that a profile which leaves the choice should train on NPUs alone.
NPUS_SEEN = "train with"
_LEAST_PYTHON = tuple(map(int, LEAST_PYTHON.split(".")))
_LOCAL = re.compile(r"lo$|docker|veth|br-|virbr|cni|flannel|tunl|bonding_masters")
_TITLES = {"mindspore": "MindSpore"}
_INSTALL = {
    "mindspore": "Install MindSpore there, or set the command line that activates its environment.",
    **dict.fromkeys(
        CANN_PACKAGES,
        "Name CANN's set_env.sh in the profile: it puts this package on PYTHONPATH, and what "
        "activates Python must keep it there.",
    ),
}


async def check_server(profile: Profile, *, deep: bool = False) -> list[Check]:
    """Test every server of a profile.

    Parameters
    ----------
    profile : Profile
    deep : bool
        Whether every free NPU computes a little, and several together; it takes minutes.

    Raises
    ------
    UnknownHostKeyError
        If a host key needs a person's decision first.
    """
    checks: list[Check] = []
    facts: dict[str, str] = {}  # by the server's address
    for node in profile.node_profiles():
        server = Server(node)
        try:
            found = await _check_node(server, profile, facts)
            if deep and facts.get(node.host):
                found += await _try_npus(server, profile.devices)
        finally:
            await server.close()
        prefix = f"{node.host}, " if profile.nodes else ""
        checks += [replace(check, name=prefix + check.name) for check in found]
    return [*checks, *compare_nodes(facts)] if profile.nodes else checks


async def _try_npus(server: Server, devices: int) -> list[Check]:
    """Have a server say of itself what its NPUs do; its CPU in their place, if that trains."""
    store = await Store.open(server, ignore_progress)
    workers = devices if server.profile.device == "cpu" else 0
    script = scripts.try_npus(server.profile, await store.put_source(), workers)
    try:
        return parse_checks(await server.run(script, timeout=DEEP_SECONDS))
    except UserError as error:
        return [Check("computing", False, error.problem, error.remedy)]


async def _check_node(server: Server, job: Profile, facts: dict[str, str]) -> list[Check]:
    """Test one server of a job; what it says of itself is added to the facts."""
    from napari_unet.launchers.servers.host_keys import UnknownHostKeyError

    profile = server.profile
    try:
        await server.connect()
    except UnknownHostKeyError:
        raise
    except UserError as error:
        return [Check("connection", False, error.problem, error.remedy)]
    reached = [
        Check("connection", True, f"{profile.host} answers"),
        Check("host key", True, "the accepted one"),
    ]
    try:
        store = await Store.open(server, ignore_progress)
        source = await store.put_source()
        said = await server.run(scripts.inspect(profile, store.folder, source), timeout=300)
    except UserError as error:
        return [*reached, Check("working folder", False, error.problem, error.remedy)]
    facts[profile.host] = said
    if profile.slurm:
        reached.append(await _check_queue(server))
    nodes = 1 + len(job.nodes)
    return [*reached, *judge(profile, said, job.devices // nodes, time.time(), nodes=nodes)]


async def _check_queue(server: Server) -> Check:
    """Whether Slurm would take a job as the profile asks for one; none is submitted."""
    try:
        said = await server.run(try_options(server.profile.job_options()))
    except UserError as error:
        return Check("queue", False, error.problem, "Mend what the profile asks of Slurm.")
    words = said.strip().splitlines()[-1:] or [""]
    return Check("queue", True, f"Slurm takes jobs. {words[0].removeprefix('sbatch: '):.200}")


def judge(profile: Profile, facts: str, devices: int, now: float, *, nodes: int = 1) -> list[Check]:
    """What :func:`scripts.inspect` printed, as checks.

    Parameters
    ----------
    profile : Profile
        The server's.
    facts : str
        What was printed there.
    devices : int
        How many devices a run takes of this server.
    now : float
        This machine's time, in seconds since 1970.
    nodes : int
        How many servers train together.
    """
    found = _sections(facts)
    npus = _list_npus(found)
    can_train = any(npu.can_train for npu in npus)
    uses_npus = profile.device == "ascend" or (profile.device == "auto" and can_train)
    python = _check_python(found)
    packages = needed_packages() if python.is_ok else {}
    checks = [python, *_check_packages(found, packages)]
    checks = [*_check_activation(found, checks), *checks]
    if profile.slurm:
        checks += [Check("devices", True, "those of Slurm's nodes, seen when a run begins")]
    elif uses_npus:
        packages = KERNEL_PACKAGES if python.is_ok else {}
        checks += [_check_cann(found), *_check_packages(found, packages, "CANN's packages")]
        checks += [_check_npus(npus, devices, nodes)]
        if profile.device == "auto":
            checks += [Check(NPUS_SEEN, True, "there are NPUs, so nothing else trains")]
        if nodes > 1:
            checks += [
                _check_interface(found),
                check_ports(found.get("ports", ""), found.get("variables", "")),
                _check_addresses(found),
            ]
    else:
        checks += [Check("devices", True, f"no NPU is used; {devices} workers on the CPU")]
    return [*checks, _check_disk(found), _check_clock(found, now)]


def _sections(facts: str) -> dict[str, str]:
    parts = re.split(r"^@@([\w-]+)$", facts, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _list_npus(found: dict[str, str]) -> list[Npu]:
    ids = [int(id) for id in re.findall(r"^davinci(\d{1,4})$", found.get("npu-files", ""), re.M)]
    return (
        parse_table(found.get("npus", ""))
        or parse_list(found.get("npu-list", ""))
        or [Npu(id, "", False, 0, 0) for id in sorted(ids)]
    )


def _check_python(found: dict[str, str]) -> Check:
    text = found.get("python", found.get("activation", "")).splitlines()[-1:] or ["nothing found"]
    numbers = tuple(int(part) for part in re.findall(r"\d{1,9}", text[0])[:2])
    if re.fullmatch(r"[\d.]+\S*", text[0]) and numbers >= _LEAST_PYTHON:
        return Check("Python", True, text[0])
    remedy = f"Set the profile's command line that activates Python {LEAST_PYTHON} or newer."
    return Check("Python", False, f"{text[0]}.", remedy)


def _check_activation(found: dict[str, str], checks: list[Check]) -> list[Check]:
    """What the activation of Python printed at last, where something is missing then."""
    words = found.get("activation", "").splitlines()
    if not words or all(check.is_ok for check in checks) or "python" not in found:
        return []
    text = f"it says: {words[-1].rstrip('.'):.200}."
    return [Check("activation", False, text, "Mend the command line that activates Python.")]


def _check_packages(
    found: dict[str, str], packages: Mapping[str, str], title: str = "packages"
) -> list[Check]:
    """All that must be imported, and each that can't be on a line of its own."""
    versions, problems = {}, []
    for package, name in packages.items():
        text = (found.get(f"package-{name}", "").splitlines() or ["it does not answer"])[-1]
        if text.startswith("version "):
            versions[package] = text.removeprefix("version ")
            continue
        if f"No module named '{name}'" in text:
            text = "it is missing"
        remedy = _INSTALL.get(
            package, f"Install it in that environment: python -m pip install {package}."
        )
        problems.append(Check(_TITLES.get(package, package), False, f"{text}.", remedy))
    listed = ", ".join(" ".join((name, number)).strip() for name, number in versions.items())
    return [Check(title, True, listed), *problems] if versions else problems


def _check_cann(found: dict[str, str]) -> Check:
    place = found.get("cann", "")
    if place:
        return Check("CANN", True, place)
    remedy = "Name CANN's set_env.sh in the profile, or install CANN."
    return Check("CANN", False, "no set_env.sh in the usual places.", remedy)


def _check_npus(npus: list[Npu], devices: int, nodes: int) -> Check:
    able = [npu for npu in npus if npu.can_train]
    if npus and not able:
        return Check("NPUs", False, explain_none(npus), "Train on its CPU: --device cpu.")
    busy = [str(npu.id) for npu in able if npu.is_busy]
    free = [str(npu.id) for npu in able if not npu.is_busy]
    text = f"{len(npus)} found; free: {', '.join(free) or 'none'}"
    if busy:
        text += f"; busy: {', '.join(busy)}"
    few = most_together(npus)
    if few >= devices:
        return Check("NPUs", True, text)
    remedy = f"Wait until {devices} are free, or train on fewer: --devices {few * nodes}."
    if not free:
        remedy = "Wait until some are free." if npus else "Check the driver: npu-smi info."
    return Check("NPUs", False, f"{text}.", remedy)


def _check_interface(found: dict[str, str]) -> Check:
    """Whether HCCL knows by which of the server's interfaces the others are reached."""
    names = [name for name in found.get("interfaces", "").split() if not _LOCAL.match(name)]
    set_by = re.findall(r"^HCCL_(?:SOCKET_IFNAME|IF_IP)=.*$", found.get("variables", ""), re.M)
    if set_by or len(names) < 2:
        return Check("HCCL's interface", True, ", ".join(set_by or names))
    return Check(
        "HCCL's interface",
        False,
        f"HCCL may choose any of {', '.join(names)}.",
        f"Name the one between the servers: --variable HCCL_SOCKET_IFNAME={names[0]}.",
    )


def _check_addresses(found: dict[str, str]) -> Check:
    addresses = _addresses_of(found)
    if addresses:
        return Check("addresses of NPUs", True, ", ".join(addresses))
    remedy = "Look with hccn_tool -i 0 -ip -g; have them set with hccn_tool -i 0 -ip -s."
    return Check("addresses of NPUs", False, "hccn_tool shows none.", remedy)


def _addresses_of(found: dict[str, str]) -> list[str]:
    return re.findall(r"^ipaddr: *([\d.]{7,15})$", found.get("addresses", ""), re.M)


def compare_nodes(facts: Mapping[str, str]) -> list[Check]:
    """What must differ between the servers of a job, by what each said of itself."""
    found = {host: _sections(text) for host, text in facts.items()}
    checks = []
    for title, values, remedy in (
        (
            "host names",
            [sections.get("hostname", "") for sections in found.values()],
            "Give each server a name of its own (hostnamectl): MindSpore counts devices by it.",
        ),
        (
            "addresses of NPUs",
            [address for sections in found.values() for address in _addresses_of(sections)],
            "Give every NPU an address of its own: hccn_tool -i 0 -ip -s.",
        ),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            text = f"{', '.join(twice)} is there more than once."
            checks.append(Check(f"all servers, {title}", False, text, remedy))
        elif values:
            checks.append(Check(f"all servers, {title}", True, "each is there once"))
    return checks


def _check_disk(found: dict[str, str]) -> Check:
    fields = found.get("disk", "").split()
    free = _number(fields[3]) / 2**20 if len(fields) > 3 else 0
    text = f"{free:.1f} GiB free"
    if free >= LEAST_FREE_GIB:
        return Check("disk", True, text)
    return Check("disk", False, f"{text}.", "Free some space, or choose another working folder.")


def _check_clock(found: dict[str, str], now: float) -> Check:
    seconds = abs(_number(found.get("clock", "")) - now)
    if seconds <= MOST_CLOCK_SECONDS:
        return Check("clock", True, "agrees with this machine's")
    text = f"differs by {seconds:.0f} s from this machine's."
    return Check("clock", False, text, "Set both by NTP; times of runs are the server's.")


def _number(text: str) -> int:
    """What a server printed as a number; 0 if it is not one."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else 0
