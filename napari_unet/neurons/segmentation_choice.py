"""Which threshold a model's neurons take: the best on slices that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.segmentation import Segmentation, choose_segmentation
from napari_unet.prediction.predictor import Predictor
from napari_unet.prediction.thread_priority import lower_priority
from training.errors import UserError
from training.label_convention import LabelConvention
from training.runs.run_directory import RunDirectory
from training.stacks.even_slices import pick_evenly
from training.stacks.scaling import Slices
from training.stacks.sparse_labels import INSIDE

MOST_SLICES = 24


def choose_on_training_slices(
    predictor: Predictor,
    images: Slices,
    codes: Mapping[int, NDArray[np.uint8]],
    method: str = "watershed",
    on_slice: Callable[[], object] = lambda: None,
) -> tuple[Segmentation, float]:
    """Choose the segmentation of a model's neurons on some of the slices it was trained on.

    Of a stack with none of them it is chosen on all slices that have labels.

    Parameters
    ----------
    predictor : Predictor
        The model.
    images : array (Z, Y, X), or a file of slices
        The stack that the model was trained on, of any real dtype.
    codes : mapping of int to array (Y, X) of uint8
        Its labelled slices: 1 = membrane, 2 = inside, 3 = padding.
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
    seen = set(predictor.card.seen_slices(images)) & codes.keys()
    chosen = pick_evenly(sorted(seen or codes), MOST_SLICES)
    probabilities = []
    for _, probability in predictor.predict(images, indices=chosen):
        probabilities.append(probability)
        on_slice()
    return choose_segmentation(probabilities, [codes[index] != INSIDE for index in chosen], method)


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
    from training.dataset.training_pair import open_pair
    from training.dataset.volumes import find_volumes

    predictor = load_predictor(path)
    try:
        config = RunDirectory(path).read_config()
        if config.label_convention == LabelConvention.SPARSE:
            return Segmentation()
        first = find_volumes(config)[0]
        with open_pair(first.image, first.labels, first.convention, config.ids) as pair:
            if not pair.meaning.is_finished:
                return Segmentation()
            return choose_on_training_slices(predictor, pair.images, pair.codes)[0]
    except UserError:  # on a server, moved, or of another version
        return Segmentation()
