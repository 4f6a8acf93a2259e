"""A stand-in for Ascend's ``npu-smi``, in the layouts that its versions print."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable
from pathlib import Path

RULE = "+" + "=" * 27 + "+" + "=" * 15 + "+" + "=" * 52 + "+"


def install_npu_smi(
    folder: Path,
    ids: Iterable[int],
    busy: Iterable[int] = (),
    has_table: bool = True,
    chip: str = "910B3",
) -> Path:
    """Write ``npu-smi`` into ``folder``, for the test to put on its PATH."""
    ids, busy = list(ids), set(busy)
    table = table_of(ids, busy, chip) if has_table else ""
    listed = f"\tTotal Count                    : {len(ids)}\n" + "".join(
        f"\n\tNPU ID                         : {id}\n\tChip Count                     : 1\n"
        for id in ids
    )
    (folder / "table").write_text(table)
    (folder / "list").write_text(listed)
    command = folder / "npu-smi"
    command.write_text(
        textwrap.dedent(f"""\
            #!/bin/sh
            case "$*" in
              info) cat {shlex.quote(str(folder / "table"))} ;;
              "info -l") cat {shlex.quote(str(folder / "list"))} ;;
              *) exit 1 ;;
            esac
            """)
    )
    command.chmod(0o755)
    return command


def table_of(ids: Iterable[int], busy: Iterable[int] = (), chip: str = "910B3") -> str:
    """What ``npu-smi info`` prints on a server; busy chips have a process each."""
    ids, busy = list(ids), set(busy)
    lines = [
        "+" + "-" * 96 + "+",
        "| npu-smi 24.1.rc3                 Version: 24.1.rc3 |",
        "| NPU   Name                | Health        | Power(W)    Temp(C) Hugepages-Usage(page)|",
        "| Chip                      | Bus-Id        | AICore(%)  Memory-Usage(MB) HBM-Usage(MB)|",
        RULE,
    ]
    for id in ids:
        lines += [
            f"| {id:<5} {chip:<19} | OK            | 101.8       43        0    / 0    |",
            f"| 0                         | 0000:C{id % 10}:00.0  | 0           0    / 0   "
            f"       {30113 if id in busy else 3318} / 65536         |",
            RULE,
        ]
    lines += ["| NPU     Chip              | Process id    | Process name | Process memory(MB) |"]
    for id in ids:
        lines += [
            f"| {id}       0                 | 73{id}         | python       | 26795              |"
            if id in busy
            else f"| No running processes found in NPU {id}                                      |",
            RULE,
        ]
    return "\n".join(lines) + "\n"
