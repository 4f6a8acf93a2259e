"""A mask compared with the ground truth, slice by slice, as either is edited."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.evaluation.judging import Figures, find_judge
from napari_unet.evaluation.slice_sets import (
    Trained,
    figures_csv,
    mean_of,
    means_by_set,
    spread_of,
)
from napari_unet.stacks.large_array import allocate
from training.class_thresholds import thresholds_option
from training.console import list_slices
from training.dataset.training_pair import mark_padding
from training.errors import UserError
from training.label_classes import NO_CLASSES, NO_THRESHOLDS, LabelClasses
from training.label_convention import LabelConvention
from training.metrics.neuron_metrics import NEURON_FIGURES, neuron_figures_of_mask
from training.stacks.label_reading import MASK_READING, LabelReading
from training.stacks.sparse_labels import PADDING
from training.stacks.stack_axes import as_stack, is_stack

_Pair = tuple[NDArray[Any], NDArray[np.uint8]]
"""What is predicted of a slice, and the codes of its truth."""


class Comparison:
    """Holds the figures of every slice of a mask; :meth:`update` follows an edit.

    Slices of the truth without labels are not counted, nor are those that are not predicted.
    Figures of pixels take milliseconds a slice. Those of neurons take ten times as long, so they
    are computed separately, and are missing until then; strokes have none.

    Parameters
    ----------
    predicted, truth : arrays (Z, Y, X) or (Y, X) of int
        Pixels of ``predicted`` other than 0 are membrane, unless it is of classes. They are read
        again whenever a slice is computed; they may be dask arrays, and have axes of length 1
        before these.
    predicted_name, truth_name : str
        Names of the layers, for messages and tables.
    reading : LabelReading
        How the truth is read. Unknown pixels don't count.
    image : array (Z, Y, X) or (Y, X), or None
        What they are of, whose padding doesn't count either.
    found : LabelClasses
        Those of ``predicted``. Where the truth has classes as well, all are compared; else membrane
        alone.

    Attributes
    ----------
    trained : collection of int or None
        Slices that the mask's model was trained on; None: it is not known.
    thresholds : mapping of str to float
        Those that the mask was decided by, by the names of classes; empty: none, or not known.
    unpredicted : collection of int
        Slices of ``predicted`` that are not predicted yet; they count if something is on them.
    classes : LabelClasses
        What is compared; empty: membrane.

    Raises
    ------
    UserError
        If they differ in shape or in their classes, have another number of axes, or have classes
        of which none is membrane, where that is compared.
    """

    def __init__(
        self,
        predicted: Any,
        truth: Any,
        predicted_name: str = "mask",
        truth_name: str = "truth",
        reading: LabelReading = MASK_READING,
        image: Any = None,
        found: LabelClasses = NO_CLASSES,
    ) -> None:
        for name, pixels in ((predicted_name, predicted), (truth_name, truth)):
            if not is_stack(pixels):
                raise UserError(f"'{name}' has {pixels.ndim} axes.", "Choose a stack of slices.")
        self._predicted, self._truth = as_stack(predicted), as_stack(truth)
        if self._predicted.shape != self._truth.shape:
            raise UserError(
                f"'{predicted_name}' has the shape {predicted.shape}, but '{truth_name}' has "
                f"{truth.shape}.",
                "Choose two layers of the same stack.",
            )
        self.predicted_name, self.truth_name = predicted_name, truth_name
        self.trained: Trained = None
        self.thresholds: Mapping[str, float] = NO_THRESHOLDS
        self.unpredicted: Collection[int] = ()
        self.reading = reading
        self._judge = find_judge(reading, found, predicted_name, truth_name)
        self.classes = reading.classes if found else NO_CLASSES
        self.is_sparse = not reading.is_finished
        self._arrays = predicted, truth
        self._image = None if image is None else as_stack(image)
        self.has_padding = False  # on a slice that was computed
        length = len(self._predicted)
        self._figures: list[Figures | None] = [None] * length  # empty: not counted
        self._empty: set[int] = set()  # slices that turned out not to be predicted
        self._neurons: list[Figures] = [{}] * length
        self._edits = [0] * length
        self._wrong: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._figures)

    def __getitem__(self, index: int) -> Figures | None:
        """Give the figures of a slice, none if it does not count; None before it is computed."""
        figures = self._figures[index]
        return figures and {**figures, **self._neurons[index]}

    def is_of(self, predicted: Any, truth: Any) -> bool:
        """Whether these are the very arrays that are compared."""
        return self._arrays[0] is predicted and self._arrays[1] is truth

    @property
    def names(self) -> tuple[str, ...]:
        """The figures that this truth allows."""
        return self._judge.names + (NEURON_FIGURES if self.reading.has_neurons else ())

    @property
    def computed_slices(self) -> int:
        """Of how many slices the figures of pixels were computed."""
        return sum(figures is not None for figures in self._figures)

    @property
    def has_neurons(self) -> bool:
        """Whether the figures of neurons are up to date, of every slice that has some."""
        return not self._without_neurons()

    @property
    def unlabelled_slices(self) -> list[int]:
        """Slices that were found to have no labels."""
        every = enumerate(self._figures)
        return [index for index, figures in every if figures == {} and index not in self._empty]

    @property
    def unpredicted_slices(self) -> list[int]:
        """Slices that were found not to be predicted yet."""
        return sorted(self._empty)

    def update_all(self) -> None:
        """Compute the figures of pixels of all slices."""
        for index in range(len(self)):
            self.update(index)

    def update(self, index: int) -> bool:
        """Compute figures and wrong pixels of a slice again; True if any changed."""
        if index in self.unpredicted and not np.any(self._predicted[index]):
            self._empty.add(index)
            return self._note(index, {}, None)
        self._empty.discard(index)
        pair = self._pair(index)
        return self._note(index, self._judge.compare(*pair), pair)

    def keep_wrong_pixels(self) -> NDArray[np.uint8]:
        """Keep the pixels where the two differ, of slices that are computed from now on.

        Returns
        -------
        array (Z, Y, X) or (Y, X) of uint8
            In the mask's shape, see :func:`wrong_pixels.find_wrong`; :meth:`update` fills it.
        """
        if self._wrong is None:
            self._wrong = allocate(self._arrays[0].shape, np.uint8)
        return self._wrong

    def update_neurons(self, seconds: float = math.inf) -> None:
        """Compute the figures of neurons where they are missing, edited slices first.

        May run in a thread while another one updates slices: they stay missing for a slice that
        changes in the meantime.

        Parameters
        ----------
        seconds : float
            After this time it ends with the slice under way.
        """
        end = time.monotonic() + seconds
        for index in sorted(self._without_neurons(), key=lambda index: -self._edits[index]):
            if time.monotonic() > end:
                break
            edits = self._edits[index]
            predicted, codes = self._pair(index)
            neurons = self.reading.neurons(np.asarray(self._truth[index]), codes)
            figures = neuron_figures_of_mask(predicted, neurons)
            if self._edits[index] == edits:
                self._neurons[index] = figures

    def by_slice(self) -> dict[int, Figures]:
        """Give the figures of the labelled slices computed so far, by index."""
        every = ((index, self[index]) for index in range(len(self)))
        return {index: figures for index, figures in every if figures}

    def worst_first(self) -> list[int]:
        """List the computed slices from the lowest Dice to the highest."""
        computed = self.by_slice()
        return sorted(computed, key=lambda index: computed[index]["dice"])

    def next_worst(self, index: int) -> int:
        """Give the slice after ``index`` in :meth:`worst_first`; after the best comes the worst."""
        order = self.worst_first()
        if index not in order:
            return order[0] if order else index
        return order[(order.index(index) + 1) % len(order)]

    def mean(self) -> Figures:
        """Take the mean of each figure over the slices computed so far; empty before the first.

        Figures that some of these slices lack are left out.
        """
        return mean_of(self.by_slice().values())

    def means(self) -> dict[str, Figures]:
        """Take the mean of each set of slices, see :func:`slice_sets.means_by_set`."""
        return means_by_set(self.by_slice(), self.trained)

    def spread(self) -> Figures:
        """Take the standard deviation of each figure over the slices computed so far."""
        return spread_of(self.by_slice().values())

    def to_csv(self, delimiter: str = ",") -> str:
        """Write a line a slice, then the mean of each set, and the deviation over all."""
        labels = {
            "mask": self.predicted_name,
            "truth": self.truth_name,
            "thresholds": thresholds_option(self.thresholds),
        }
        return figures_csv(self.by_slice(), self.trained, self.names, labels, delimiter)

    def read_pages(
        self, predicted: Any, truth: Any, image: Any = None
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Read a slice of the mask and of the truth as they are compared.

        Parameters
        ----------
        predicted, truth : arrays (Y, X) of int
        image : array (Y, X), or None
            What they are of; its padding does not count where the comparison knows the image.

        Returns
        -------
        predicted : array (Y, X) of bool, or of uint8
            True where it is membrane; of classes the channels of the truth's.
        codes : array (Y, X) of uint8
            The truth's, of ``training.stacks.sparse_labels``; of classes their places from 1.
        """
        codes = self._judge.read_truth(np.asarray(truth))
        if image is not None and self._image is not None:
            mark_padding(codes, np.asarray(image))
        return self._judge.read_mask(np.asarray(predicted)), codes

    def _note(self, index: int, figures: Figures, pair: _Pair | None) -> bool:
        """Keep what was found of a slice, None where it does not count; True if that is new."""
        is_redrawn = self._wrong is not None and self._redraw(self._wrong, index, pair)
        has_changed = figures != self._figures[index]
        if has_changed:
            self._edits[index] += 1
            self._neurons[index] = {}
        self._figures[index] = figures
        return has_changed or is_redrawn

    def _redraw(self, kept: NDArray[np.uint8], index: int, pair: _Pair | None) -> bool:
        """Keep the wrong pixels of a slice; True if they changed."""
        former = as_stack(kept)[index]
        wrong = np.zeros_like(former) if pair is None else self._judge.find_wrong(*pair)
        has_changed = not np.array_equal(former, wrong)
        former[:] = wrong
        return has_changed

    def _without_neurons(self) -> list[int]:
        if not self.reading.has_neurons:
            return []
        return [
            index
            for index, known in enumerate(self._neurons)
            if not known and self._figures[index] != {}
        ]

    def _pair(self, index: int) -> _Pair:
        """Read a slice: what is predicted, and the codes of the truth."""
        image = None if self._image is None else self._image[index]
        predicted, codes = self.read_pages(self._predicted[index], self._truth[index], image)
        if image is not None:
            self.has_padding |= bool((codes == PADDING).any())
        return predicted, codes


def counted_note(comparison: Comparison) -> str:
    """Say which slices and pixels are not counted, in a sentence or two; empty if all are."""
    empty, length = comparison.unpredicted_slices, len(comparison)
    missing = comparison.unlabelled_slices
    if len(empty) == length:
        return f"'{comparison.predicted_name}' is not predicted yet, so nothing is compared."
    if len(missing) + len(empty) == length:
        where = " where it is predicted" if empty else ""
        return f"'{comparison.truth_name}' has no labelled slice{where}, so nothing is compared."
    notes = []
    if empty:
        notes.append(f"Not counted, because it is not predicted: slice {list_slices(empty)}.")
    if comparison.reading.convention == LabelConvention.INSTANCES:
        notes.append(
            f"'{comparison.truth_name}' holds ids of cells: {comparison.reading.ids.describe()}. "
            "Neurons are judged by the ids."
        )
    elif comparison.is_sparse:
        counted = len(comparison.by_slice())
        count = "1 slice" if counted == 1 else f"{counted} slices"
        notes.append(
            f"'{comparison.truth_name}' holds strokes: the painted pixels of {count} count."
        )
    if missing and not comparison.is_sparse:
        notes.append(f"Not counted, because all of it has one label: slice {list_slices(missing)}.")
    if comparison.has_padding:
        notes.append("The image's padding, a border of one value, is not counted.")
    return " ".join(notes)
