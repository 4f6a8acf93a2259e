"""Follows one run while it trains."""

from __future__ import annotations

from napari_unet.launchers.launcher import Launcher, Standing
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, RunStatus, read_state, run_status


class RunFollower:
    """Reads a run's events as they come. Has no thread: its caller calls :meth:`update`.

    Parameters
    ----------
    run : RunDirectory
        The run.
    launcher : Launcher
        The place where it runs.
    """

    def __init__(self, run: RunDirectory, launcher: Launcher) -> None:
        self.run = run
        self.launcher = launcher
        self.state = RunState()
        self.is_running = True
        self.standing = Standing()
        self._offset = self._inode = 0

    def update(self) -> bool:
        """Read what is new.

        Returns
        -------
        bool
            Whether anything changed.
        """
        before = self.is_running, self.standing, self._offset
        # Asked first: a process that ends meanwhile has then written all its events.
        self.is_running = self.launcher.is_running(self.run)
        self.launcher.refresh(self.run)
        self.standing = self.launcher.standing(self.run)
        inode = self.run.events.stat().st_ino if self.run.events.exists() else 0
        if inode != self._inode:  # the copy of a server's run, whose events began again
            self.state, self._offset, self._inode = RunState(), 0, inode
        self.state, self._offset = read_state(self.run.events, self.state, self._offset)
        return before != (self.is_running, self.standing, self._offset)

    @property
    def status(self) -> RunStatus:
        return run_status(self.state, self.is_running)

    @property
    def has_ended(self) -> bool:
        return not self.is_running
