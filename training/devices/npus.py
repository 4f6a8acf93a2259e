"""Ascend NPUs of this machine, found without MindSpore or CANN's libraries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

# Not on every account's PATH.
SMI_PLACES = ("/usr/local/sbin/npu-smi", "/usr/local/bin/npu-smi")
# The NPUs that a process may use, by CANN's numbers for them, in ascending order.
VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"
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
# The first 910s. Those of the second generation are called 910B1 to 910B4, of the third Ascend910.
_FIRST_910 = re.compile(r"910(A|B|Pro[AB]|PremiumA)", re.IGNORECASE)
_LISTED = re.compile(r"NPU ID\s*:\s*(\d{1,9})|Product Name\s*:\s*(.+)|Chip Count\s*:\s*(\d{1,9})")


@dataclass(frozen=True)
class Npu:
    """One NPU. Its place in :func:`find_npus`' list is the number that MindSpore gives it.

    Parameters
    ----------
    id : int
        The number that ``npu-smi`` shows, and that a person gives; it need not start at 0.
    name : str
        Model, such as ``910B3``; empty where unknown.
    is_busy : bool
        Whether a process uses it; False where unknown.
    memory_used, memory_total : int
        In MiB; 0 where unknown.
    number : int
        CANN's number: its place among all NPUs of the machine, from 0.
    """

    id: int
    name: str
    is_busy: bool
    memory_used: int
    memory_total: int
    number: int = 0

    @property
    def chip(self) -> str:
        """Its model without the maker's name, such as ``910B3``."""
        return re.sub("^ascend ?", "", self.name, flags=re.IGNORECASE)

    @property
    def can_train(self) -> bool:
        """Whether MindSpore computes on it: since 2.2 on no kind of 310, left to MindSpore Lite."""
        return not self.chip.startswith("310")

    @property
    def is_in_fours(self) -> bool:
        """Whether it is joined with three others only: those of 0 to 3, or of 4 to 7."""
        return _FIRST_910.fullmatch(self.chip) is not None


def find_npus(device_folder: Path = Path("/dev")) -> list[Npu]:
    """Find the NPUs that this process may use, by id; an empty list where there are none.

    ``npu-smi info`` lists them, else ``npu-smi info -l``, else the device files
    ``/dev/davinci<id>``. Of those, ``ASCEND_RT_VISIBLE_DEVICES`` chooses, as CANN reads it.
    """
    found = (
        parse_table(run_smi("info"))
        or parse_list(run_smi("info", "-l"))
        or _list_device_files(device_folder)
    )
    numbered = [replace(npu, number=number) for number, npu in enumerate(found)]
    visible = os.environ.get(VISIBLE)
    return numbered if visible is None else [numbered[n] for n in _read(visible, len(found))]


def _read(visible: str, count: int) -> list[int]:
    """Read the numbers up to the first that is none, or that no NPU has."""
    numbers: list[int] = []
    for part in visible.split(","):
        if not re.fullmatch(r"\d{1,9}", part) or int(part) >= count:
            break
        numbers.append(int(part))
    return numbers


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
    return [replace(npu, is_busy=npu.is_busy or npu.id in busy) for _, npu in sorted(found.items())]


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


def run_smi(*arguments: str) -> str:
    """What ``npu-smi`` prints; empty where there is none, or it fails."""
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
