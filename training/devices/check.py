"""A line of a test: what was looked at, whether training works with it, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

# On which ports of a host HCCL collects what its processes know of each other.
_FIRST_PORT, _PORTS, _NEWER_PORTS = 60000, 16, 32


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


def check_ports(reserved: str, variables: str) -> Check:
    """Look whether other programs are kept away from the ports that HCCL opens on a host.

    Parameters
    ----------
    reserved : str
        What ``net.ipv4.ip_local_reserved_ports`` says there.
    variables : str
        The environment of a training, a variable a line.
    """
    base = re.search(r"^HCCL_IF_BASE_PORT=(\d{1,5})$", variables, re.M)
    first = int(base[1]) if base else _FIRST_PORT
    last = first + _PORTS - 1
    for part in reserved.split(","):
        ports = [int(number) for number in re.findall(r"\d{1,5}", part)]
        if ports and ports[0] <= first and ports[-1] >= last:
            return Check("HCCL's ports", True, f"{first}-{last} are reserved")
    remedy = (
        f"Have them reserved, and as many more for CANN 8.2 and newer: "
        f"sysctl -w net.ipv4.ip_local_reserved_ports={first}-{first + _NEWER_PORTS - 1}"
    )
    return Check("HCCL's ports", False, f"{first}-{last} are not reserved.", remedy)
