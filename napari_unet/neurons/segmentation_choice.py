"""Which threshold a model's neurons take: the best on slices that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.segmentation import Segmentation, choose_segmentation
from napari_unet.prediction.predictor import Predictor
from napari_unet.prediction.thread_priority import lower_priority
from training.dataset.training_pair import TrainingPair, open_pair
from training.errors import UserError
from training.label_convention import LabelConvention
from training.model.model_card import ModelCard
from training.model.slice_prediction import WHOLE
from training.model.slice_view import SliceView
from training.model.stack_scale import zoom_of_training
from training.runs.run_directory import RunDirectory
from training.stacks.even_slices import pick_evenly
from training.stacks.scaling import Slices
from training.stacks.sparse_labels import INSIDE

MOST_SLICES = 24


@dataclass(frozen=True)
class LabelledVolume:
    """A stack with labels, on which settings are chosen.

    Parameters
    ----------
    images : array (Z, Y, X), or a file of slices
        Of any real dtype.
    codes : mapping of int to array (Y, X) of uint8
        Its labelled slices: 1 = membrane, 2 = inside, 3 = padding.
    view : SliceView
        At which scale it is predicted.
    """

    images: Slices
    codes: Mapping[int, NDArray[np.uint8]]
    view: SliceView = WHOLE

    @classmethod
    def of(cls, pair: TrainingPair, card: ModelCard) -> LabelledVolume:
        """Take a pair, at the scale of a model's training."""
        return cls(pair.images, pair.codes, SliceView(zoom_of_training(card, pair.images)))


def choose_on_training_slices(
    predictor: Predictor,
    volumes: Sequence[LabelledVolume],
    method: str = "watershed",
    on_slice: Callable[[], object] = lambda: None,
) -> tuple[Segmentation, float]:
    """Choose the segmentation of a model's neurons on some of the slices it was trained on.

    Where it was trained on none of them it is chosen on all slices that have labels.

    Parameters
    ----------
    predictor : Predictor
        The model.
    volumes : sequence of LabelledVolume
        The stacks that the model was trained on, at least one; each has the same share.
    method : str
        One of :data:`segmentation.METHODS`.
    on_slice : callable
        Called after each slice that is predicted.

    Returns
    -------
    how : Segmentation
    v_rand : float
        As of :func:`segmentation.choose_segmentation`.
    """
    card = predictor.card
    seen = [set(card.seen_slices(volume.images)) & volume.codes.keys() for volume in volumes]
    from_all = not any(seen)
    count = sum(map(bool, seen)) or len(volumes)
    probabilities, borders = [], []
    for volume, of_training in zip(volumes, seen, strict=True):
        slices = sorted(volume.codes if from_all else of_training)
        chosen = pick_evenly(slices, max(1, MOST_SLICES // count))
        predicted = predictor.predict(volume.images, indices=chosen, view=volume.view)
        for index, probability in predicted:
            probabilities.append(probability)
            borders.append(volume.codes[index] != INSIDE)
            on_slice()
    return choose_segmentation(probabilities, borders, method)


def settings_of_model(model: Path) -> Segmentation:
    """Find the best settings on slices that a run was trained on.

    A model without its run, or a run whose training data are gone or labelled in part, gets the
    default settings.

    Parameters
    ----------
    model : Path
        Folder of a run, or an ONNX file.
    """
    run = RunDirectory(model)
    if not run.has_model or not run.config.exists():
        return Segmentation()
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        return executor.submit(_settings_of_run, model, run.model_file.stat().st_mtime_ns).result()


@lru_cache(maxsize=8)
def _settings_of_run(path: Path, changed: int) -> Segmentation:
    """Choose the settings of a run; ``changed`` is there to choose again after more training."""
    from napari_unet.prediction.predictor import load_predictor
    from training.dataset.volumes import find_volumes

    predictor = load_predictor(path)
    try:
        config = RunDirectory(path).read_config()
        if config.label_convention == LabelConvention.SPARSE:
            return Segmentation()
        with ExitStack() as opened:
            volumes = []
            for files in find_volumes(config):
                reading = files.convention, config.ids, (), config.label_classes
                pair = opened.enter_context(open_pair(files.image, files.labels, *reading))
                if pair.meaning.is_finished:
                    volumes.append(LabelledVolume.of(pair, predictor.card))
            return choose_on_training_slices(predictor, volumes)[0] if volumes else Segmentation()
    except UserError:  # on a server, moved, or of another version
        return Segmentation()
