"""What a machine has to train on NPUs: chip, driver, CANN, MindSpore, rights, and a try of each.

A machine says it of itself, ``python -m training.devices.npu_checks``: one JSON document.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from training.console import say, set_up_console
from training.devices.cann import CANN_PACKAGES, KERNEL_PACKAGES, find_cann, has_cann, with_cann
from training.devices.check import Check, check_ports
from training.devices.npu_choice import explain_none
from training.devices.npu_probes import probe_npus, probe_workers
from training.devices.npus import VISIBLE, Npu, find_npus, run_smi
from training.errors import UserError

# Which CANN goes with a MindSpore: of 2.10 what its own check accepts, of the others what MindSpore
# Transformers' page on installation puts side by side; and the driver of each CANN there.
CANN_OF_MINDSPORE = {
    "2.6": ("8.1",),
    "2.7": ("8.2", "8.3", "8.5"),
    "2.9": ("9.0",),
    "2.10": ("8.2", "8.3", "8.5", "9.0", "9.1"),
}
DRIVER_OF_CANN = {"8.1": "25.0", "8.2": "25.2", "8.3": "25.3", "8.5": "25.5", "9.0": "26.0"}
LAST_PYTHON_OF_CANN_8 = (3, 11)
GROUP = "HwHiAiUser"
_DRIVER = Path("/usr/local/Ascend/driver/version.info")
_MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")
_IMPORT_SECONDS = 120
MARK = "@@npu-checks "
_OF_NPUS = re.compile("(ASCEND|HCCL|MS|RANK|GLOG|DEVICE)_")


def examine_npus(workers: int = 0, device_folder: Path = Path("/dev")) -> list[Check]:
    """Look at everything, and try it; what is wrong comes first. Takes minutes.

    Parameters
    ----------
    workers : int
        0: try the NPUs. More: that many workers on the CPU in their place.
    device_folder : Path
        Where the system has its device files.
    """
    checks = list(_examine(find_npus(), workers, device_folder))
    return sorted(checks, key=lambda check: check.is_ok)


def _examine(npus: Sequence[Npu], workers: int, device_folder: Path) -> Iterator[Check]:
    yield _check_chips(npus)
    yield from check_versions(_chip(npus), *_versions(with_cann(os.environ, "auto")))
    yield _check_packages()
    yield from _check_rights(npus, device_folder)
    yield _check_leftovers()
    yield _check_ports()
    yield from probe_workers(workers) if workers else probe_npus(npus)


def _chip(npus: Sequence[Npu]) -> str:
    return npus[0].chip if npus else ""


def _check_chips(npus: Sequence[Npu]) -> Check:
    if not any(npu.can_train for npu in npus):
        remedy = "Check the driver: npu-smi info; in a container, its devices and mounts."
        return Check("chips", False, explain_none(npus), remedy)
    chips = sorted({npu.chip or "unknown" for npu in npus})
    busy = [str(npu.id) for npu in npus if npu.is_busy]
    text = f"{len(npus)} of {', '.join(chips)}; busy: {', '.join(busy) or 'none'}"
    if VISIBLE in os.environ:
        text += f"; {VISIBLE}={os.environ[VISIBLE]}"
    if npus[0].is_in_fours:
        text += "; joined in fours: 1, 2, 4 or 8 train together"
    return Check("chips", True, text)


def _versions(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Versions of driver, CANN and MindSpore; empty where there is none."""
    home = Path(environment.get("ASCEND_HOME_PATH") or environment.get("ASCEND_TOOLKIT_HOME", "/-"))
    try:
        mindspore = version("mindspore")
    except PackageNotFoundError:
        mindspore = ""
    return _version_in(_DRIVER), _version_in(home / "compiler" / "version.info"), mindspore


def _version_in(path: Path) -> str:
    try:
        found = re.search(r"^Version=\[?([\w.]+)", path.read_text(errors="replace"), re.M)
    except OSError:
        return ""
    return found[1] if found else ""


def check_versions(
    chip: str, driver: str, cann: str, mindspore: str, python: tuple[int, int] | None = None
) -> Iterator[Check]:
    """Judge what is installed, side by side with what goes together.

    Parameters
    ----------
    chip, driver, cann, mindspore : str
        A chip's name, and versions; empty where none is found.
    python : tuple of int, optional
        Its version; this one's by default.
    """
    python = python or sys.version_info[:2]
    accepted = CANN_OF_MINDSPORE.get(_minor(mindspore), ())
    wanted = f"MindSpore {_minor(mindspore)} goes with CANN {', '.join(accepted) or '(not known)'}"
    if not mindspore:
        yield Check("MindSpore", False, "it is not installed.", 'pip install "mindspore" "numpy<2"')
    elif chip in ("910A", "910ProA", "910ProB", "910B", "910PremiumA") and _is_new(mindspore):
        remedy = "Take MindSpore 2.8 or older; see docs/ascend.md."
        yield Check("MindSpore", False, f"{mindspore} is not made for the {chip}.", remedy)
    else:
        yield Check("MindSpore", True, mindspore)
    if not cann:
        set_env = find_cann()
        remedy = f"source {set_env}" if set_env else "Install CANN's toolkit and kernels."
        yield Check("CANN", has_cann(os.environ), "its version is not found.", remedy)
    elif accepted and _minor(cann) not in accepted:
        yield Check("CANN", False, f"{cann}, but {wanted}.", "Install one of these.")
    else:
        yield Check("CANN", True, f"{cann}; {wanted}")
    least = DRIVER_OF_CANN.get(_minor(cann), "")
    if driver and least and _numbers(driver) < _numbers(least):
        remedy = "Have a newer driver and firmware installed, or take an older CANN."
        yield Check("driver", False, f"{driver}, older than the {least} of CANN {cann}.", remedy)
    else:
        yield Check("driver", True, driver or "its version is not known here")
    text = ".".join(map(str, python))
    if cann.startswith("8.") and python > LAST_PYTHON_OF_CANN_8:
        remedy = "Make an environment with Python 3.11."
        yield Check("Python", False, f"{text}, but CANN 8 names Python up to 3.11.", remedy)
    else:
        yield Check("Python", True, text)


def _minor(number: str) -> str:
    return ".".join(number.split(".")[:2])


def _numbers(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", text)[:2]]


def _is_new(mindspore: str) -> bool:
    return _numbers(mindspore) >= [2, 9]


def _check_packages() -> Check:
    """Import what CANN's compiler of kernels needs, as a training would."""
    names = list(KERNEL_PACKAGES.values())
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except Exception as error: print(f'{name} ({type(error).__name__}: {error})')\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *names],
            env=with_cann(os.environ, "auto"),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_IMPORT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Check("CANN's packages", False, "their import does not end.", "Look at CANN's log.")
    missing = done.stdout.splitlines()
    if not missing and done.returncode == 0:
        return Check("CANN's packages", True, ", ".join(names))
    own = [line for line in missing if line.startswith(CANN_PACKAGES)]
    others = [
        pip
        for pip, name in KERNEL_PACKAGES.items()
        if any(line.startswith(f"{name} (") for line in missing if line not in own)
    ]
    remedies = ["Source CANN's set_env.sh, and keep its PYTHONPATH."] if own else []
    remedies += [f"python -m pip install {' '.join(others)}"] if others else []
    text = "; ".join(missing) or done.stderr.strip()[-200:]
    return Check("CANN's packages", False, f"{text}.", " ".join(remedies))


def _check_rights(npus: Sequence[Npu], folder: Path) -> Iterator[Check]:
    """Whether this account may use the device files of the NPUs, and those beside them."""
    if sys.platform == "win32":  # which no NPU works with
        return
    if not npus:
        return
    names = [*(f"davinci{npu.id}" for npu in npus), *_MANAGERS]
    absent = [name for name in names if not (folder / name).exists()]
    there = [name for name in names if name not in absent]
    closed = [name for name in there if not os.access(folder / name, os.R_OK | os.W_OK)]
    groups = sorted(_group_name(id) for id in os.getgroups())
    who = f"{getpass.getuser()}, in the groups {', '.join(groups) or 'none'}"
    if closed:
        remedy = f"usermod -aG {GROUP} {getpass.getuser()}, then log in again."
        yield Check("rights", False, f"{who}, may not use {', '.join(closed)}.", remedy)
    elif absent:
        remedy = " ".join(f"--device={folder / name}" for name in absent)
        text = f"{', '.join(absent)} are not in {folder}."
        yield Check("device files", False, text, f"For a container: {remedy}")
    else:
        yield Check("rights", True, who)


def _group_name(id: int) -> str:
    if sys.platform == "win32":
        return str(id)
    import grp

    try:
        return grp.getgrgid(id).gr_name
    except KeyError:
        return str(id)


def _check_leftovers() -> Check:
    names = [name for name in os.environ if name.startswith("RANK_")]
    names += [name for name in ("DEVICE_ID", "MINDSPORE_HCCL_CONFIG_PATH") if name in os.environ]
    text = f"{', '.join(sorted(names))} are set; a launcher ignores them" if names else "none"
    return Check("leftovers of a rank table", True, text)


def _check_ports() -> Check:
    try:
        reserved = Path("/proc/sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
    except OSError:
        reserved = ""
    variables = "\n".join(f"{name}={value}" for name, value in os.environ.items())
    found = check_ports(reserved, variables)
    if found.is_ok:
        return found
    return Check(found.name, True, f"{found.text} Only several servers need it. {found.remedy}")


def write_report(checks: Sequence[Check]) -> str:
    """Write what is found, with what ``npu-smi`` and the environment say, to send to somebody."""
    system = f"{platform.platform()}, Python {platform.python_version()}"
    variables = [f"{name}={value}" for name, value in os.environ.items() if _OF_NPUS.match(name)]
    parts = [[system], [str(check) for check in checks], sorted(variables), [run_smi("info")]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def parse_checks(output: str) -> list[Check]:
    """Read what this module prints as a program.

    Raises
    ------
    UserError
        If it is not there, or is something else.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    try:
        documents = json.loads(lines[-1].removeprefix(MARK))
        return [
            Check(str(item["name"]), item["is_ok"] is True, str(item["text"]), str(item["remedy"]))
            for item in documents
        ]
    except (IndexError, ValueError, TypeError, KeyError) as error:
        last = (output.strip().splitlines() or ["nothing"])[-1]
        raise UserError(f"The test of the NPUs did not end: {last:.200}.") from error


def main() -> int:
    """Print the checks as JSON; returns 0."""
    set_up_console()
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=0)
    checks = examine_npus(parser.parse_args().workers)
    say(MARK + json.dumps([asdict(check) for check in checks]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
