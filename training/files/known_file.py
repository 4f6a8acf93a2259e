"""A file that others may write as well: their changes are noticed before they are overwritten."""

from __future__ import annotations

from pathlib import Path

from training.errors import UserError


class ChangedFileError(UserError):
    """Another program has written a file that this one was about to replace.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was changed by another program or window.",
            "Keep both: the file stays as it is, and this window saves beside it.",
        )
        self.path = path


class KnownFile:
    """A file as this process last read or wrote it.

    Parameters
    ----------
    path : Path
        Counts as never seen until :meth:`see`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None

    @property
    def is_changed(self) -> bool:
        """Whether there is a file that is not the one last seen."""
        there = self._look()
        return there is not None and there != self._seen

    def see(self) -> None:
        """Take the file as it is now for known; call it before reading, or after writing."""
        self._seen = self._look()

    def _look(self) -> tuple[int, int, int] | None:
        try:
            state = self.path.stat()
        except OSError:  # whoever writes there next says what is wrong
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size
