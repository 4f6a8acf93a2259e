"""Bringing saved pixels up to a list of operations, which is saved a little before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_unet.proofreading.edits import Edit, Volume

Move = tuple[Edit, bool]  # what changed, and whether it was done or taken back
Change = Callable[[Edit], None]


def catch_up(pixels: Volume, moves: Sequence[Move], redo: Change, undo: Change) -> bool:
    """Do the moves that saved pixels lack; they may have some of the first already.

    Where all moves from one on can be done, each pixel gets what the last of them gave it, whether
    or not it had that already: the first such move is right.

    Parameters
    ----------
    pixels : array (Z, Y, X) of int
        As they were saved.
    moves : sequence of (Edit, bool)
        The first that they may lack, and all after it.
    redo, undo : callable
        Change the pixels by an edit.

    Returns
    -------
    bool
        Whether anything was done; nothing is where pixels were painted over since.
    """
    return any(_do_all(pixels, moves[first:], redo, undo) for first in range(len(moves)))


def _do_all(pixels: Volume, moves: Sequence[Move], redo: Change, undo: Change) -> bool:
    """Do one move after the other; none where one does not fit the pixels."""
    for number, (edit, is_done) in enumerate(moves):
        if not (edit.is_reverted(pixels) if is_done else edit.is_applied(pixels)):
            for former, was_done in reversed(moves[:number]):
                (undo if was_done else redo)(former)
            return False
        (redo if is_done else undo)(edit)
    return True
