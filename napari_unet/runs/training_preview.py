"""A small picture of images with their labels, before a training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.runs.training_sources import PairSource, TrainingData
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.stacks.label_census import MEANING_SLICES
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import labelled_slices

_PREVIEW_PIXELS = 256


@dataclass(frozen=True)
class Preview:
    """What the window shows of a pair.

    Parameters
    ----------
    image : array (Y, X) of float32, 0..1
        The middle slice, thinned out.
    labels : array (Y, X)
        The same of the labels, with their dtype, before any convention.
    convention : LabelConvention
        The one given, or guessed from the labels.
    meanings : mapping of LabelConvention to LabelMeaning
        How the labels are read under each convention that they can have.
    shape : tuple of int
        (Z, Y, X) of the images.
    problems : tuple of UserError
        What keeps the pair from being trained on.
    name : str
        What the pair is called.
    others : tuple of Preview
        Those of the other pairs, where there are several.
    """

    image: NDArray[np.float32]
    labels: NDArray[Any]
    convention: LabelConvention
    meanings: Mapping[LabelConvention, LabelMeaning]
    shape: tuple[int, ...]
    problems: tuple[UserError, ...]
    name: str = ""
    others: tuple[Preview, ...] = ()

    @property
    def labelled_count(self) -> int:
        """About how many slices have labels: not all of them are looked at."""
        meaning = self.meanings[self.convention]
        return round(len(meaning.labelled) / meaning.length * self.shape[0])


def preview(
    data: TrainingData,
    convention: LabelConvention | None = None,
    ids: IdBorders = USUAL_BORDERS,
    classes: LabelClasses = NO_CLASSES,
) -> Preview:
    """Look at some slices of each pair, enough to show them and to find most problems.

    Parameters
    ----------
    data : TrainingData
        One pair or several; the first that has a problem is shown, else the first that has more
        than strokes, else the first.
    convention : LabelConvention or None
        Convention of the labels of a single pair where it is known; else it is guessed.
    ids : IdBorders
        Which pixels are membrane where labels are ids.
    classes : LabelClasses
        What the values of labels are, if they have been named.

    Raises
    ------
    UserError
        If a pair can't be found or read.
    """
    pairs = data.pairs()
    known = convention if len(pairs) == 1 else None
    looked = [_preview(pair, known, ids, classes) for pair in pairs]
    # The options fit strokes only where there is nothing else.
    shown = max(
        looked,
        key=lambda found: (bool(found.problems), found.convention != LabelConvention.SPARSE),
    )
    return replace(shown, others=tuple(found for found in looked if found is not shown))


def _preview(
    source: PairSource, convention: LabelConvention | None, ids: IdBorders, classes: LabelClasses
) -> Preview:
    pair = source.read(MEANING_SLICES)
    unclear: list[UserError] = []
    if classes:
        convention = LabelConvention.CLASSES
    if convention is None:
        try:
            convention = pair.meaning().convention
        except UserError as error:
            convention, unclear = LabelConvention.ISBI, [error]
    problems = tuple(pair.problems(convention, ids, classes) or unclear)
    image, labels = (
        _example(stack, pair.labels, convention) for stack in (pair.images, pair.labels)
    )
    low, high = np.nanpercentile(image, (0.5, 99.5)) if image.size else (0, 1)
    scaled = np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    meanings = {}
    if not problems:
        others = {LabelConvention.ISBI, LabelConvention.MEMBRANE}
        for possible in {convention} | (set() if classes else others):
            with suppress(UserError):
                meanings[possible] = pair.meaning(possible, ids, classes)
    about = convention, meanings, pair.shape, problems, source.name
    return Preview(scaled, labels, *about)


def _example(
    stack: NDArray[Any], labels: NDArray[Any], convention: LabelConvention
) -> NDArray[Any]:
    """Thin out the middle slice, or the middle labelled slice where labels are sparse."""
    places = list(range(len(stack)))
    if convention == LabelConvention.SPARSE and labels.ndim == stack.ndim == 3:
        places = [index for index in labelled_slices(labels) if index < len(stack)] or places
    page = stack[places[len(places) // 2]] if stack.ndim == 3 else stack
    stride = max(1, max(page.shape) // _PREVIEW_PIXELS)
    return page[::stride, ::stride]
