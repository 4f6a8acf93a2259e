"""Finds ports for the processes of a job; on a node, for the others: ``-m`` with its address."""

from __future__ import annotations

import secrets
import socket
import sys
from contextlib import ExitStack

from training.console import say
from training.errors import UserError

# Below those that systems give to programs which ask for any, and HCCL's from 60000 on.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


def find_free_port(address: str = "127.0.0.1") -> int:
    """Find a port of this machine that nobody uses now, nor the next one.

    The first is for msrun, the next for the line between nodes.

    Parameters
    ----------
    address : str
        One of this machine's.

    Raises
    ------
    UserError
        If there are none, or the address is another machine's.
    """
    reason = ""
    for _ in range(_TRIES):
        first = _FIRST + secrets.randbelow(_LAST - _FIRST)
        try:
            with ExitStack() as opened:
                for port in (first, first + 1):
                    opened.enter_context(socket.create_server((address, port)))
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            return first
    raise UserError(
        f"No ports are free at {address}: {reason}.",
        "Give an address of this machine, as the other nodes see it.",
    )


def main(arguments: list[str]) -> int:
    """Print the first of two ports that are free at an address."""
    try:
        say(str(find_free_port(arguments[0])))
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
