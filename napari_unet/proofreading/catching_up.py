"""Bringing saved pixels up to a list of operations, which is saved a little before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from napari_unet.proofreading.edits import Edit, Volume

Move = tuple[Edit, bool]  # what changed, and whether it was done or taken back


class Caught(NamedTuple):
    """The slices that were changed, and those that are not as the moves left them."""

    changed: list[int]
    odd: list[int]


def catch_up(pixels: Volume, moves: Sequence[Move]) -> Caught:
    """Do the moves that saved pixels lack; each slice may have some of the first already.

    Where all moves from one on can be done in a slice, each pixel gets what the last of them gave
    it, whether or not it had that already: the first such move is right.

    Parameters
    ----------
    pixels : array (Z, Y, X) of int
        As they were saved, each slice before a move or after it.
    moves : sequence of (Edit, bool)
        The first that they may lack, and all after it.

    Returns
    -------
    Caught
        A slice where pixels were painted over since is left as it is, and is odd.
    """
    found = Caught([], [])
    for index in sorted({z for edit, _ in moves for z in edit.slices(pixels.shape)}):
        parts = [(edit.in_slice(index, pixels.shape), is_done) for edit, is_done in moves]
        if any(_do_all(pixels, parts[first:]) for first in range(len(parts))):
            found.changed.append(index)
        elif not _are_done(pixels, parts):
            found.odd.append(index)
    return found


def _do_all(pixels: Volume, moves: Sequence[Move]) -> bool:
    """Do one move after the other; none where one does not fit the pixels."""
    if not any(len(edit.starts) for edit, _ in moves):
        return False
    for number, (edit, is_done) in enumerate(moves):
        if not edit.change(pixels, is_undo=not is_done):
            for former, was_done in reversed(moves[:number]):
                former.change(pixels, is_undo=was_done)
            return False
    return True


def _are_done(pixels: Volume, moves: Sequence[Move]) -> bool:
    """Whether the last move of a slice left it as it is; those before it may be hidden by it."""
    for edit, is_done in reversed(moves):
        if len(edit.starts):
            return edit.is_applied(pixels) if is_done else edit.is_reverted(pixels)
    return True
