"""Which threshold a model's neurons take: the best on slices that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.kept_merges import kept_merges
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
MOST_LEARNED = 2**27  # pixels of the slices whose neighbours are predicted too


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


@dataclass(frozen=True)
class TrainingSlice:
    """A slice with labels, as the model sees it.

    Parameters
    ----------
    probability : array (Y, X) of float32
        Probability of membrane, 0..1.
    is_border : array (Y, X) of bool
        Its truth: True = membrane or padding.
    beside : tuple of arrays (Y, X) of float32
        Probability of the slices before and after, where they are asked for and there are such.
    """

    probability: NDArray[np.float32]
    is_border: NDArray[np.bool_]
    beside: tuple[NDArray[np.float32], ...] = ()


def predict_training_slices(
    predictor: Predictor,
    volumes: Sequence[LabelledVolume],
    on_slice: Callable[[], object] = lambda: None,
    has_neighbours: bool = False,
) -> list[TrainingSlice]:
    """Predict some of the slices that a model was trained on.

    Where it was trained on none of them they are taken from all slices that have labels.

    Parameters
    ----------
    predictor : Predictor
        The model.
    volumes : sequence of LabelledVolume
        The stacks that the model was trained on, at least one; each has the same share.
    on_slice : callable
        Called after each slice that is predicted.
    has_neighbours : bool
        Predict the slices before and after them as well, whatever labels these have; of large
        slices, before and after some of them.
    """
    card = predictor.card
    seen = [set(card.seen_slices(volume.images)) & volume.codes.keys() for volume in volumes]
    from_all = not any(seen)
    count = sum(map(bool, seen)) or len(volumes)
    found = []
    for volume, of_training in zip(volumes, seen, strict=True):
        slices = sorted(volume.codes if from_all else of_training)
        chosen = pick_evenly(slices, max(1, MOST_SLICES // count))
        most = MOST_LEARNED // (count * volume.codes[chosen[0]].size) if chosen else 0
        learned = pick_evenly(chosen, max(1, most)) if has_neighbours else ()
        beside = {index: _beside(index, volume) if index in learned else () for index in chosen}
        wanted = sorted({*chosen, *chain.from_iterable(beside.values())})
        predicted = {}
        for index, probability in predictor.predict(
            volume.images, indices=wanted, view=volume.view
        ):
            predicted[index] = probability
            on_slice()
        found += [
            TrainingSlice(
                predicted[index],
                volume.codes[index] != INSIDE,
                tuple(predicted[other] for other in beside[index]),
            )
            for index in chosen
        ]
    return found


def choose_on_training_slices(
    predictor: Predictor,
    volumes: Sequence[LabelledVolume],
    method: str = "watershed",
    on_slice: Callable[[], object] = lambda: None,
) -> tuple[Segmentation, float]:
    """Choose the segmentation of a model's neurons on some of the slices it was trained on.

    Parameters
    ----------
    predictor, volumes, on_slice
        As of :func:`predict_training_slices`.
    method : str
        One of :data:`segmentation.METHODS`.

    Returns
    -------
    how : Segmentation
    v_rand : float
        As of :func:`segmentation.choose_segmentation`.
    """
    return choose_on(predict_training_slices(predictor, volumes, on_slice), method)


def choose_on(slices: Sequence[TrainingSlice], method: str) -> tuple[Segmentation, float]:
    """Choose the segmentation as :func:`choose_on_training_slices`, on predicted slices."""
    probabilities = [slice_.probability for slice_ in slices]
    return choose_segmentation(probabilities, [slice_.is_border for slice_ in slices], method)


def _beside(index: int, volume: LabelledVolume) -> tuple[int, ...]:
    return tuple(z for z in (index - 1, index + 1) if 0 <= z < len(volume.images))


def settings_of_model(model: Path) -> Segmentation:
    """Find the merges that are kept with a run, else its best settings on slices it trained on.

    A model without its run, or a run whose training data are gone or labelled in part, gets the
    default settings.

    Parameters
    ----------
    model : Path
        Folder of a run, or an ONNX file.

    Raises
    ------
    UserError
        As :func:`~napari_unet.neurons.kept_merges.kept_merges`.
    """
    run = RunDirectory(model)
    if not run.has_model or not run.config.exists():
        return Segmentation()
    files = run.model_file, run.merges
    changed = tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        return executor.submit(_settings_of_run, model, changed).result()


@lru_cache(maxsize=8)
def _settings_of_run(path: Path, changed: tuple[int, ...]) -> Segmentation:
    """Choose the settings of a run; ``changed`` is there to choose again after more training."""
    from napari_unet.prediction.predictor import load_predictor

    predictor = load_predictor(path)
    run = RunDirectory(path)
    merges = kept_merges(run, predictor.digest)
    if merges is not None:
        return Segmentation(merges=merges)
    try:
        return _choose_on_run(run, predictor)
    except UserError:  # on a server, moved, or of another version
        return Segmentation()


def _choose_on_run(run: RunDirectory, predictor: Predictor) -> Segmentation:
    from training.dataset.volumes import find_volumes

    config = run.read_config()
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
