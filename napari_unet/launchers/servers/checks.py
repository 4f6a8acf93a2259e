"""Test of a connection: what the server has, one line each, ok or what to do about it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from napari_unet.launchers.launcher import ignore_progress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.needed_packages import (
    CANN_PACKAGES,
    KERNEL_PACKAGES,
    needed_packages,
)
from napari_unet.launchers.servers.profiles import Profile
from napari_unet.launchers.servers.store import Store
from training.devices.npu_choice import explain_none, most_together
from training.devices.npus import Npu, parse_list, parse_table
from training.errors import UserError

LEAST_PYTHON = (3, 11)
LEAST_FREE_GIB = 5
MOST_CLOCK_SECONDS = 60
_TITLES = {"mindspore": "MindSpore"}
_INSTALL = {
    "mindspore": "Install MindSpore there, or set the command line that activates its environment.",
    **dict.fromkeys(
        CANN_PACKAGES,
        "Name CANN's set_env.sh in the profile: it puts this package on PYTHONPATH, and what "
        "activates Python must keep it there.",
    ),
}


@dataclass(frozen=True)
class Check:
    """One line of the test.

    Parameters
    ----------
    name : str
        What was looked at.
    is_ok : bool
        Whether training works with it.
    text : str
        What was found.
    remedy : str
        What to do; empty if it's ok.
    """

    name: str
    is_ok: bool
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = "ok     " if self.is_ok else "PROBLEM"
        return f"{mark}  {self.name}: {self.text} {self.remedy}".rstrip()


async def check_server(profile: Profile) -> list[Check]:
    """Test every server of a profile.

    Raises
    ------
    UnknownHostKeyError
        If a host key needs a person's decision first.
    """
    checks = []
    for node in profile.node_profiles():
        server = Server(node)
        try:
            found = await _check_node(server, profile.devices // (1 + len(profile.nodes)))
        finally:
            await server.close()
        prefix = f"{node.host}, " if profile.nodes else ""
        checks += [replace(check, name=prefix + check.name) for check in found]
    return checks


async def _check_node(server: Server, devices: int) -> list[Check]:
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
        facts = await server.run(scripts.inspect(profile, store.folder, source), timeout=300)
    except UserError as error:
        return [*reached, Check("working folder", False, error.problem, error.remedy)]
    return [*reached, *judge(profile, facts, devices, time.time())]


def judge(profile: Profile, facts: str, devices: int, now: float) -> list[Check]:
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
    """
    found = _sections(facts)
    npus = _list_npus(found)
    can_train = any(npu.can_train for npu in npus)
    uses_npus = profile.device == "ascend" or (profile.device == "auto" and can_train)
    checks = [_check_python(found), *_check_packages(found, needed_packages())]
    if uses_npus:
        checks += [_check_cann(found), *_check_packages(found, KERNEL_PACKAGES, "CANN's packages")]
        checks += [_check_npus(npus, devices)]
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
    if re.fullmatch(r"[\d.]+\S*", text[0]) and numbers >= LEAST_PYTHON:
        return Check("Python", True, text[0])
    least = ".".join(map(str, LEAST_PYTHON))
    remedy = f"Set the profile's command line that activates Python {least} or newer."
    return Check("Python", False, f"{text[0]}.", remedy)


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


def _check_npus(npus: list[Npu], devices: int) -> Check:
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
    remedy = f"Wait until {devices} are free, or train on fewer: --devices {few}."
    if not free:
        remedy = "Wait until some are free." if npus else "Check the driver: npu-smi info."
    return Check("NPUs", False, f"{text}.", remedy)


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
