"""Asks a person whether a server is what it says, by its host key."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_unet.launchers.servers.host_keys import UnknownHostKeyError, accept_host_key
from napari_unet.widgets.common.messages import confirm

ACCEPT = "Accept its key"


def ask_to_accept(parent: QWidget, unknown: UnknownHostKeyError) -> bool:
    """Show an unknown host key and ask about it; an accepted one goes into ``known_hosts``.

    Returns
    -------
    bool
        Whether it was accepted, so that what was refused can be done again.
    """
    is_accepted = confirm(
        parent,
        "Is this server what it says?",
        f"{unknown.problem}\nCompare it with what the server's administrator tells you.",
        ACCEPT,
        "Refuse it",
    )
    if is_accepted:
        accept_host_key(unknown)
    return is_accepted
