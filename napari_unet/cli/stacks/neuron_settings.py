"""How ``segment`` finds neurons: as is told, kept with the run, or best on training slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.neurons.kept_merges import check_keeping, kept_merges
from napari_unet.neurons.merge_forest import MergeForest, can_learn
from napari_unet.neurons.merge_learning import learn_merges
from napari_unet.neurons.segmentation import Segmentation
from napari_unet.neurons.segmentation_choice import (
    LabelledVolume,
    choose_on,
    predict_training_slices,
)
from napari_unet.prediction.predictor import Predictor
from training.console import hint, say
from training.dataset.training_pair import TrainingPair
from training.errors import UserError
from training.runs.run_directory import RunDirectory

_NO_LEARN = (
    "The threshold decides alone, because merges are learned by scikit-learn, which is not "
    "installed: pip install 'napari-unet-mindspore[learn]'."
)


@dataclass(frozen=True)
class NeuronSettings:
    """What the options say.

    Parameters
    ----------
    model : Path
    method : str
    threshold, seeds : float or None
        None: to be chosen.
    is_kept : bool
        Keep learned merges with the run.

    Raises
    ------
    UserError
        If seeds are given for components; if merges are to be kept that can't be learned, or with
        no run.
    """

    model: Path
    method: str
    threshold: float | None
    seeds: float | None
    is_kept: bool

    def __post_init__(self) -> None:
        if self.method == "components" and self.seeds is not None:
            raise UserError(
                "--seeds says where the watershed starts, and components have none.",
                "Leave out --seeds or --method components.",
            )
        if not self.is_kept:
            return
        if not self._may_merge:
            raise UserError(
                "--keep-merges keeps what decides in the threshold's place.",
                "Leave out --threshold, --seeds and --method components, or --keep-merges.",
            )
        if not can_learn():
            raise UserError(
                "Merges are learned by scikit-learn, which is not installed.",
                "Install it: pip install 'napari-unet-mindspore[learn]'.",
            )
        check_keeping(self.model)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to choose."""
        is_seeded = self.seeds is not None or self.method == "components"
        return self.threshold is not None and is_seeded

    def choose(self, predictor: Predictor, pairs: Sequence[TrainingPair]) -> Segmentation:
        """Choose the threshold on training slices, and learn merges there; say what came of it.

        Raises
        ------
        UserError
            If the labels of a pair are not finished, or learned merges can't be written.
        """
        for pair in pairs:
            if not pair.meaning.is_finished:
                raise UserError(
                    f"{pair.labels.path} has unknown pixels, so no threshold can be chosen there.",
                    "Give finished labels, or --threshold and --seeds.",
                )
        volumes = [LabelledVolume.of(pair, predictor.card) for pair in pairs]
        learns = self._may_merge and can_learn()
        with ProgressBar(desc="Choosing the threshold", unit="slice", leave=False) as bar:
            slices = predict_training_slices(predictor, volumes, bar.update, has_neighbours=learns)
            how, score = choose_on(slices, self.method)
            how = self._with_given(how)
            seeds = f", seeds {how.seeds:g}" if self.method == "watershed" else ""
            found = f"threshold {how.threshold:g}{seeds}: v_rand {score:.4f} on training slices"
            if learns:
                bar.set_description("Learning merges")
                learned = learn_merges(slices, how, predictor.digest)
        say(found)
        if not learns:
            hint(_NO_LEARN if self._may_merge else "")
            return how
        say(learned.text)
        if self.is_kept:
            self._keep(learned.forest)
        return replace(how, merges=learned.forest)

    def without_data(self, predictor: Predictor) -> Segmentation:
        """Take the merges that are kept with the run, else the defaults.

        Raises
        ------
        UserError
            As :func:`kept_merges`.
        """
        how = self._with_given(Segmentation(self.method))
        run = RunDirectory(self.model)
        if not self._may_merge or not run.config.exists():
            return how
        merges = kept_merges(run, predictor.digest)
        if merges is not None:
            say(f"Learned merges take the threshold's place: {run.merges}")
        return replace(how, merges=merges)

    def _keep(self, forest: MergeForest | None) -> None:
        run = check_keeping(self.model)
        if forest is not None:
            forest.write(run.merges)
            say(f"kept with the run: {run.merges}")
        elif run.merges.exists():
            hint(f"Merges that were kept before are still there: {run.merges}.")

    @property
    def _may_merge(self) -> bool:
        """Whether no option says what decides."""
        return self.method == "watershed" and self.threshold is None and self.seeds is None

    def _with_given(self, how: Segmentation) -> Segmentation:
        threshold = how.threshold if self.threshold is None else self.threshold
        seeds = how.seeds if self.seeds is None else self.seeds
        return replace(how, threshold=threshold, seeds=seeds)


def tell_of_threshold(how: Segmentation, slices: int) -> None:
    """Say so where learned merges do not decide in a stack of so many slices."""
    if how.merges is not None and slices == 1:
        hint(
            f"The threshold of {how.threshold:g} decides, because learned merges need a slice "
            "before or after."
        )
