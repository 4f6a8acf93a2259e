"""What speaks against a predicted mask, in sentences for the command line and the window."""

from __future__ import annotations

from training.formats.pixel_size import PixelSize
from training.label_classes import MEMBRANE_NAMES
from training.stacks.intensities import Difference, Membranes
from training.stacks.scaling import Scaling

LEAST_SHARE, MOST_SHARE = 0.01, 0.5  # of membrane; a section usually has a fifth

_DIFFERENT = (
    "This stack {how} than what the model was trained on. Stretch its intensities first, in Fiji "
    "by Process > Enhance Contrast with Normalize and all slices, or train on a few of its slices."
)
_HOW = {
    Difference.DARKER: "is much darker",
    Difference.BRIGHTER: "is much brighter",
    Difference.LESS_CONTRAST: "has much less contrast",
    Difference.MORE_CONTRAST: "has much more contrast",
}
_INVERTED = (
    "This stack is inverted, compared with what the model was trained on: {its} lines on {ground} "
    "ground. Invert it first, in Fiji by Edit > Invert."
)


def stack_warning(trained: Scaling, stack: Scaling) -> str:
    """Warn of a stack that differs much from what a model was trained on, and say what to do.

    Parameters
    ----------
    trained, stack : Scaling
        That of the model's card, and that which it chose for the stack.

    Returns
    -------
    str
        Empty where nothing speaks against it, or the card does not know its stack.
    """
    levels = () if stack.intensities is None else stack.intensities.percentiles
    if levels and levels[0] == levels[-1]:
        return f"All pixels of this stack are {levels[0]:.4g}: is it the right file?"
    difference = trained.difference(stack)
    if difference is None:
        return ""
    if difference is not Difference.INVERTED:
        return _DIFFERENT.format(how=_HOW[difference])
    is_bright = stack.intensities is not None and stack.intensities.skewness > 0
    its, ground = ("bright", "dark") if is_bright else ("dark", "bright")
    return _INVERTED.format(its=its, ground=ground)


def membranes_note(stack: Scaling, asked: Membranes) -> str:
    """Say how dark and light of a stack were taken by a model for any stack.

    Parameters
    ----------
    stack : Scaling
        That which the model's chose for the stack.
    asked : Membranes
        What a person says; AUTO: it was found out.

    Returns
    -------
    str
        Empty where nothing was found out.
    """
    if asked != Membranes.AUTO or not stack.adapts or stack.intensities is None:
        return ""
    found = stack.intensities.membranes
    if found == Membranes.AUTO:
        return "Whether membranes are dark or light can't be seen; they are taken for dark."
    return f"Membranes are {found} in this stack, as its thin lines are."


def size_warning(trained: PixelSize | None, stack: PixelSize | None, remedy: str) -> str:
    """Warn of a stack whose pixels are larger or smaller than those of a model's training.

    Parameters
    ----------
    trained, stack : PixelSize or None
        Of the model's card, and of the stack; None where it is not known.
    remedy : str
        What to do about it.
    """
    if trained is None or stack is None or trained.is_alike(stack):
        return ""
    return (
        f"This stack's pixels are {stack.plane}, but the model was trained on pixels of "
        f"{trained.plane}. {remedy}"
    )


def size_hint(trained: PixelSize | None, stack: PixelSize | None, remedy: str) -> str:
    """Hint at the pixel size of a model's training where the stack's is not known.

    Parameters as :func:`size_warning`.
    """
    if trained is None or stack is not None:
        return ""
    return (
        f"The model was trained on pixels of {trained.plane}; how large this stack's are is not "
        f"known. {remedy}"
    )


def share_warning(membrane: int, pixels: int, of_class: str | None = None) -> str:
    """Warn of a mask that is nearly empty or nearly full, and say what to do.

    Parameters
    ----------
    membrane, pixels : int
        Pixels that are membrane, and all that were predicted.
    of_class : str or None
        The class that is predicted as membrane is, of which any share is usual but none and all.
    """
    if of_class is not None and of_class.lower() not in MEMBRANE_NAMES:
        if not pixels or 0 < membrane < pixels:
            return ""
        found, change = ("None", "Lower") if membrane == 0 else ("All", "Raise")
        return (
            f"{found} of the pixels are {of_class}. {change} the threshold, or train on a few "
            "slices of this stack."
        )
    share = membrane / max(pixels, 1)
    if not pixels or LEAST_SHARE <= share <= MOST_SHARE:
        return ""
    found, change = ("less", "Lower") if share < LEAST_SHARE else ("more", "Raise")
    return (
        f"{share:.1%} of the pixels are membrane, {found} than a section usually has. {change} the "
        "threshold, or train on a few slices of this stack."
    )
