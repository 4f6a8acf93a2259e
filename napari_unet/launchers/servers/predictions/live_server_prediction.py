"""Predicting a stack on a server beside a window, which shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from napari_unet.launchers.launcher import UploadProgress, ignore_progress, new_name
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.predictions.record import (
    ENDED_BADLY,
    PredictionState,
    log_path,
    read_sentences,
    result_path,
)
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.predictions.sending import sending_folder
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.model_source import find_model
from napari_unet.prediction.predictor import MEMBRANE
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import write_stack
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.intensities import Membranes
from training.stacks.stack_axes import as_stack

UPDATE_SECONDS = 0.5


@dataclass(frozen=True)
class ServerProgress:
    """How far a prediction on a server is.

    Parameters
    ----------
    done : int
        Slices that are predicted there.
    text : str
        The same in words, or what else goes on.
    index : int or None
        A slice that has come home.
    """

    done: int
    text: str
    index: int | None = None


def options_there(tta: bool, resample: bool, membranes: Membranes) -> dict[str, str]:
    """Give the options of ``training.predict`` that say how slices are predicted."""
    chosen = {"tta": tta, "resample": resample}
    flags = {name: "" for name, is_chosen in chosen.items() if is_chosen}
    return {**flags, "membranes": membranes.value, "class": MEMBRANE}


class LiveServerPrediction:
    """Predicts all slices of a stack on a server; what is asked for again goes on there.

    Parameters
    ----------
    place : str
        Name of the server.
    runs_folder : Path
        Folder on this machine for what is known of the prediction.
    model : Path
        As of :class:`PredictionRequest`.
    stack : array (Z, Y, X) or (Y, X)
        Intensities of any real dtype. May be a dask array.
    prediction : LivePrediction
        Gets what is predicted, when all has come home.
    tta, resample, membranes
        As of :class:`StackPrediction`.
    pixel_size : PixelSize or None
        The stack's, if it is known.
    stack_name : str
        What the person calls the stack.
    """

    def __init__(
        self,
        place: str,
        runs_folder: Path,
        model: Path,
        stack: Any,
        prediction: LivePrediction,
        tta: bool,
        resample: bool,
        membranes: Membranes,
        pixel_size: PixelSize | None,
        stack_name: str,
    ) -> None:
        self._place, self._runs_folder = place, runs_folder
        self._model, self._stack, self._prediction = model, as_stack(stack), prediction
        self._options = options_there(tta, resample, membranes)
        self._pixel_size, self._stack_name = pixel_size, stack_name
        self._is_ended = Event()

    def end(self) -> None:
        """Ask the prediction to end, here and on the server; from any thread."""
        self._is_ended.set()

    def go(self) -> Iterator[ServerProgress]:
        """Predict, until it is done or asked to end.

        Where the iteration is left, the prediction goes on on the server.

        Raises
        ------
        UserError
            If the model, the stack or the server can't be used, or the prediction failed there.
        """
        yield ServerProgress(0, f"Sending the image to {self._place}…")
        launcher = PredictionLauncher(
            find_profile(self._place), self._runs_folder, on_progress=self._check_upload
        )
        try:
            run = self._begin(launcher)
            if run is not None:
                yield from self._follow(launcher, run)
        finally:
            launcher.close()

    def _check_upload(self, progress: UploadProgress) -> None:
        ignore_progress(progress)
        if self._is_ended.is_set():
            raise UserError("The upload was cancelled.")

    def _begin(self, launcher: PredictionLauncher) -> RunDirectory | None:
        """Send what is needed, and start; None where it was asked to end meanwhile."""
        with sending_folder(self._runs_folder) as folder:
            path = folder / "image.tif"
            dtype = self._stack.dtype
            write_stack(path, self._stack, dtype, is_label=False, pixel_size=self._pixel_size)
            request = PredictionRequest(
                self._model,
                path,
                {"probability": ""},
                options=self._options,
                stack_name=self._stack_name,
            )
            name = new_name("predict", self._runs_folder, datetime.now().astimezone())
            try:
                return launcher.predict(request, name).run
            except UserError:
                if self._is_ended.is_set():
                    return None
                raise

    def _follow(self, launcher: PredictionLauncher, run: RunDirectory) -> Iterator[ServerProgress]:
        done = 0
        while True:
            try:
                if self._is_ended.is_set():
                    launcher.stop(run)
                launcher.refresh(run)
                state = launcher.state(run)
                done = state.done
                if state.status == "finished":
                    yield ServerProgress(done, f"Bringing the result home from {self._place}…")
                    launcher.fetch(run)
                    yield from self._take(run)
                    launcher.cancel(run, delete=True)
                    return
                if state.status in ENDED_BADLY:
                    self._check_ending(state.status, state.problem, run)
                    launcher.cancel(run, delete=True)
                    return
                yield ServerProgress(done, self._describe(state))
            except ConnectionLostError as error:
                yield ServerProgress(done, f"{error} The prediction goes on there.")
            time.sleep(UPDATE_SECONDS)

    def _describe(self, state: PredictionState) -> str:
        if state.status == "waiting" and state.standing:
            return f"{state.standing} on {self._place}"
        if not state.total:
            return f"Starting on {self._place}…"
        return f"{state.done} of {state.total} slices, {state.text}"

    def _check_ending(self, status: str, problem: str, run: RunDirectory) -> None:
        if self._is_ended.is_set():
            return
        raise UserError(f"The prediction on {self._place} is {status}. {problem}".rstrip())

    def _take(self, run: RunDirectory) -> Iterator[ServerProgress]:
        """Store the slices that have come home."""
        told, _ = read_sentences(log_path(run), 0)
        self._prediction.stack_warning = " ".join(
            text.removeprefix("Warning: ").removeprefix("Note: ") for text in told
        )
        trained = find_model(self._model).read_card().trained_slices(self._stack)
        with open_stack(result_path(run, "probability")) as pages:
            for index, page in enumerate(pages):
                is_trained = None if trained is None else index in trained
                self._prediction.store(index, page, is_trained)
                yield ServerProgress(index + 1, f"{index + 1} of {len(pages)} slices", index)
