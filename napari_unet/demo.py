"""The whole job in one go: train, predict, evaluate and export. Without a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.evaluation.contact_sheet import (
    MEMBRANE_LEGEND,
    SheetRow,
    class_legend,
    contact_sheet,
)
from napari_unet.evaluation.model_evaluation import JudgedModel, evaluate_fold
from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.prediction.predictor import load_predictor
from napari_unet.runs.run_follower import RunFollower
from napari_unet.runs.run_progress import failure
from napari_unet.training_python.choice import find_training_python
from training.config import TrainingConfig, preset_config
from training.dataset.holdout import hold_out, kinds_of
from training.dataset.pair_search import DEFAULT_TEST, find_pair
from training.dataset.training_pair import TrainingPair, open_pair
from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically
from training.files.open_elsewhere import once_closed, remove_folder
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.masks.result_files import ResultFiles
from training.metrics.evaluation_report import Evaluation
from training.opening import open_stack
from training.presets.registry import DEFAULT_PRESET
from training.runs.run_directory import RunDirectory
from training.stacks.sparse_labels import MEMBRANE, channels_of, is_known
from training.stacks.synthetic import CLASSES, write_synthetic

# Enough for the synthetic stack, and the whole demo stays under two minutes on two cores.
SYNTHETIC_OPTIONS = {"steps": 150, "eval_interval": 4}
# What ends a demo from outside, by Ctrl-C or a signal.
INTERRUPTIONS = (KeyboardInterrupt, SystemExit)
_UPDATE_SECONDS = 0.2


class DemoFiles:
    """Names every path that a demo writes.

    Parameters
    ----------
    folder : Path
        The folder for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.synthetic = folder / "synthetic"
        self.run = folder / "run"
        self.mask = folder / "mask.tif"
        self.probability = folder / "probability.tif"
        self.evaluation_json = folder / "evaluation.json"
        self.evaluation_csv = folder / "evaluation.csv"
        self.sheet = folder / "contact-sheet.png"

    def all(self) -> list[Path]:
        return [
            self.synthetic,
            self.run,
            self.mask,
            self.probability,
            self.evaluation_json,
            self.evaluation_csv,
            self.sheet,
        ]


class Demo:
    """The phases of the job, in their order; each writes its results.

    Parameters
    ----------
    out : Path
        Folder for the results.
    data : Path, optional
        Folder with train-volume.tif, train-labels.tif and, if there is one, test-volume.tif.
        By default a synthetic stack is written.
    has_classes : bool
        Label mitochondria beside membranes in the synthetic stack. Labels of ``data`` say
        themselves whether they have classes.

    Raises
    ------
    UserError
        If ``data`` are to get classes.
    """

    def __init__(self, out: Path, data: Path | None = None, has_classes: bool = False) -> None:
        if has_classes and data is not None:
            raise UserError(
                "--classes is of the synthetic stack.",
                "Leave it out: labels that name their classes are learned with these.",
            )
        self._has_classes = has_classes
        self.files = DemoFiles(out.absolute())
        self.is_synthetic = data is None
        self.data = self.files.synthetic if data is None else data.absolute()
        self._launcher = LocalLauncher(self.files.folder)

    def prepare(self, overwrite: bool = False, slices: int = 30, size: int = 256) -> None:
        """Make room for the results, and write the synthetic stack.

        Parameters
        ----------
        overwrite : bool
            Replace what an earlier demo wrote to the folder; other files are left alone.
        slices, size : int
            Size of the synthetic stack: slices, and pixels of a side.

        Raises
        ------
        UserError
            If there are results already, a demo runs there, the folder can't be written,
            the data are not a pair of stacks to train on, or MindSpore is not installed.
        """
        find_training_python()
        if not self.is_synthetic:
            self._check_data()
        self._make_room(overwrite)
        try:
            self.files.folder.mkdir(parents=True, exist_ok=True)
            if self.is_synthetic:
                write_synthetic(self.data, slices, size, has_classes=self._has_classes)
        except BaseException as error:
            self.clean_up()  # a new try needs no --overwrite
            if isinstance(error, OSError):
                raise UnwritableError(self.files.folder, error) from error
            raise

    def config(self) -> TrainingConfig:
        """Make compact's configuration: a short training for the synthetic stack.

        Raises
        ------
        UserError
            If the data can't be used, or the labels are not finished.
        """
        options: dict[str, Any] = SYNTHETIC_OPTIONS
        if self._has_classes:
            options = SYNTHETIC_OPTIONS | {"classes": CLASSES}
        if not self.is_synthetic:
            with self._open_data() as pair:
                meaning = pair.meaning
                options = {"label_convention": meaning.convention, "classes": meaning.classes.text}
        return preset_config(DEFAULT_PRESET, data_url=str(self.data), **options)

    def train(self, config: TrainingConfig, on_update: Callable[[RunFollower], object]) -> None:
        """Train in another process, and end it if this one is interrupted.

        Parameters
        ----------
        config : TrainingConfig
            Usually that of :meth:`config`.
        on_update : callable
            Called with the follower when there is news.

        Raises
        ------
        UserError
            If the training failed.
        """
        run = RunDirectory(self.files.run)
        try:
            follower = RunFollower(self._launcher.start(config, run.name), self._launcher)
            while not follower.has_ended:
                if follower.update():
                    on_update(follower)
                time.sleep(_UPDATE_SECONDS)
        except BaseException:
            if run.config.exists():
                self._launcher.cancel(run)
            raise
        if follower.status == "failed":
            raise failure(run, follower.state)
        if follower.status != "finished":
            raise UserError("The training ended before its last step.", f"The log is {run.log}.")

    def predict(self, on_slice: Callable[[], object] = lambda: None) -> None:
        """Write mask and probability of the stack :meth:`predicted_stack`; of classes the mask.

        Raises
        ------
        UserError
            If the stack or the model can't be used, or a file can't be written.
        """
        path = self.predicted_stack()
        predictor = load_predictor(self.files.run, of_class=None)
        paths = {"mask": self.files.mask, "probability": self.files.probability}
        if predictor.classes:
            del paths["probability"]
        with open_stack(path) as stack:
            threshold = predictor.card.threshold
            about = stack.shape, threshold, LabelConvention.ISBI
            options: dict[str, Any] = {"pixel_size": stack.pixel_size, "classes": predictor.classes}
            with ResultFiles(paths, *about, **options) as files:
                for _, probability in predictor.predict(stack):
                    files.write(probability)
                    on_slice()

    def predicted_stack(self) -> Path:
        """The test volume, or the training volume where there is none."""
        test_volume = self.data / DEFAULT_TEST
        return test_volume if test_volume.exists() else find_pair(self.data)[0]

    def _check_data(self) -> None:
        """Read what the training will; a UserError where it can't be used."""
        with self._open_data() as pair:
            classes = pair.meaning.classes
            codes = pair.codes_of(classes)
            hold_out(codes, 0, kinds=kinds_of(classes, codes))

    @contextmanager
    def _open_data(self) -> Iterator[TrainingPair]:
        """Open images and labels; a UserError without finished labels."""
        with open_pair(*find_pair(self.data), None) as pair:
            if not pair.meaning.is_finished:
                raise UserError(
                    f"{pair.labels.path} has unknown pixels.",
                    "Give finished labels; napari-unet train takes strokes as well.",
                )
            yield pair

    def evaluate(self) -> Evaluation:
        """Evaluate the slices that the training held out; write their figures and the picture.

        Raises
        ------
        UserError
            If the data or the model can't be used, or a file can't be written.
        """
        # In full precision the figures are those of the training.
        predictor = load_predictor(self.files.run, precision="f32", of_class=None)
        classes = predictor.classes
        fold = RunDirectory(self.files.run).read_config().cross_valid_ind
        with self._open_data() as pair:
            codes = pair.codes_of(classes)
            model = JudgedModel(predictor)
            evaluation, probabilities = evaluate_fold(model, fold, pair.images, codes)
            rows = [
                _class_row(index, pair.images[index], codes[index], probability, classes)
                if classes
                else SheetRow.of_membrane(
                    index,
                    pair.images[index],
                    codes[index] == MEMBRANE,
                    probability >= predictor.card.threshold,
                    is_known(codes[index]),
                )
                for index, probability in probabilities.items()
            ]
        write_atomically(self.files.evaluation_json, evaluation.to_json().encode())
        write_atomically(self.files.evaluation_csv, evaluation.to_csv().encode())
        title = f"Held-out slices of {self._name()}, fold {fold}"
        legend = class_legend(classes) if classes else MEMBRANE_LEGEND
        write_atomically(self.files.sheet, contact_sheet(rows, title, legend))
        return evaluation

    def clean_up(self) -> None:
        """Remove what this demo wrote, and its folder if nothing else is in it."""
        for path in self.files.all():
            _remove(path)
        if self.files.folder.is_dir() and not any(self.files.folder.iterdir()):
            self.files.folder.rmdir()

    def _name(self) -> str:
        return "the synthetic stack" if self.is_synthetic else str(self.data)

    def _make_room(self, overwrite: bool) -> None:
        existing = [path for path in self.files.all() if path.exists()]
        if existing and not overwrite:
            raise UserError(
                f"{existing[0]} exists already.", "Choose another folder, or use --overwrite."
            )
        if self.data in existing and not self.is_synthetic:
            raise UserError(
                f"{self.data} would be overwritten.", "Choose another folder for the results."
            )
        run = RunDirectory(self.files.run)
        if run.path.exists():
            run.read_config()  # else it is something of the user's own
            if self._launcher.is_running(run):
                raise UserError(f"A demo is running in {self.files.folder}.", "Wait for its end.")
        for path in existing:
            _remove(path)


def _class_row(
    index: int,
    image: NDArray[Any],
    codes: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    classes: LabelClasses,
) -> SheetRow:
    predicted = classes.channels(classes.decide(probabilities))
    return SheetRow.of_classes(index, image, channels_of(codes), predicted, classes)


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_folder(path)
    else:
        once_closed(lambda: path.unlink(missing_ok=True))
