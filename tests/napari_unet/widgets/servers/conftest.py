"""Real servers, for the window."""

from tests.napari_unet.launchers.servers.conftest import (  # noqa: F401
    client_key,
    home,
    sshd,
    unknown_sshd,
)
