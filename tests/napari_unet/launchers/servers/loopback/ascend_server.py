"""An account on a stand-in for a server with Ascend NPUs: what CANN and ``npu-smi`` would do."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable

from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.training.devices.fake_npu_smi import install_npu_smi
from training.devices.cann import KERNEL_PACKAGES

# The shape of each chip's servers: its name to npu-smi, and how many of it there are.
CHIPS = {"910A": ("910A", 8), "910B": ("910B3", 8), "A3": ("Ascend910", 16), "310P": ("310P3", 2)}
_LEFTOVERS = {"RANK_SIZE": "8", "RANK_ID": "0", "RANK_TABLE_FILE": "/hccl_8p.json"}


def install_ascend(
    sshd: Sshd, chip: str, busy: Iterable[int] = (), others: Iterable[str] = ()
) -> None:
    """Give who logs in NPUs, CANN, and what the recipe of 2020 left in the shell.

    CANN's ``set_env.sh`` puts stand-ins for what it brings, and for what its compiler imports, on
    PYTHONPATH and nowhere else. Beside them it has stand-ins for others, such as MindSpore.
    """
    name, count = CHIPS[chip]
    tools, cann = sshd.login / "tools", sshd.login / "Ascend" / "cann"
    packages = cann / "python" / "site-packages"
    tools.mkdir()
    install_npu_smi(tools, range(count), busy, chip=name)
    for package in [*KERNEL_PACKAGES.values(), *others]:
        (packages / package).mkdir(parents=True)
        (packages / package / "__init__.py").write_text("__version__ = '8.5.0'\n")
    (cann / "compiler").mkdir()
    (cann / "compiler" / "version.info").write_text("Version=8.5.0\n")
    (cann / "set_env.sh").write_text(
        textwrap.dedent(f"""\
            export ASCEND_HOME_PATH={shlex.quote(str(cann))}
            export PYTHONPATH={shlex.quote(str(packages))}:$PYTHONPATH
            """)
    )
    profile = [f"export PATH={shlex.quote(str(tools))}:$PATH"]
    profile += [f"export {name}={value}" for name, value in _LEFTOVERS.items()]
    (sshd.login / ".bash_profile").write_text("\n".join(profile) + "\n")
