"""What the runs dock does with predictions on servers, each in a thread."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet.launchers.launcher import Launcher
from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions.record import (
    is_prediction,
    read_prediction,
    result_path,
)
from napari_unet.runs.training_places import launcher_for
from napari_unet.text import line
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.connections import when_deleted
from napari_unet.widgets.common.latest_work import LatestWork
from training.errors import UserError
from training.runs.run_directory import RunDirectory


class PredictionFollower(QObject):
    """Asks the server of the chosen prediction how far it is, and brings its results home.

    A server is asked for what a person has chosen alone: it may want a login.
    """

    changed = Signal()
    told = Signal(str)
    fetched = Signal(object, str)  # RunDirectory, and where its results are
    failed = Signal(object)  # the exception

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._place = _Place()
        self._following = LatestWork(self, self._place.refresh, self._on_followed, self._on_lost)
        self._followed: RunDirectory | None = None
        self._is_left = False
        self._said = ""
        when_deleted(self, partial(_close_in_thread, self._place))

    def follow(self, run: RunDirectory | None) -> None:
        """Follow this prediction, or none; called again and again. It is asked for in turns."""
        if self._followed is None or run is None or run.path != self._followed.path:
            self._followed, self._is_left = run, False
        if run is not None and not self._is_left and not self._following.is_busy:
            self._following.request(run)

    def fetch(self, run: RunDirectory) -> None:
        """Bring the results of a prediction to its folder."""
        self.told.emit(f"Fetching the results of {line(run.name)}…")
        run_in_thread(partial(self._place.fetch, run), self._on_fetched, self._on_failed)

    def resume(self, run: RunDirectory) -> None:
        """Go on with a prediction that was interrupted."""
        self.told.emit(f"Asking {line(run.name)} to go on…")
        run_in_thread(partial(self._place.resume, run), self._on_resumed, self._on_failed)

    def _on_followed(self, standing: str) -> None:
        if standing != self._said:
            self._said = standing
            self.told.emit(standing)
        self.changed.emit()

    def _on_lost(self, error: Exception) -> None:
        self._said = str(error)
        self._is_left = not isinstance(error, ConnectionLostError)  # not asked again by itself
        self.failed.emit(error)

    def _on_resumed(self, name: str) -> None:
        self.told.emit(f"{line(name)} goes on after the slices that are done.")
        self.changed.emit()

    def _on_fetched(self, fetched: tuple[RunDirectory, str]) -> None:
        run, places = fetched
        self.told.emit(places)
        self.changed.emit()
        self.fetched.emit(run, places)

    def _on_failed(self, error: Exception) -> None:
        self.failed.emit(error)


class _Place:
    """The server that was asked last, whose connection stays open; used in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._launcher: Launcher | None = None

    def refresh(self, run: RunDirectory) -> str:
        """Bring what is known up to date, and say where it stands in a queue."""
        try:
            launcher = self._launcher_for(run)
            launcher.refresh(run)
        except UserError:
            if is_prediction(run):
                raise
            return ""  # deleted meanwhile: another dock brought it home
        return line(launcher.standing(run).text)

    def resume(self, run: RunDirectory) -> str:
        """Go on with a prediction, and say which."""
        self._launcher_for(run).resume(run)
        return run.name

    def fetch(self, run: RunDirectory) -> tuple[RunDirectory, str]:
        """Bring results home, and say of which prediction, and where they are."""
        launcher = self._launcher_for(run)
        launcher.fetch(run)
        places = [
            f"{kind}: {ServerPath(launcher.name, place) if place else result_path(run, kind)}"
            for kind, place in read_prediction(run).results.items()
        ]
        return run, line("; ".join(places))

    def close(self) -> None:
        with self._lock:
            launcher, self._launcher = self._launcher, None
        if launcher is not None:
            launcher.close()

    def _launcher_for(self, run: RunDirectory) -> Launcher:
        with self._lock:
            former = self._launcher
            self._launcher = launcher_for(run, former)
            launcher = self._launcher
        if former is not None and former is not launcher:
            former.close()
        return launcher


def _close_in_thread(place: _Place) -> None:
    run_in_thread(place.close, _ignore)


def _ignore(_: Any) -> None:
    """Show nothing."""
