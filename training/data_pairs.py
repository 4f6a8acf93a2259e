"""The volumes that a configuration names, as its document has them."""

from __future__ import annotations

from typing import Any, NamedTuple

from training.config_options import check_text
from training.errors import UserError
from training.label_convention import LabelConvention


class DataPair(NamedTuple):
    """Where a volume of a training is: its images, and their labels.

    Parameters
    ----------
    image, labels : str
        Paths.
    convention : LabelConvention or None
        Of the labels; None: it is recognised.
    name : str
        What the volume is called; empty: like its images.
    """

    image: str
    labels: str
    convention: LabelConvention | None = None
    name: str = ""


def read_pairs(value: Any) -> tuple[DataPair, ...]:
    """Read pairs, which a document has as lists.

    Raises
    ------
    UserError
        If one is not a list of two paths and, at most, a convention and a name.
    """
    return tuple(map(_read_pair, value if isinstance(value, (list, tuple)) else [value]))


def _read_pair(value: Any) -> DataPair:
    is_pair = isinstance(value, (list, tuple)) and 2 <= len(value) <= len(DataPair._fields)
    if not is_pair or not all(isinstance(text, str) for text in (*value[:2], *value[3:])):
        raise UserError(
            f"pairs holds {value!r:.99}, which does not name images and labels.",
            'Give a list of ["IMAGES", "LABELS"].',
        )
    pair = DataPair(*value)
    for text in (pair.image, pair.labels, pair.name):
        check_text("pairs", text)
    if pair.convention is None:
        return pair
    if pair.convention not in tuple(LabelConvention):
        raise UserError(
            f"pairs holds the convention {pair.convention!r:.99}.",
            f"Choose one of: {', '.join(LabelConvention)}.",
        )
    return pair._replace(convention=LabelConvention(pair.convention))


def read_names(value: Any) -> tuple[str, ...]:
    """Read names of volumes, which a document has as a list.

    Raises
    ------
    UserError
        If it is not a list of names.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise UserError(f"hold_out is {value!r:.99}, but must be a list of names of volumes.")
    for name in value:
        check_text("hold_out", name)
    return tuple(value)
