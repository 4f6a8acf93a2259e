"""Operations of a list that are done again, one after the other, and what became of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from napari_unet.projects.operation_list import read_lines
from napari_unet.proofreading.history import operations_in
from napari_unet.proofreading.operations import Operation
from napari_unet.widgets.common.background import Progress
from training.errors import UserError

NAMED = 3  # operations that can't be done are told one by one, up to here


class Replay:
    """What is left of a list of operations, and which could not be done.

    Parameters
    ----------
    operations : sequence of Operation
    progress : Progress
        Shown meanwhile, and stopped by a person.
    """

    def __init__(self, operations: Sequence[Operation], progress: Progress) -> None:
        self._left, self._count = deque(operations), len(operations)
        self._current: Operation | None = None
        self._refused: list[str] = []
        self._progress = progress

    def take(self) -> Operation | None:
        """Give the operation that is next; None at the end, and once a person stopped it."""
        self._progress.done, self._progress.total = self._count - len(self._left), self._count
        is_over = not self._left or self._progress.is_stopped
        self._current = None if is_over else self._left.popleft()
        return self._current

    def refuse(self, error: UserError) -> None:
        """Note why the one that was taken last can't be done."""
        if self._current is not None:
            index = self._current.points[0][0]
            self._refused.append(f"{self._current.kind} on slice {index}: {error.problem}")

    def text(self) -> str:
        """Say what became of the list."""
        tried = self._count - len(self._left)
        said = f"Did {tried - len(self._refused)} of {self._count} operations again."
        if self._left:
            said = f"Stopped. {said}"
        if not self._refused:
            return said
        more = len(self._refused) - NAMED
        others = f" And {more} more." if more > 0 else ""
        return f"{said} Not done: {' '.join(self._refused[:NAMED])}{others}"


def read_operations(path: Path) -> list[Operation]:
    """Read the operations of a file.

    Raises
    ------
    UserError
        If it can't be read, or has none.
    """
    operations = operations_in(read_lines(path))
    if not operations:
        raise UserError(
            f"{path} has no operations on neurons, or they were all undone.",
            "Choose another list: a project has them in its folder 'labels'.",
        )
    return operations
