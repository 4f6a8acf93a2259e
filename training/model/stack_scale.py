"""How a model predicts a stack: with which card, and at which scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from training.console import hint, warn
from training.errors import UserError
from training.formats.pixel_size import PixelSize, resampling_zoom
from training.formats.stack import Stack
from training.masks.result_warnings import (
    membranes_note,
    size_hint,
    size_warning,
    stack_warning,
)
from training.model.model_card import ModelCard
from training.stacks.intensities import Membranes
from training.stacks.scaling import Slices


def card_for(
    card: ModelCard, stack: Slices, membranes: Membranes = Membranes.AUTO
) -> tuple[ModelCard, str, str]:
    """Make the card to predict a stack (Z, Y, X) with, and say what speaks against it.

    Parameters
    ----------
    membranes : Membranes
        Those of the stack.

    Returns
    -------
    card : ModelCard
        See :meth:`ModelCard.for_stack`.
    note : str
        See :func:`membranes_note`.
    warning : str
        See :func:`stack_warning`.

    Raises
    ------
    UserError
        As :meth:`ModelCard.for_stack`.
    """
    trained = card.like(stack)
    chosen = trained.for_stack(stack, membranes)
    note = membranes_note(chosen.scaling, membranes)
    return chosen, note, stack_warning(trained.scaling, chosen.scaling)


def size_of_training(card: ModelCard, model: Path) -> PixelSize:
    """Give the pixel size of a model's training, to resample stacks to.

    Raises
    ------
    UserError
        If the model does not know it.
    """
    if card.pixel_size is None:
        raise UserError(
            f"{model} does not know the pixel size of its training, so no stack can be resampled "
            "to it.",
            "Train on a file that records its pixel size, or predict without resampling.",
        )
    return card.pixel_size


def zoom_of_training(card: ModelCard, stack: Stack) -> tuple[float, float]:
    """Give the factors (Y, X) by which a training resizes a stack, see :func:`resample_pair`."""
    trained, size = card.pixel_size, stack.pixel_size
    if trained is None or size is None or trained.is_alike(size):
        return 1.0, 1.0
    return resampling_zoom(trained, size, str(stack.path))


def parse_pixel_size(text: str) -> PixelSize:
    """Read a pixel size in nm: "4", "4,5" along Y and X, or "50,4,5" along Z, Y and X.

    Raises
    ------
    UserError
        If it is none.
    """
    sides = text.split(",")
    try:
        lengths = [float(side) for side in sides]
        size = PixelSize.of(lengths[0] if len(sides) == 3 else None, lengths[-2:][0], lengths[-1])
    except ValueError:
        size = None
    if size is None or len(sides) > 3 or (len(sides) == 3 and size.z is None):
        raise UserError(
            f"{text:.99} is not a size in nm, such as 4, 4,5 along Y and X, or 50,4,5 along Z, Y "
            "and X."
        )
    return size


@dataclass(frozen=True)
class StackScale:
    """What a person asks of the scale at which stacks are predicted.

    Parameters
    ----------
    resample : bool
        Predict at the pixel size of the model's training.
    pixel_size : PixelSize or None
        The stacks'; None, and a ``z`` of None: as their files record it.
    """

    resample: bool = False
    pixel_size: PixelSize | None = None

    def check(self, card: ModelCard, model: Path) -> None:
        """Refuse to resample for a model that does not know its pixel size.

        Raises
        ------
        UserError
        """
        if self.resample:
            size_of_training(card, model)

    def size_of(self, stack: Stack) -> PixelSize | None:
        """Give the pixel size of a stack."""
        recorded = stack.pixel_size
        if self.pixel_size is None:
            return recorded
        if self.pixel_size.z is not None:
            return self.pixel_size
        return replace(self.pixel_size, z=None if recorded is None else recorded.z)

    def zoom(self, card: ModelCard, stack: Stack) -> tuple[float, float]:
        """Give the factors (Y, X) by which a stack is resized before it is predicted.

        Raises
        ------
        UserError
            If it can't be resampled, see :func:`resampling_zoom`.
        """
        if not self.resample or card.pixel_size is None:
            return 1.0, 1.0
        return resampling_zoom(card.pixel_size, self.size_of(stack), str(stack.path))

    def tell(self, card: ModelCard, stack: Stack) -> None:
        """Print what speaks against a stack, and against predicting it at its own scale."""
        hint(stack.doubt)
        if not self.resample:
            sizes = card.pixel_size, self.size_of(stack)
            warn(size_warning(*sizes, "Add --resample, or --pixel-size if that is wrong."))
            hint(size_hint(*sizes, "If they differ, add --resample and --pixel-size."))
