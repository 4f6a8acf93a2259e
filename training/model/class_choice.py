"""Which of a model's classes is predicted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from training.errors import UserError
from training.label_classes import MEMBRANE_NAMES
from training.model.model_card import ModelCard


def find_channel(card: ModelCard, of_class: str | None, model: Path) -> int | None:
    """Find the channel of a class in a model; None for all that it gives.

    Parameters
    ----------
    card : ModelCard
        The model's.
    of_class : str or None
        Its name; membrane is what a model without classes gives. None: all.
    model : Path
        Its file, for messages.

    Raises
    ------
    UserError
        If it has no such class.
    """
    classes = card.label_classes
    if of_class is None or (not classes and of_class.lower() in MEMBRANE_NAMES):
        return None
    told = ", ".join(classes.names) or "membrane and inside"
    channel = classes.find(of_class)
    if channel is None:
        raise UserError(
            f"{model} tells {told} apart, and has no class {of_class:.60}.",
            "Name one of its classes by --class." if classes else "Leave out --class.",
        )
    return channel


def card_of_channel(card: ModelCard, channel: int | None) -> ModelCard:
    """Give the card of what predicts one class alone, as membrane; None: all that it gives."""
    return card if channel is None else dataclasses.replace(card, classes=(), num_classes=2)
