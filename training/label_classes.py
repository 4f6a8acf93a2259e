"""Classes of labels: their names, values and colours, as one text or as a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError

UNKNOWN_NAME, BACKGROUND_NAME = "unknown", "background"
MOST_CLASSES = 16
LARGEST_VALUE = 255
LONGEST_NAME = 40
NO_CHANNEL = 255
"""In the place of a class, where no label is known."""
DICE_OF = "dice_"
"""Beginning of the names of the classes' own figures."""
# Okabe and Ito's palette, which colour-blind people tell apart; by the value of the class.
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
_CLASS = re.compile(r"(\w[\w -]{0,38}\w|\w)(?:=(\d{1,9}))?(#[0-9a-fA-F]{6})?")
MEMBRANE_NAME = "membrane"
MEMBRANE_NAMES = (MEMBRANE_NAME, "membranes")
_BAND = 1 << 16  # pixels that are decided at a time: they stay in a processor's cache
NO_THRESHOLDS: Mapping[str, float] = MappingProxyType({})
"""Of classes: each pixel is of its likeliest."""


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    Parameters
    ----------
    name : str
    value : int
        Of its pixels in labels and in what is predicted, 0 to 255.
    color : str
        Such as ``#E69F00``.
    """

    name: str
    value: int
    color: str

    def check(self) -> None:
        """Refuse what :meth:`LabelClasses.parse` does not give.

        Raises
        ------
        ValueError or TypeError
        """
        if not _CLASS.fullmatch(f"{self.name}={self.value}{self.color}") or not self.color:
            raise ValueError(f"{self!r:.99} is not a class")
        if type(self.value) is not int or not 0 <= self.value <= LARGEST_VALUE:
            raise ValueError(f"{self.value!r:.20} is not the value of a class")


@dataclass(frozen=True)
class LabelClasses:
    """The classes that labels tell apart, in the order of their values; empty: membrane and inside.

    A network has a channel for each. What is 0 and has no name is the class ``background``, unless
    it is unknown.

    Parameters
    ----------
    members : tuple of LabelClass
    unknown : int or None
        The value of pixels whose class is not known; negative values are unknown in any case.
    """

    members: tuple[LabelClass, ...] = ()
    unknown: int | None = None

    @classmethod
    def parse(cls, text: str) -> LabelClasses:
        """Read names, each with its value and colour if they are not the usual ones.

        Such as ``membrane,mitochondria``, which are 1 and 2; ``membrane=255#FF0000,unknown=0``.

        Raises
        ------
        UserError
            If it is not such a list, or two have the same name or value.
        """
        members: list[LabelClass] = []
        unknown = None
        for place, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            found = _CLASS.fullmatch(part)
            if found is None:
                raise UserError(
                    f"'{part:.60}' is not a class.",
                    "Name classes with commas, and values where they are not 1, 2, ...: "
                    "membrane=1,mitochondria=2.",
                )
            name, value = found[1], int(found[2]) if found[2] else place
            if name == UNKNOWN_NAME:
                unknown = value if found[2] else 0
            else:
                members.append(LabelClass(name, value, (found[3] or usual_color(value)).upper()))
        return cls.of(members, unknown)

    @classmethod
    def of(cls, members: Sequence[LabelClass], unknown: int | None = None) -> LabelClasses:
        """Order classes by their values, and add the background where 0 has no name.

        Raises
        ------
        UserError
            If two have the same name or value, a value is too large, or there are too few or many.
        """
        named = [*members]
        if members and not any(0 in (member.value, unknown) for member in members):
            named.append(LabelClass(BACKGROUND_NAME, 0, usual_color(0)))
        values = [member.value for member in named] + ([] if unknown is None else [unknown])
        names = [member.name for member in named]
        if len({*values}) < len(values) or len({*names}) < len(names):
            raise UserError(
                "Two classes have the same name or value.",
                "Name each class once, and give each a value of its own.",
            )
        if max(values, default=0) > LARGEST_VALUE:
            raise UserError(
                f"A class has a value above {LARGEST_VALUE}: {max(values)}.",
                "Give its pixels a lower one, because masks of classes have 8 bits.",
            )
        if unknown is not None and not named:
            raise UserError(
                "What is unknown has a value, but no class has a name.",
                "Name the classes too, such as membrane,mitochondria,unknown=0.",
            )
        if named and not 2 <= len(named) <= MOST_CLASSES:
            raise UserError(
                f"{len(named)} classes can't be told apart.", f"Name 2 to {MOST_CLASSES} classes."
            )
        return cls(tuple(sorted(named, key=lambda member: member.value)), unknown)

    def __bool__(self) -> bool:
        return bool(self.members)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def text(self) -> str:
        """The text that :meth:`parse` reads, with every value and colour."""
        parts = [f"{member.name}={member.value}{member.color}" for member in self.members]
        return ",".join(
            parts + ([] if self.unknown is None else [f"{UNKNOWN_NAME}={self.unknown}"])
        )

    @property
    def names(self) -> list[str]:
        """The classes' names, in the order of their channels."""
        return [member.name for member in self.members]

    @property
    def outputs(self) -> int:
        """Channels of a network's probability: one of membrane, or one for each class."""
        return len(self.members) or 1

    @property
    def things(self) -> list[int]:
        """The channels of the classes that figures are told of: all but that of the value 0."""
        return [channel for channel, member in enumerate(self.members) if member.value]

    @property
    def example(self) -> str:
        """The name of a class that a sentence may give as an example."""
        return self.members[self.things[0]].name

    @property
    def membrane(self) -> int | None:
        """The channel of the class that is named membrane, if one is."""
        for channel, member in enumerate(self.members):
            if member.name.lower() in MEMBRANE_NAMES:
                return channel
        return None

    def find(self, name: str) -> int | None:
        """Find the channel of a class by its name; membrane is also found as membranes."""
        if name.lower() in MEMBRANE_NAMES:
            return self.membrane
        return self.names.index(name) if name in self.names else None

    def describe(self) -> str:
        """Say which value is which class: "0 is background, 1 membrane and 2 mitochondria"."""
        first, *others = [f"{member.value} is {member.name}" for member in self.members]
        told = [first, *(text.replace(" is ", " ", 1) for text in others)]
        told += [] if self.unknown is None else [f"{self.unknown} unknown"]
        return f"{', '.join(told[:-1])} and {told[-1]}"

    def channels(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Give the channel of each pixel's class, as uint8 in the shape of labels of any dtype.

        255 where the label is unknown, or has no class.
        """
        found = np.full(labels.shape, NO_CHANNEL, np.uint8)
        for channel, member in enumerate(self.members):
            found[labels == member.value] = channel
        return found

    def decide(
        self, probabilities: NDArray[np.float32], thresholds: Mapping[str, float] = NO_THRESHOLDS
    ) -> NDArray[np.uint8]:
        """Decide which class each pixel is of.

        It is the likeliest of those that reach their thresholds. Where none does it is the
        likeliest of the classes without a threshold, and 0 where every class has one. It is 0
        where all probabilities are 0, which is padding.

        Parameters
        ----------
        probabilities : array (C, Y, X) of float32
            Of the classes, in their order.
        thresholds : mapping of str to float
            By the names of some classes. Empty: it is the likeliest of all.

        Returns
        -------
        array (Y, X) of uint8
            Values of the classes.
        """
        values = np.zeros(probabilities.shape[1:], np.uint8)
        step = max(1, _BAND // max(1, values.shape[1]))
        for start in range(0, len(values), step):
            rows = slice(start, start + step)
            self._decide(probabilities[:, rows], thresholds, values[rows])
        return values

    def _decide(
        self,
        probabilities: NDArray[np.float32],
        thresholds: Mapping[str, float],
        values: NDArray[np.uint8],
    ) -> None:
        free = [channel for channel, name in enumerate(self.names) if name not in thresholds]
        named = [(self.names.index(name), least) for name, least in thresholds.items()]
        for channels in ([(channel, 0.0) for channel in free], named):
            best = np.full(values.shape, -1, np.float32)
            for channel, least in channels:
                probability = probabilities[channel]
                is_taken = (probability > best) & (probability >= least)
                np.copyto(values, self.members[channel].value, where=is_taken, casting="unsafe")
                np.copyto(best, probability, where=is_taken)
        values[~np.any(probabilities > 0, axis=0)] = 0


NO_CLASSES = LabelClasses()
"""Of labels that tell membrane and inside apart."""


def usual_color(value: int) -> str:
    """Choose the colour of a class by its value; black of 0."""
    return COLORS[(value - 1) % len(COLORS)] if value else "#000000"
