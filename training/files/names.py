"""What a file or folder may be called, so that the name stays in its folder on every system."""

from __future__ import annotations

import re

# On Windows "\" parts folders, ":" begins a drive or a hidden stream, a device has its name in
# every folder, and dots and spaces at the end are dropped.
_DEVICE = r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?:\.|/|\Z)"
NAME = rf"(?!\.|{_DEVICE})[^/\\:\0]*[^/\\:\0. ]"
"""A regular expression of names that do not begin with a dot, as hidden files do."""

_NAME = re.compile(NAME)
_MOST_BYTES = 255  # on most disks


def is_name(name: str) -> bool:
    """Return whether a file can be called so on all systems, and is found in its folder then."""
    return (
        _NAME.fullmatch(name) is not None
        and len(name.encode(errors="surrogateescape")) <= _MOST_BYTES
    )
