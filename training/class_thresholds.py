"""Thresholds as a person gives them: one number, or one for each of some classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from training.console import list_names
from training.errors import UserError
from training.label_classes import MEMBRANE_NAME, LabelClasses


@dataclass(frozen=True)
class Thresholds:
    """What a person gave as thresholds; nothing by default.

    Parameters
    ----------
    single : float or None
        Probability from which on a pixel is membrane, or of the one class that is predicted.
    by_class : dict of str to float
        Of classes, by the names that the person gave; see :meth:`LabelClasses.decide`.
    """

    single: float | None = None
    by_class: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Thresholds:
        """Read ``0.4``, or ``NAME=0.4``, of which one text may hold several with commas.

        Raises
        ------
        UserError
            If one is no number from 0 to 1, or two are of the same.
        """
        found: dict[str, float] = {}
        for part in (part.strip() for text in texts for part in text.split(",")):
            name, _, number = part.rpartition("=")
            if name.strip() in found:
                raise UserError(f"The threshold {part:.60} is a second one.", "Give one of each.")
            found[name.strip()] = _read(number, part)
        single = found.pop("", None)
        if single is not None and found:
            raise UserError(
                "One threshold has no class, and another one has.",
                "Give one number, or a class with each: --threshold NAME=NUMBER.",
            )
        return cls(single, found)

    def __bool__(self) -> bool:
        """Whether any is given."""
        return self.single is not None or bool(self.by_class)

    @property
    def text(self) -> str:
        """The text that :meth:`parse` reads."""
        named = (f"{name}={number!r}" for name, number in sorted(self.by_class.items()))
        return ",".join(named) if self.single is None else repr(self.single)

    def of(self, classes: LabelClasses) -> dict[str, float]:
        """Give the thresholds of classes by their names, in their order.

        Parameters
        ----------
        classes : LabelClasses
            What is predicted; empty: one probability, which has a single threshold.

        Raises
        ------
        UserError
            If they are not of what is predicted.
        """
        if not classes and self.by_class:
            name, number = next(iter(self.by_class.items()))
            raise UserError(
                f"One class is predicted here, and the threshold {name:.60}={number:g} is for a "
                "prediction of all classes.",
                f"Give a number alone: --threshold {number:g}.",
            )
        told = f"The model tells {', '.join(classes.names)} apart"
        if classes and self.single is not None:
            raise UserError(
                f"{told}, and the threshold {self.single:g} names none of them.",
                f"Name a class: --threshold {classes.example}={self.single:g}.",
            )
        found: dict[int, float] = {}
        for name, number in self.by_class.items():
            channel = classes.find(name)
            if channel is None:
                raise UserError(
                    f"{told}, and has no class {name:.60}.",
                    f"Name one of its classes: --threshold {classes.example}={number:g}.",
                )
            if channel in found:
                raise UserError(f"The threshold of {name} is a second one.", "Give one of each.")
            found[channel] = number
        return {classes.names[channel]: found[channel] for channel in sorted(found)}

    def deciding(self, classes: LabelClasses, usual: float) -> dict[str, float]:
        """Give the thresholds that decide what is predicted, by the names of classes.

        Parameters
        ----------
        classes : LabelClasses
            What is predicted; empty: one probability, whose threshold is named membrane.
        usual : float
            That of the model, 0..1, which one probability has where none is given.

        Raises
        ------
        UserError
            As :meth:`of`.
        """
        found = self.of(classes)
        if classes:
            return found
        return {MEMBRANE_NAME: usual if self.single is None else self.single}


def thresholds_option(thresholds: Mapping[str, float]) -> str:
    """Write thresholds by the names of classes as :meth:`Thresholds.parse` reads them."""
    return Thresholds(by_class=dict(thresholds)).text


def thresholds_text(thresholds: Mapping[str, float]) -> str:
    """Tell a person the thresholds that decided, by the names of classes; empty without any."""
    if not thresholds:
        return ""
    told = list_names([f"{name} {number:g}" for name, number in thresholds.items()])
    return f"Threshold of {told}."


def _read(number: str, part: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise UserError(
            f"The threshold '{part:.60}' is not a number.",
            "Give 0 to 1, of a class as NAME=NUMBER.",
        ) from None
    if not 0 <= value <= 1:
        raise UserError(f"The threshold {value} is out of range.", "Give 0 to 1.")
    return value
