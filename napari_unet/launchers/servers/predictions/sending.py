"""The folder that stacks are written to before they are sent to a server."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.files.open_elsewhere import remove_folder

_SENT = ".sent-"
_OLD_SECONDS = 24 * 3600


@contextmanager
def sending_folder(folder: Path) -> Iterator[Path]:
    """Make a folder for what is sent, beside a person's runs: it may be as large as a stack.

    What killed processes left there more than a day ago is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_SENT}*"):
        with contextlib.suppress(OSError):  # another removes it just now
            if time.time() - left.stat().st_mtime > _OLD_SECONDS:
                remove_folder(left)
    with tempfile.TemporaryDirectory(prefix=_SENT, dir=folder) as path:
        yield Path(path)
