"""Which labels are the truth of a mask: by its name, where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.console import list_names
from training.dataset.pair_search import (
    DEFAULT_IMAGES,
    DEFAULT_LABELS,
    find_file,
    labelled_stem,
    list_volumes,
    search_pairs,
)
from training.dataset.training_pair import OpenLabels, open_labels, open_pair
from training.errors import UserError
from training.formats.location import is_array_folder, locate
from training.label_classes import LabelClasses
from training.label_convention import IdBorders, LabelConvention

_FEWEST_NAMED = 8


@dataclass(frozen=True)
class Truth:
    """Labels that masks are compared with.

    Parameters
    ----------
    labels : Path
    images : Path or None
        What they are of, whose padding does not count, where it is known.
    """

    labels: Path
    images: Path | None = None

    @property
    def names(self) -> set[str]:
        """The names that a mask of the same stack can have."""
        paths = filter(None, (self.labels, self.images))
        return {name for path in paths for name in _names_of(path)}

    @contextmanager
    def open(
        self, convention: LabelConvention | None, ids: IdBorders, classes: LabelClasses
    ) -> Iterator[OpenLabels]:
        """Open the labels; parameters and errors as of :func:`training_pair.open_pair`."""
        if self.images is None:
            with open_labels(self.labels, convention, ids, classes) as labels:
                yield labels
        else:
            with open_pair(self.images, self.labels, convention, ids, (), classes) as pair:
                yield pair


def find_truths(data: Path | None, image: str, labels: str, masks: int) -> list[Truth]:
    """Find the labels that masks are compared with, at least one.

    Parameters
    ----------
    data : Path or None
        Folder or HDF5 file of images with their labels.
    image, labels : str
        A stack and its labels, in the folder or as paths. Of several masks, ``labels`` may be a
        folder of labels instead.
    masks : int
        How many there are.

    Raises
    ------
    UserError
        If nothing is named, or nothing is there.
    """
    folder = data or Path()
    if labels:
        found = find_file(folder, labels)
        if masks > 1 and found.is_dir() and not is_array_folder(found):
            if image:
                raise UserError(
                    f"{labels} is a folder of labels, which one --image can't be of.",
                    "Leave it out, or give --data with images and labels.",
                )
            truths = [Truth(path) for path in list_volumes(found)]
        else:
            default = folder / DEFAULT_IMAGES
            own = find_file(folder, image) if image else default
            truths = [Truth(found, own if image or (data and default.is_file()) else None)]
    elif data is None:
        raise UserError("No data is given.", "Give --data DIR, or --labels.")
    elif image:
        truths = [Truth(find_file(folder, DEFAULT_LABELS), find_file(folder, image))]
    else:
        truths = [Truth(*reversed(pair)) for pair in search_pairs(data).pairs]
    if not truths:
        raise UserError(
            f"{labels or data} holds no labels that are found by their names.",
            "Give one stack by --labels, or a folder of labels under the names of the masks.",
        )
    return truths


def choose_truth(mask: Path, truths: Sequence[Truth]) -> Truth:
    """Choose the truth of a mask: the only one, else the one of its name.

    Endings of files, and those of labels such as ``_mask``, don't count.

    Raises
    ------
    UserError
        If none has its name, or several have.
    """
    if len(truths) == 1:
        return truths[0]
    names = _names_of(mask)
    fitting = [truth for truth in truths if names & truth.names]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(
            f"{mask} can be compared with {list_names([str(truth.labels) for truth in fitting])}.",
            "Give it alone, with its truth by --labels.",
        )
    known = ", ".join(truth.labels.name for truth in truths[:_FEWEST_NAMED])
    more = ", ..." if len(truths) > _FEWEST_NAMED else ""
    raise UserError(
        f"None of the labels has the name of {mask}; there are {known}{more}.",
        "Name both alike, or give it alone, with its truth by --labels.",
    )


def _names_of(path: Path) -> set[str]:
    """Give what a stack may be called: ``a.h5/mask`` is ``a-mask``, or like its file."""
    location = locate(path)
    return {location.name, locate(location.container).name, labelled_stem(path)} - {""}
