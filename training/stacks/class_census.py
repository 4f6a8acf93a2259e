"""Whether labels hold the classes that they are said to hold."""

from __future__ import annotations

from training.console import list_names
from training.errors import UserError
from training.label_classes import LabelClasses
from training.stacks.label_census import LabelCensus

_MOSTLY_BACKGROUND = 0.9  # share from which on the background may be what nobody has painted


def check_several(census: LabelCensus, name: str, classes: LabelClasses) -> None:
    """Refuse labels that are all of one class.

    Raises
    ------
    UserError
    """
    found = {*census.values, *census.uniform.values()}
    if len([value for value in found if value >= 0 and value != classes.unknown]) < 2:
        raise UserError(f"{name} has one class alone: {census.summary()}.", "Label two or more.")


def check_values(census: LabelCensus, name: str, classes: LabelClasses) -> None:
    """Refuse labels that hold a value without a class.

    Raises
    ------
    UserError
        That names the values.
    """
    named = {member.value for member in classes.members} | {classes.unknown}
    found = {*census.values, *census.uniform.values()}
    strange = sorted(value for value in found if value >= 0 and value not in named)
    if strange:
        values = list_names([f"{value:g}" for value in strange[:4]])
        more = f" and {len(strange) - 4} more" if len(strange) > 4 else ""
        raise UserError(
            f"{name} has the value{'' if len(strange) == 1 else 's'} {values}{more}, but no class "
            f"has: {classes.describe()}.",
            "Name every value that there is, such as --classes membrane=1,mitochondria=2; or give "
            "the convention of labels of membrane.",
        )


def labelled_slices(census: LabelCensus, classes: LabelClasses) -> list[int]:
    """List the slices that have labels: several values, or one where what is unknown is marked."""
    if classes.unknown is None:
        return census.labelled_slices
    known = {member.value for member in classes.members}
    uniform = census.uniform
    return [z for z in range(census.length) if z not in uniform or uniform[z] in known]


def describe_shares(census: LabelCensus, classes: LabelClasses) -> str:
    """Say which value is which class, and how much of the known pixels it is."""
    known = [float(member.value) for member in classes.members]
    told = [
        f"{member.value} is {member.name} ({census.share([member.value], known):.1%})"
        for member in classes.members
    ]
    told += [] if classes.unknown is None else [f"{classes.unknown} is unknown"]
    return list_names(told)


def question_background(census: LabelCensus, classes: LabelClasses) -> str:
    """Ask whether strokes are taken for finished labels; empty where nothing looks like it."""
    zero = classes.members[0]
    share = census.share([0], [float(member.value) for member in classes.members])
    if zero.value or classes.unknown is not None or share < _MOSTLY_BACKGROUND:
        return ""
    return (
        f"{share:.0%} is {zero.name}, which is a lot. If 0 is what nobody has painted, add "
        "unknown=0 to the classes."
    )
