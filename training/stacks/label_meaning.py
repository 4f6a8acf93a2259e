"""What the values of labels mean: decided here for the command line, the window and the training.

Whoever has labels asks :meth:`LabelMeaning.of`, and reads them by
:meth:`~training.stacks.label_reading.LabelReading.read`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.console import begin_with_slices
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.stacks.class_census import (
    check_several,
    check_values,
    describe_shares,
    labelled_slices,
    question_background,
)
from training.stacks.label_census import FEWEST_GREYS, LabelCensus, value_text
from training.stacks.label_fit import question_fit
from training.stacks.label_reading import LabelReading
from training.stacks.scaling import Slices
from training.stacks.sparse_labels import INSIDE, MEMBRANE, UNKNOWN

MOST_MEMBRANE, LEAST_MEMBRANE = 0.5, 0.01  # shares of what can hardly be membrane
_MUCH_MEMBRANE = 0.4  # share from which the rarer of two kinds may as well be the other
_MOST_PAINTED = 0.15  # share of labelled slices; nobody paints more strokes on membranes
_STRAY = 0.01  # share of the pixels other than 0 up to which a value is a slip of the brush
_ENDS = 0.55  # share of the pixels near either end of the range, of what was smoothed; images: 0.4
_MOST_CLASSES = 32  # more values than these are ids of cells
_ONE_PIECE = 2.0  # pieces a value and slice; classes have more
_CLEAR_LABELS = (
    "Give labels of two values, such as 0 for membrane and 255 for inside, or strokes: 0 = "
    "unknown, 1 = membrane, 2 = inside."
)
_SAY_HOW = "choose the mask's convention: isbi, where 0 is membrane, or membrane, where it is not."


@dataclass(frozen=True)
class LabelMeaning(LabelReading):
    """What labels mean: how they are read, and what that gives.

    Parameters
    ----------
    labelled : tuple of int
        The slices that have labels.
    length : int
        Number of all slices.
    share : float
        Share of the known pixels that are membrane, 0..1.
    reading : str
        How the values are read, as a person is told.
    question : str
        Why that may be wrong; empty where nothing looks wrong.
    is_mask : bool
        Whether 0 is one kind and a single value the other, slips of the brush aside.
    padding : float
        Share of the labelled slices that is padding of their images, 0..1.
    """

    labelled: tuple[int, ...] = ()
    length: int = 0
    share: float = 0.0
    reading: str = ""
    question: str = ""
    is_mask: bool = False
    padding: float = 0.0

    @classmethod
    def of(
        cls,
        labels: Slices | LabelCensus,
        name: str = "labels",
        convention: LabelConvention | None = None,
        ids: IdBorders = USUAL_BORDERS,
        *,
        is_mask: bool = False,
        classes: LabelClasses = NO_CLASSES,
    ) -> LabelMeaning:
        """Find out what labels mean.

        Slices of one value are not labelled, and are not counted.

        Parameters
        ----------
        labels : array (Z, Y, X), a file of slices, or the census of either
            Any real dtype. A census, counted once, does for several conventions.
        name : str
            What messages call them.
        convention : LabelConvention or None
            None: it is guessed. Of two kinds the rarer one is membrane.
        ids : IdBorders
            Which pixels are membrane if the labels are ids; others don't have it.
        is_mask : bool
            Whether they are a mask, which is never strokes.
        classes : LabelClasses
            What the values are, which is not guessed then.

        Raises
        ------
        UserError
            If they don't have both membrane and inside, or it is unclear which is which; if a
            value has no class.
        """
        census = labels if isinstance(labels, LabelCensus) else LabelCensus.of(labels)
        meaning = _Decision(census, name, ids, is_mask, classes).meaning(convention)
        if census.images is None or (classes and classes.membrane is None):
            return meaning
        fit = question_fit(census.images, census.sample, meaning.read)
        return replace(meaning, question=" ".join(filter(None, (meaning.question, fit))))

    @property
    def unlabelled_sentence(self) -> str:
        """Name the slices without labels; empty where there are none."""
        labelled = set(self.labelled)
        missing = [index for index in range(self.length) if index not in labelled]
        if not missing or self.convention == LabelConvention.SPARSE:
            return ""
        subject = begin_with_slices(missing, "of the labels", "has", "have")
        return f"{subject} one value only: not labelled, so neither trained nor validated on."

    def as_isbi(self) -> LabelMeaning:
        """Say what the same labels mean in a file with 0 for membrane and 255 for inside."""
        isbi = LabelConvention.ISBI
        asked = question_share(self.share, self.convention)
        question = self.question
        if asked:
            question = question.replace(asked, question_share(self.share, isbi))
        return LabelMeaning(
            convention=isbi,
            cut=255 // 2,
            labelled=self.labelled,
            length=self.length,
            share=self.share,
            reading="0 is membrane",
            question=question,
            is_mask=True,
            padding=self.padding,
        )

    def describe(self) -> list[str]:
        """Say how the labels are read, which slices have none, and what may be wrong."""
        read = f"Labels: {self.reading}."
        if self.convention not in (LabelConvention.SPARSE, LabelConvention.CLASSES):
            read = f"Labels: {self.reading}: {percent(self.share)} membrane."
        padding = ""
        if self.padding:
            padding = (
                f"{percent(self.padding)} of the labelled slices is padding, a border of one "
                "value: it is not counted."
            )
        return [read, *filter(None, (self.unlabelled_sentence, padding, self.question))]


@dataclass(frozen=True)
class _Decision:
    """From the values of labels to their meaning."""

    census: LabelCensus
    name: str
    ids: IdBorders
    is_mask: bool
    classes: LabelClasses = NO_CLASSES

    @property
    def values(self) -> list[float]:
        """The values that say membrane or inside."""
        values = self.census.values
        return [value for value in values if value >= 0] if self.has_ignored else values

    @property
    def has_ignored(self) -> bool:
        """Whether negative values are unknown: whole numbers beside at least two others."""
        negative = [value for value in self.census.values if value < 0]
        is_marked = all(float(value).is_integer() for value in negative) and len(negative) <= 2
        return bool(negative) and is_marked and len(self.census.values) - len(negative) >= 2

    def meaning(self, convention: LabelConvention | None) -> LabelMeaning:
        if self.classes:
            return self._named_classes()
        if convention == LabelConvention.CLASSES:
            raise UserError(
                f"The values of {self.name} are classes, but these have no names.",
                "Name them, such as --classes membrane,mitochondria.",
            )
        if convention == LabelConvention.SPARSE:
            return self._sparse()
        if not self.census.counts:
            raise self._one_value_error()
        if convention is None and self._looks_sparse():
            return self._sparse(is_guessed=True)
        if convention == LabelConvention.INSTANCES:
            return self._instances()
        if len(self.values) == 2:
            total, is_whole = sum(self.values), self.census.has_whole_numbers
            return self._two_kinds(convention, total // 2 if is_whole else total / 2)
        if len(self.values) >= FEWEST_GREYS and self.census.is_graded:
            return self._graded(convention)
        return self._classes(convention)

    def _looks_sparse(self) -> bool:
        """Whether there are 0, 1 and 2 alone; a dab of 2 on a mask does not make it strokes."""
        is_strokes = not self.is_mask and self.values == [UNKNOWN, MEMBRANE, INSIDE]
        return is_strokes and self.census.share([INSIDE], self.values[1:]) > _STRAY

    def _sparse(self, is_guessed: bool = False) -> LabelMeaning:
        uniform = self.census.uniform
        found = {*self.census.values, *uniform.values()}
        if not {value for value in found if value >= 0} <= {UNKNOWN, MEMBRANE, INSIDE}:
            raise UserError(
                f"{self.name} has other values than sparse labels have: {self.census.summary()}.",
                "Label with 0 = unknown, 1 = membrane, 2 = inside, or choose another convention.",
            )
        labelled = [z for z in range(self.census.length) if uniform.get(z, 1) > 0]
        pixels = {value: self.census.counts.get(value, 0) for value in (MEMBRANE, INSIDE)}
        share = pixels[MEMBRANE] / max(sum(pixels.values()), 1)
        told = "0, 1 and 2 are taken as strokes: 1 is membrane, 2 inside, 0 unknown"
        if is_guessed:
            told += " (finished labels of these values take another --convention)"
        painted = self.census.share([MEMBRANE], self.census.values)
        question = ""
        if share > MOST_MEMBRANE and painted > _MOST_PAINTED:
            question = (
                f"{percent(share)} of the strokes are on membrane, which is a lot. If 0, 1 and 2 "
                "are classes of finished labels, give labels of two values, membrane and the rest, "
                "or --convention: isbi where 0 alone is membrane, membrane where 1 and 2 are; or "
                "name them by --classes."
            )
        return self._meaning(LabelConvention.SPARSE, 0, share, told, question, labelled)

    def _named_classes(self) -> LabelMeaning:
        check_values(self.census, self.name, self.classes)
        check_several(self.census, self.name, self.classes)
        told = describe_shares(self.census, self.classes)
        question = question_background(self.census, self.classes)
        labelled = labelled_slices(self.census, self.classes)
        meaning = self._meaning(LabelConvention.CLASSES, 0, 0.0, told, question, labelled)
        has_ignored = any(value < 0 for value in self.census.values)
        return replace(meaning, classes=self.classes, has_ignored=has_ignored, is_mask=False)

    def _instances(self) -> LabelMeaning:
        if not self.census.has_whole_numbers or not any(self.values):
            raise UserError(
                f"{self.name} does not hold ids of cells, but {self.census.summary()}.",
                _CLEAR_LABELS,
            )
        has_zero = 0 in self.values
        ids = replace(self.ids, is_zero_unknown=self.ids.is_zero_unknown and has_zero)
        if not ids.width and (ids.is_zero_unknown or not has_zero):
            zeros = "0 is unknown" if has_zero else "no pixel is 0"
            raise UserError(
                f"With a border of 0 pixels, {self.name} has no membrane: {zeros}.",
                "Give a border of 1 pixel or more.",
            )
        told = f"{self.census.summary()} are taken as ids of cells: {ids.describe()}"
        meaning = self._meaning(LabelConvention.INSTANCES, 0, 0.0, told, ids=ids)
        known = meaning.read(self.census.sample)
        pixels = np.count_nonzero(known == MEMBRANE), np.count_nonzero(known)
        share = pixels[0] / max(pixels[1], 1)
        question = question_share(share, LabelConvention.INSTANCES)
        return replace(meaning, share=share, question=question)

    def _graded(self, convention: LabelConvention | None) -> LabelMeaning:
        """Cut values in between, of smoothed labels or of a probability."""
        if not (self.is_mask and convention):
            check_ends(self.census, self.name, self.is_mask)
        return self._two_kinds(convention, self._middle, is_graded=True)

    @property
    def _middle(self) -> float:
        """Half of the range; or of what a probability, or greys of a mask, can reach, if beyond."""
        low, high, dtype = self.values[0], self.values[-1], self.census.dtype
        if self.census.is_probability:
            half = 0.5
        elif self.is_mask and dtype in (np.uint8, np.uint16):
            half = np.iinfo(dtype).max / 2
        else:
            half = low
        return half if low < half < high else (low + high) / 2

    def _classes(self, convention: LabelConvention | None) -> LabelMeaning:
        """Read several even values: ids of cells, a mask with strays, or unclear classes."""
        is_asked = convention is not None
        zero = self.values[0] == 0
        if not zero and is_asked:
            raise self._no_zero_error()
        zero_share = self.census.share([0], self.values)
        if zero and (is_asked or self._is_mask()):
            return self._two_kinds(convention, 0)
        are_ids = self.census.has_whole_numbers and (
            len(self.values) > _MOST_CLASSES or self.census.pieces() < _ONE_PIECE
        )
        if not are_ids or zero_share > MOST_MEMBRANE:
            raise UserError(
                f"{self.name} has {self.census.summary()}: which of them are membrane is unclear.",
                f"{_CLEAR_LABELS} Or choose the convention yourself: isbi where 0 is membrane, "
                "membrane where every other value is, instances where each cell has an id; or name "
                "what the values are, as classes.",
            )
        return self._instances()

    def _is_mask(self) -> bool:
        """Whether nearly all pixels other than 0 have the same value."""
        others = self.values[1:]
        if not others or self.values[0] != 0 or self.has_ignored:
            return False
        most = max(others, key=lambda value: self.census.counts[value])
        return 1 - self.census.share([most], others) <= _STRAY

    def _two_kinds(
        self, convention: LabelConvention | None, cut: float, is_graded: bool = False
    ) -> LabelMeaning:
        high = [value for value in self.values if value > cut]
        high_share = self.census.share(high, self.values)
        if convention is None:
            is_high = high_share <= 0.5
            convention = LabelConvention.MEMBRANE if is_high else LabelConvention.ISBI
        is_high = convention == LabelConvention.MEMBRANE
        share = high_share if is_high else 1 - high_share
        if is_graded:
            side = "above" if is_high else "up to"
            told = f"{self.census.summary()}, cut at {cut:.4g}: those {side} it are membrane"
        elif self.values[0] == 0:
            what = "every value but 0 is" if is_high else "0 is"
            told = f"{what} membrane"
        else:
            membrane, inside = map(value_text, self.values[::-1] if is_high else self.values)
            told = f"{membrane} is membrane, {inside} inside"
        return self._meaning(convention, cut, share, told, question_share(share, convention))

    def _meaning(
        self,
        convention: LabelConvention,
        cut: float,
        share: float,
        told: str,
        question: str = "",
        labelled: list[int] | None = None,
        ids: IdBorders = USUAL_BORDERS,
    ) -> LabelMeaning:
        is_sparse = convention == LabelConvention.SPARSE
        has_ignored = self.has_ignored and not is_sparse
        return LabelMeaning(
            convention=convention,
            cut=cut,
            has_ignored=has_ignored,
            ids=ids,
            labelled=tuple(self.census.labelled_slices if labelled is None else labelled),
            length=self.census.length,
            share=share,
            reading=f"{told}; negative values are unknown" if has_ignored else told,
            question=question,
            is_mask=self._is_mask() and not is_sparse,
            padding=self.census.padding,
        )

    def _one_value_error(self) -> UserError:
        values = {*self.census.uniform.values()}
        start = (
            f"All pixels of {self.name} are"
            if len(values) == 1
            else (f"Each slice of {self.name} has one value only:")
        )
        remedy = "Give labels with both membrane and inside."
        if self.is_mask:
            remedy = f"{_SAY_HOW[0].upper()}{_SAY_HOW[1:]}"
        return UserError(f"{start} {self.census.summary()}.", remedy)

    def _no_zero_error(self) -> UserError:
        return UserError(
            f"{self.name} has {self.census.summary()}, and no 0: all of it would be the same kind.",
            f"{_CLEAR_LABELS} Ids of cells are the convention instances.",
        )


def check_ends(census: LabelCensus, name: str, is_mask: bool = False) -> None:
    """Refuse greys that are mostly far from both ends of their range, as those of images are.

    Raises
    ------
    UserError
    """
    low, high = census.values[0], census.values[-1]
    quarter = (high - low) / 4
    ends = [value for value in census.values if not low + quarter < value < high - quarter]
    if census.share(ends, census.values) < _ENDS:
        raise UserError(
            f"{name} has {census.summary()}, most of them far from both ends: it looks like an "
            f"image, not like {'a mask' if is_mask else 'labels'}.",
            f"If it is a mask, {_SAY_HOW}" if is_mask else _CLEAR_LABELS,
        )


def percent(share: float) -> str:
    """Write a share, 0..1, as a percentage that does not hide a little."""
    return f"{share:.1%}" if 0 < share < LEAST_MEMBRANE else f"{share:.0%}"


def question_share(share: float, convention: LabelConvention) -> str:
    """Ask about a share of membrane, 0..1, that is unlikely; empty for others."""
    if LEAST_MEMBRANE <= share <= _MUCH_MEMBRANE:
        return ""
    amount = "a lot of" if share > _MUCH_MEMBRANE else "very little"
    other = {
        LabelConvention.ISBI: LabelConvention.MEMBRANE,
        LabelConvention.MEMBRANE: LabelConvention.ISBI,
    }.get(convention)
    question = f"{percent(share)} is {amount} membrane: are these the right labels?"
    if other is None or share <= _MUCH_MEMBRANE:
        return question
    return f"{question} The other way round is the convention {other}."
