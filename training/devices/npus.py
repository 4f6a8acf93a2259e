"""Ascend NPUs and CANN of this machine, found without MindSpore or CANN's libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import UserError

# Not on every account's PATH.
SMI_PLACES = ("/usr/local/sbin/npu-smi", "/usr/local/bin/npu-smi")
# CANN 8.5 and newer, then older ones; each also below the user's own Ascend folder.
CANN_PLACES = ("cann/set_env.sh", "ascend-toolkit/set_env.sh")
SMI_SECONDS = 30
# An idle 910B holds about 5 % of its memory, an idle 910A up to 10 %.
IDLE_MEMORY = 0.15
MOST_CHIPS = 64  # of a card; they have one or two
_DEVICE = re.compile(r"\|\s*(?P<id>\d{1,9})\s+(?P<name>[^|]{0,99}?\S)\s*\|\s*[A-Za-z]+\s*\|")
_CHIP = re.compile(
    r"\|\s*(?P<chip>\d{1,9})(\s+(?P<physical>\d{1,9}))?\s*\|\s*([\da-fA-F]+:)?[\da-fA-F]+:\w+\.\w+\s*"
    r"\|\s*(?P<load>\d+|-)?(?P<memories>[^|]*)\|"
)
_PROCESS = re.compile(r"\|\s*(?P<id>\d+)\s+(?P<chip>\d+)\s*\|\s*\d+\s*\|")
_MEMORY = re.compile(r"(?<!\d)(\d{1,12})\s*/\s*(\d{1,12})(?!\d)")
_LISTED = re.compile(r"NPU ID\s*:\s*(\d{1,9})|Product Name\s*:\s*(.+)|Chip Count\s*:\s*(\d{1,9})")


@dataclass(frozen=True)
class Npu:
    """One NPU. Its place in :func:`find_npus`' list is the number that MindSpore gives it.

    Parameters
    ----------
    id : int
        The number that ``npu-smi`` shows; it need not start at 0.
    name : str
        Model, such as ``910B3``; empty where unknown.
    is_busy : bool
        Whether a process uses it; False where unknown.
    memory_used, memory_total : int
        In MiB; 0 where unknown.
    """

    id: int
    name: str
    is_busy: bool
    memory_used: int
    memory_total: int


def find_npus(device_folder: Path = Path("/dev")) -> list[Npu]:
    """Find the NPUs of this machine, by id; an empty list elsewhere.

    ``npu-smi info`` lists them, else ``npu-smi info -l``, else the device files
    ``/dev/davinci<id>``.
    """
    return (
        parse_table(_run_smi("info"))
        or parse_list(_run_smi("info", "-l"))
        or _list_device_files(device_folder)
    )


def find_cann(root: Path = Path("/usr/local/Ascend")) -> Path | None:
    """CANN's ``set_env.sh``, to be sourced before MindSpore uses an NPU; None without CANN."""
    for folder in (root, Path.home() / "Ascend"):
        for place in CANN_PLACES:
            if (folder / place).is_file():
                return folder / place
    return None


def parse_table(text: str) -> list[Npu]:
    """NPUs in what ``npu-smi info`` prints: two lines a chip, then the processes on them."""
    found: dict[int, Npu] = {}
    id_of_chip: dict[tuple[str, str], int] = {}
    processes: set[tuple[str, str]] = set()
    device: re.Match[str] | None = None
    for line in text.splitlines():
        if chip := _CHIP.match(line):
            if device is None:
                continue
            npu = _make_npu(device, chip)
            found[npu.id] = npu
            id_of_chip[device["id"], chip["chip"]] = npu.id
            device = None
        elif process := _PROCESS.match(line):
            processes.add((process["id"], process["chip"]))
        else:
            device = _DEVICE.match(line) or device
    busy = {id_of_chip[place] for place in processes & id_of_chip.keys()}
    return [
        Npu(npu.id, npu.name, npu.is_busy or npu.id in busy, npu.memory_used, npu.memory_total)
        for _, npu in sorted(found.items())
    ]


def parse_list(text: str) -> list[Npu]:
    """Parse what ``npu-smi info -l`` prints; it does not say which are busy."""
    npus: list[Npu] = []
    card, name = 0, ""
    for number, product, chips in _LISTED.findall(text):
        if number:
            card, name = int(number), ""
        elif product:
            name = product.strip()
        else:
            count = min(int(chips), MOST_CHIPS)
            ids = range(card * count, (card + 1) * count)
            npus += [Npu(id, name, False, 0, 0) for id in ids]
    return npus


def _make_npu(device: re.Match[str], chip: re.Match[str]) -> Npu:
    """Join the two lines of a chip. The last memory is the larger: HBM where it has any."""
    memories = [(int(used), int(total)) for used, total in _MEMORY.findall(chip["memories"])]
    used, total = max(memories, key=lambda memory: memory[1], default=(0, 0))
    is_working = chip["load"] not in (None, "-", "0")
    is_full = total > 0 and used > IDLE_MEMORY * total
    id = int(chip["physical"] if chip["physical"] is not None else device["id"])
    return Npu(id, device["name"], is_working or is_full, used, total)


def _run_smi(*arguments: str) -> str:
    command = shutil.which("npu-smi") or next(filter(shutil.which, SMI_PLACES), None)
    if command is None:
        return ""
    try:
        done = subprocess.run([command, *arguments], capture_output=True, timeout=SMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def _list_device_files(folder: Path) -> list[Npu]:
    ids = [
        int(match[1])
        for path in folder.glob("davinci*")
        if (match := re.fullmatch(r"davinci(\d+)", path.name))
    ]
    return [Npu(id, "", False, 0, 0) for id in sorted(ids)]


def choose_npus(
    npus: Sequence[Npu], count: int, ids: Sequence[int] = (), requested: str = "auto"
) -> list[int]:
    """Places in ``npus`` of those to use, which are their numbers to MindSpore.

    Parameters
    ----------
    npus : sequence of Npu
        All that the machine has.
    count : int
        How many are needed.
    ids : sequence of int
        The ones wanted, by their ids in ``npu-smi``; empty: the first free ones.
    requested : str
        A configuration's ``device``; ``ascend:N`` asks for the one that MindSpore calls N.

    Raises
    ------
    UserError
        If there are not so many, or they are busy.
    """
    if not npus:
        raise UserError(
            "No Ascend NPU is found on this machine.",
            "Check the driver with npu-smi info, or train with --device cpu.",
        )
    _, _, place = requested.partition(":")
    if place and (count > 1 or int(place) >= len(npus)):
        raise UserError(
            f"{requested} can't be chosen for {count} of {len(npus)} NPUs.",
            "Use --device ascend, and choose with --device_ids.",
        )
    wanted = [npus[int(place)].id] if place else list(ids)
    if wanted:
        return _named(npus, count, wanted)
    free = [index for index, npu in enumerate(npus) if not npu.is_busy]
    if len(free) < count:
        busy = ", ".join(str(npu.id) for npu in npus if npu.is_busy)
        raise UserError(
            f"{count} NPUs are needed, but only {len(free)} of {len(npus)} are free"
            + (f" ({busy} busy)." if busy else "."),
            f"Wait, or train on fewer: --devices {len(free)}." if free else "Wait for them.",
        )
    return free[:count]


def _named(npus: Sequence[Npu], count: int, wanted: list[int]) -> list[int]:
    index_of = {npu.id: index for index, npu in enumerate(npus)}
    missing = [str(id) for id in wanted if id not in index_of]
    if missing:
        raise UserError(
            f"There is no NPU {', '.join(missing)}.",
            f"There are: {', '.join(str(npu.id) for npu in npus)}.",
        )
    busy = [str(id) for id in wanted if npus[index_of[id]].is_busy]
    if busy:
        raise UserError(
            f"NPU {', '.join(busy)} is busy.", "Choose others, or wait; npu-smi info shows by what."
        )
    if len(set(wanted)) != count:
        raise UserError(
            f"{count} NPUs are needed, but {len(set(wanted))} are named.",
            "Name as many as --devices says.",
        )
    return [index_of[id] for id in wanted]
