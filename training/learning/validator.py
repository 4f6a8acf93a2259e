"""Validation during a run, and what is kept of it: the best model and the newest checkpoints."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import TrainingConfig
from training.dataset.training_set import TrainingSet
from training.label_classes import LabelClasses
from training.learning.batches import TrainingProgress
from training.learning.kept_files import KeptFiles, What, prune_checkpoints
from training.learning.learner import Learner
from training.learning.report import Report
from training.metrics.evaluation_report import Evaluation
from training.model.weight_files import read_metadata
from training.presets.registry import find_preset
from training.runs.events import Comparison, InitialModel
from training.runs.run_directory import RunDirectory
from training.sampling.resampling import resize_bilinear

File = tuple[What, Path, Callable[[], bytes]]


class Validation(NamedTuple):
    """The figures of the validation slices, and what was predicted.

    Parameters
    ----------
    evaluation : Evaluation
    probabilities : dict of int to array (Y, X) of float32; of classes (C, Y, X)
        Probabilities, 0..1, by the slice's number.
    """

    evaluation: Evaluation
    probabilities: dict[int, NDArray[np.float32]]


class Validator:
    """Validates the averaged weights, and writes what is worth keeping.

    Files are packed and written in a thread beside the next steps, so that other devices need not
    wait for a disk. A validation is reported, and the best model written, before the checkpoint: a
    process killed in between goes on from the checkpoint before, and finds, reports and writes the
    same again. What can't be written because the disk is full is tried again after the next
    validation; the training goes on.

    Attributes
    ----------
    preview_slice : int
        Index in its volume of the slice that is written to be looked at after each validation.
    stale : int
        Validations since that of the best model.
    """

    def __init__(
        self,
        learner: Learner,
        run: RunDirectory,
        config: TrainingConfig,
        data: TrainingSet,
        report: Report,
        stale: int = 0,
    ) -> None:
        self._learner = learner
        self._run = run
        self._config = config
        self._data = data
        self._report = report
        self._files = KeptFiles(run, report)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._writing: Future[set[Path]] | None = None
        self._report_files: Callable[[set[Path]], None] | None = None
        self._best = _best_soft_dice(run)
        self.stale = stale
        self._best_validation: Validation | None = None
        is_there = config.preview_slice in data.images
        self._shown = config.preview_slice if is_there else data.valid_slices[0]
        self._shown_volume = data.volume_of(self._shown)
        self.preview_slice = self._shown - self._shown_volume.first

    @property
    def has_converged(self) -> bool:
        """Whether as many validations as the run has patience for have brought nothing better."""
        return 0 < self._config.patience <= self.stale

    def validate_and_save(self, progress: TrainingProgress, epoch: int, is_early: bool) -> None:
        """Validate after a step; keep the model if it is the best, and a checkpoint.

        An early validation does not count against the run's patience.

        Raises
        ------
        UserError
            If the run's folder has vanished.
        """
        self._learner.settle()
        validation = self.measure()
        if validation.evaluation.mean["soft_dice"] > self._best:
            self.stale = 0
        elif not is_early:
            self.stale += 1
        self.keep(*validation, progress._replace(stale=self.stale), epoch)

    def measure(self) -> Validation:
        """Validate the averaged weights as they are now."""
        inference, fold = self._learner.inference, self._config.cross_valid_ind
        return Validation(*inference.validate(self._data, fold))

    def keep(
        self,
        evaluation: Evaluation,
        probabilities: dict[int, NDArray[np.float32]],
        progress: TrainingProgress,
        epoch: int,
    ) -> None:
        """Report a validation, and keep what :meth:`validate_and_save` does; errors as there.

        ``probabilities`` are arrays (Y, X) or (C, Y, X) of float32, by slice.
        Before the first step there is no checkpoint to keep.
        """
        files: list[File] = []
        if evaluation.mean["soft_dice"] >= self._best:
            self._best_validation = Validation(evaluation, probabilities)
            self._best = evaluation.mean["soft_dice"]
            files.append(("best model", self._run.best, self._learner.export(self._best)))
            files += self._figures(evaluation)
        step = progress.steps
        name = find_preset(self._config.preset).checkpoint_name
        checkpoint = self._run.checkpoint(name, epoch, step)
        if step:
            files.append(("checkpoint", checkpoint, self._learner.checkpoint(progress)))
        if self._shown in probabilities:
            probability = probabilities[self._shown]
        else:
            probability = self._learner.inference.predict_slice(self._data, self._shown)
        probability = _shown_plane(probability, self._data.classes)
        preview = self._run.preview_image(step)
        probability = resize_bilinear(probability, self._shown_volume.shape[1:])  # over the file's
        files.append(("preview", preview, partial(_png, probability)))
        self._report.validation(step, epoch, evaluation, self._best)

        def report_files(written: set[Path]) -> None:
            event = self._report.event
            if checkpoint in written:
                self._prune()
                event("checkpoint", step=step, path=self._run.relative(checkpoint), is_best=False)
            if self._run.best in written:
                best = self._run.relative(self._run.best)
                event("checkpoint", step=step, path=best, is_best=True)
            if preview in written:
                shown = {"slice": self.preview_slice, "path": self._run.relative(preview)}
                if len(self._data.volumes) > 1:
                    shown["volume"] = self._shown_volume.name
                event("preview", step=step, **shown)

        self._wait()
        self._report_files = report_files
        self._writing = self._thread.submit(self._write, files)

    def report_written(self) -> None:
        """Report the files of the last validation once they are written.

        Raises
        ------
        UserError
            If the run's folder has vanished.
        """
        if self._writing is not None and self._writing.done():
            self._wait()

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def _write(self, files: list[File]) -> set[Path]:
        for what, path, pack in files:
            self._files.put(what, path, pack())
        return self._files.write()

    def _wait(self) -> None:
        """Wait for the files of the last validation, and report them."""
        writing, report_files = self._writing, self._report_files
        self._writing = self._report_files = None
        if writing is not None and report_files is not None:
            report_files(writing.result())

    def finish(self) -> None:
        """Write what could not be written so far.

        Raises
        ------
        UserError
            If the model, its figures or the checkpoint still can't be.
        """
        self._wait()
        self._files.write()
        self._files.check()
        self._prune()

    def compare(self, initial: InitialModel) -> Comparison:
        """Compare the run's best model with the one that it began from."""
        best = Evaluation.from_json(self._run.evaluation_json.read_text("utf-8"))
        return compare(initial, best, self._data.valid_slices)

    def measure_neurons(self) -> None:
        """Add the figures of neurons to the evaluation of the best model.

        They take longer than a validation, so they are measured once, at the end, and only where
        the labels tell neurons apart. The weights of a best model from before a resume are read
        back from the disk.
        """
        if self._data.neurons is None:
            return
        self._wait()
        if self._best_validation is None:
            self._learner.take_back(self._run.best)
            self._best_validation = self.measure()
        evaluation, probabilities = self._best_validation
        measured = evaluation.with_neuron_figures(probabilities, self._data.neurons)
        for what, path, pack in self._figures(measured):
            self._files.put(what, path, pack())

    def _figures(self, evaluation: Evaluation) -> list[File]:
        return [
            ("figures", self._run.evaluation_json, evaluation.to_json().encode),
            ("table", self._run.evaluation_csv, evaluation.to_csv().encode),
        ]

    def _prune(self) -> None:
        try:
            prune_checkpoints(self._run, self._config.keep_checkpoint_max)
        except OSError as error:
            self._report.warn(f"An old checkpoint can't be deleted: {error}.")


def _best_soft_dice(run: RunDirectory) -> float:
    """Read the soft Dice of the best model so far; 0 before the first."""
    if not run.best.exists():
        return 0.0
    return float(read_metadata(run.best)["soft_dice"])


def _shown_plane(probability: NDArray[np.float32], classes: LabelClasses) -> NDArray[np.float32]:
    """Choose what is looked at (Y, X): membrane, or else the first class that is not 0."""
    if not classes:
        return probability
    place = classes.things[0] if classes.membrane is None else classes.membrane
    return np.asarray(probability[place])


def _png(probability: NDArray[np.float32]) -> bytes:
    """Draw a probability (Y, X), 0..1, as an 8-bit grey PNG."""
    content = io.BytesIO()
    levels = np.rint(probability * 255).astype(np.uint8)
    Image.fromarray(levels).save(content, format="PNG")
    return content.getvalue()


def compare(initial: InitialModel, best: Evaluation, slices: list[int]) -> Comparison:
    """Compare two models by their membrane pixels.

    Parameters
    ----------
    initial : InitialModel
        The model that a run began from.
    best : Evaluation
        Figures of the run's best model on the same slices.
    slices : list of int
        Their numbers.
    """
    before, after = initial["mean"], {name: best.mean[name] for name in initial["mean"]}
    return {
        "initial_path": initial["path"],
        "slices": slices,
        "before": before,
        "after": after,
        "is_better": after["dice"] > before["dice"],
    }
