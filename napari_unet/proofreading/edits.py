"""The pixels that an operation changes, kept as runs along X, so that it can be undone exactly."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet.stacks.whole_slices import WHOLE_SLICE

Volume = NDArray[Any]  # (Z, Y, X) of int
Box = tuple[slice, slice, slice]
Order = Callable[[Sequence[int]], Iterable[int]]
OnPart = Callable[[int, int], None]  # parts done, and of all; what it raises ends the work
MOST_AT_ONCE = 2**20  # pixels whose places are listed at once: 8 bytes each


@dataclass(frozen=True)
class Edit:
    """Pixels of a volume, what they were, and the id that they became.

    Parameters
    ----------
    starts, lengths : arrays (N,) of int64
        Runs of pixels along X, by their first index in the volume as one row of pixels.
    before : array (N,) of int64
        The id that each run had.
    after : int
        The id that all of them have.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    before: NDArray[np.int64]
    after: int

    @classmethod
    def of(cls, labels: Volume, box: Box, mask: NDArray[np.bool_], after: int) -> Edit:
        """Describe that pixels become another id.

        Parameters
        ----------
        labels : array (Z, Y, X) of int
        box : three slices
            Where the mask lies in the labels.
        mask : array of bool
            The pixels, in the shape of the box.
        after : int
        """
        ids = labels[box]
        is_first, is_last = mask.copy(), mask.copy()
        is_same = mask[..., 1:] & mask[..., :-1] & (ids[..., 1:] == ids[..., :-1])
        is_first[..., 1:] &= ~is_same
        is_last[..., :-1] &= ~is_same
        first = np.flatnonzero(is_first)  # no run goes on in the next row
        lengths = np.flatnonzero(is_last) - first + 1
        place = np.unravel_index(first, mask.shape)
        corner = [axis.start or 0 for axis in box]
        in_volume = tuple(axis + start for axis, start in zip(place, corner, strict=True))
        starts = np.ravel_multi_index(in_volume, labels.shape).astype(np.int64)
        return cls(starts, lengths.astype(np.int64), ids[place].astype(np.int64), after)

    @classmethod
    def of_pixels(cls, labels: Volume, parts: Sequence[NDArray[np.int64]], after: int) -> Edit:
        """Describe that pixels become another id.

        Parameters
        ----------
        labels : array (Z, Y, X) of int
        parts : sequence of arrays (N,) of int64
            Indices in the volume as one row of pixels, in any order; some may be named twice.
        after : int
        """
        pixels = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        ids = as_row(labels)[pixels]
        is_first = np.ones(len(pixels), bool)
        is_first[1:] = (np.diff(pixels) > 1) | (np.diff(ids) != 0)
        is_first |= pixels % labels.shape[2] == 0
        (first,) = np.nonzero(is_first)
        lengths = np.diff(first, append=len(pixels)).astype(np.int64)
        return cls(pixels[first], lengths, ids[first].astype(np.int64), after)

    @classmethod
    def joined(cls, parts: Sequence[Edit], after: int) -> Edit:
        """Make one edit of several that give the same id to other pixels each; none change none."""
        if not parts:
            none = np.empty(0, np.int64)
            return cls(none, none, none, after)
        starts = np.concatenate([part.starts for part in parts])
        order = np.argsort(starts, kind="stable")
        lengths = np.concatenate([part.lengths for part in parts])[order]
        before = np.concatenate([part.before for part in parts])[order]
        return cls(starts[order], lengths, before, after)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Indices (N,) of int64 of all pixels, in the volume as one row of pixels."""
        ends = np.cumsum(self.lengths)
        offsets = np.repeat(self.starts - (ends - self.lengths), self.lengths)
        pixels: NDArray[np.int64] = offsets + np.arange(len(offsets))
        return pixels

    @property
    def count(self) -> int:
        """The number of pixels."""
        return int(self.lengths.sum())

    @property
    def ids(self) -> list[int]:
        """The ids that change, and the one that they become, without 0."""
        return sorted({*map(int, np.unique(self.before)), self.after} - {0})

    def change(self, labels: Volume, *, is_undo: bool) -> bool:
        """Give the pixels their new id, or back those that they had.

        Parameters
        ----------
        labels : array (Z, Y, X) of int
        is_undo : bool

        Returns
        -------
        bool
            False where a pixel has another id than before the edit, or than it was left with:
            none is changed then.
        """
        parts, row = [*self._divided()], as_row(labels)
        for number, part in enumerate(parts):
            pixels, former = part.pixels, part._former
            wanted, given = (self.after, former) if is_undo else (former, self.after)
            if not (row[pixels] == wanted).all():
                for done in parts[:number]:
                    row[done.pixels] = done._former if not is_undo else self.after
                return False
            row[pixels] = given
        return True

    def is_applied(self, labels: Volume) -> bool:
        """Whether all pixels have the new id."""
        row = as_row(labels)
        return all(bool((row[part.pixels] == self.after).all()) for part in self._divided())

    def is_reverted(self, labels: Volume) -> bool:
        """Whether all pixels have the ids from before."""
        row = as_row(labels)
        return all(bool((row[part.pixels] == part._former).all()) for part in self._divided())

    @property
    def _former(self) -> NDArray[np.int64] | int:
        """The id that each pixel had, or that all of them had."""
        if (self.before == self.before[:1]).all():
            return int(self.before[0])
        return np.repeat(self.before, self.lengths)

    def _divided(self) -> Iterator[Edit]:
        """Divide it into edits of so few pixels that all can be listed."""
        ends = np.cumsum(self.lengths)
        cuts = np.searchsorted(ends, np.arange(MOST_AT_ONCE, self.count, MOST_AT_ONCE))
        bounds = np.unique([0, *cuts, len(ends)])
        for low, high in pairwise(map(int, bounds)):
            yield self._runs(low, high)

    def _runs(self, low: int, high: int) -> Edit:
        runs = slice(low, high)
        return Edit(self.starts[runs], self.lengths[runs], self.before[runs], self.after)

    def in_slice(self, index: int, shape: tuple[int, ...]) -> Edit:
        """Give the part of it that lies in a slice along Z of a volume of this shape."""
        size = shape[1] * shape[2]
        low, high = np.searchsorted(self.starts, (index * size, (index + 1) * size))
        return self._runs(int(low), int(high))

    def slices(self, shape: tuple[int, ...]) -> list[int]:
        """List the slices along Z of a volume of this shape that have changed pixels."""
        return [int(index) for index in np.unique(self.starts // (shape[1] * shape[2]))]

    def to_text(self) -> str:
        """Pack it for a line of JSON."""
        gaps = np.diff(self.starts, prepend=0)
        packed = np.concatenate([[self.after], gaps, self.lengths, self.before]).astype("<i8")
        return base64.b64encode(zlib.compress(packed.tobytes(), 1)).decode()

    @classmethod
    def from_text(cls, text: str, labels: Volume) -> Edit:
        """Read what :meth:`to_text` made; the file may be a stranger's.

        Raises
        ------
        ValueError
            If it is not an edit of such labels.
        """
        numbers = _unpack(text, most_bytes=8 * (1 + 3 * labels.size))
        if len(numbers) % 3 != 1:
            raise ValueError("an edit is cut off")
        gaps, lengths, before = numbers[1:].reshape(3, -1)
        after = int(numbers[0])
        largest = np.iinfo(labels.dtype).max
        are_ids = bool(((numbers[:1] >= 0) & (numbers[:1] <= largest)).all())
        are_ids &= bool(((before >= 0) & (before <= largest)).all())
        is_within = bool(((gaps >= 0) & (gaps < labels.size)).all() and (lengths > 0).all())
        starts = np.cumsum(gaps)
        is_within &= bool((starts % labels.shape[2] + lengths <= labels.shape[2]).all())
        is_within &= bool((starts[:-1] + lengths[:-1] <= starts[1:]).all())
        if not are_ids or not is_within or (len(starts) and starts[-1] + lengths[-1] > labels.size):
            raise ValueError("an edit does not fit the labels")
        return cls(starts, lengths, before, after)


class BySlices(Protocol):
    """What changes in labels: an :class:`Edit`, or what gives one for each slice."""

    def slices(self, shape: tuple[int, ...]) -> list[int]: ...

    def in_slice(self, index: int, shape: tuple[int, ...]) -> Edit | None: ...


def change_slices(
    labels: Volume,
    edit: BySlices,
    order: Order = iter,
    *,
    is_undo: bool,
    follow: Callable[..., None] = lambda *_, **__: None,
) -> list[Edit] | None:
    """Change labels by an edit, or back, slice by slice.

    Parameters
    ----------
    labels : array (Z, Y, X) of int
    edit : Edit, or another that gives one for each slice
    order : callable
        Gives the indices of the slices in the order in which they are changed. What it raises ends
        the work, and nothing is changed then.
    is_undo : bool
    follow : callable
        Called with the index of each slice once it is changed, the edit of it alone, and
        ``is_undo``.

    Returns
    -------
    list of Edit or None
        What was changed, by slice; None where other hands have changed these pixels since: nothing
        is changed then.
    """

    def change(index: int, part: Edit, *, is_undo: bool) -> bool:
        with WHOLE_SLICE:
            is_changed = part.change(labels, is_undo=is_undo)
        if is_changed:
            follow(index, part, is_undo=is_undo)
        return is_changed

    done: dict[int, Edit] = {}
    is_whole = False
    try:
        for index in order(edit.slices(labels.shape)):
            part = edit.in_slice(index, labels.shape)
            if part is None or not change(index, part, is_undo=is_undo):
                return None
            done[index] = part
        is_whole = True
    finally:
        for index, part in () if is_whole else done.items():
            change(index, part, is_undo=not is_undo)
    return [*done.values()]


def _unpack(text: str, most_bytes: int) -> NDArray[np.int64]:
    unpacking = zlib.decompressobj()
    try:
        packed = base64.b64decode(text, validate=True)
        content = unpacking.decompress(packed, most_bytes)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"an edit can't be unpacked: {error}") from error
    if not unpacking.eof or len(content) % 8:
        raise ValueError("an edit is too large, or is cut off")
    return np.frombuffer(content, "<i8").astype(np.int64)


def as_row(labels: Volume) -> NDArray[Any]:
    """See a volume (Z, Y, X) of any dtype as one row of pixels (N,), without a copy."""
    row = labels.view()
    row.shape = (labels.size,)
    return row
