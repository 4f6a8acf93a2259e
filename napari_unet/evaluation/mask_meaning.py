"""How the values of a mask are read: which of them are membrane."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from training.errors import UserError
from training.formats.stack import Stack
from training.label_classes import NO_CLASSES
from training.label_convention import IdBorders, LabelConvention
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning, check_ends, question_share


def mask_meaning(mask: Stack, convention: LabelConvention | None, ids: IdBorders) -> LabelMeaning:
    """Find out how a mask is read: as asked for or noted, as ids, as greys, else isbi.

    Parameters
    ----------
    convention : LabelConvention or None
        The one that was asked for.
    ids : IdBorders
        Which pixels are membrane if they are ids.

    Raises
    ------
    UserError
        If it can't be read, or its values are unclear.
    """
    census, note = LabelCensus.of(mask), mask.label_note
    classes = note.classes if note is not None and convention is None else NO_CLASSES
    name, kinds = str(mask.path), LabelConvention
    options: dict[str, Any] = {"ids": ids, "is_mask": True, "classes": classes}
    read = partial(LabelMeaning.of, census, name, **options)
    if convention is None and note is not None and note.convention != kinds.SPARSE:
        convention = note.convention or kinds.INSTANCES
    if census.is_probability and convention != kinds.INSTANCES:
        if convention is None and census.counts:
            check_ends(census, name, is_mask=True)
        return _probability(census, convention or kinds.MEMBRANE)
    if not census.counts and convention is not None and not classes:
        return _one_value(census, convention, ids)
    if convention is None and census.counts:
        are_ids = False
        with suppress(UserError):
            are_ids = read().convention == kinds.INSTANCES
        if are_ids:
            convention = kinds.INSTANCES
        elif not census.is_graded:
            convention = kinds.ISBI
    return read(convention=convention)


def _probability(census: LabelCensus, convention: LabelConvention) -> LabelMeaning:
    """Read a probability from 0.5 on, as a prediction does."""
    half = np.nextafter(census.dtype.type(0.5), census.dtype.type(0))
    what = "membrane" if convention == LabelConvention.MEMBRANE else "inside"
    told = f"{census.summary()} are taken as probabilities: from 0.5 on it is {what}"
    return _cut(census, convention, half, told)


def _one_value(census: LabelCensus, convention: LabelConvention, ids: IdBorders) -> LabelMeaning:
    """Read slices that have one value each."""
    if convention == LabelConvention.INSTANCES:
        told = f"{census.summary()} are taken as ids of cells"
        return LabelMeaning(convention, ids=ids, length=census.length, reading=told)
    is_high = convention == LabelConvention.MEMBRANE
    return _cut(census, convention, 0, f"{'every value but 0' if is_high else '0'} is membrane")


def _cut(census: LabelCensus, convention: LabelConvention, cut: float, told: str) -> LabelMeaning:
    counts = census.counts or Counter(census.uniform.values())
    share = sum(pixels for value, pixels in counts.items() if value > cut) / sum(counts.values())
    share = share if convention == LabelConvention.MEMBRANE else 1 - share
    return LabelMeaning(
        convention,
        cut,
        labelled=tuple(census.labelled_slices),
        length=census.length,
        share=share,
        reading=told,
        question=question_share(share, convention),
    )
