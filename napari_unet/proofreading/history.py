"""The operations on a volume of labels: done, undone, done again, and read back from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from napari_unet.proofreading.catching_up import Move, catch_up
from napari_unet.proofreading.edits import Edit, Volume
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import MOST_POINTS, Operation
from napari_unet.proofreading.walls import plan_walls
from training.errors import UserError
from training.files.append_files import append_whole, open_to_append
from training.files.atomic_files import UnwritableError
from training.files.untrusted_files import open_regular, parse_json

LONGEST_LINE = 2**26  # bytes
MOST_LINES = 1_000_000
UNDO, REDO = {"undo": True}, {"redo": True}
T = TypeVar("T")


@dataclass(frozen=True)
class MaskEdit:
    """What an operation changed in a mask, and the name of its layer."""

    name: str
    edit: Edit


@dataclass(frozen=True)
class Step:
    """An operation, what it changed, and the ids that it was about, the one that stays first."""

    operation: Operation
    edit: Edit | None
    bodies: tuple[int, ...]
    mask: MaskEdit | None = None


class History:
    """Does operations on neurons, remembers them, and takes them back.

    Parameters
    ----------
    neurons : Neurons
        What is changed.
    steps : iterable of dict
        What :func:`read_lines` gives of an earlier session on these labels.
    saved : int, optional
        How many of them the labels had when they were saved, all by default. What they lack of the
        others, because the session ended before, is done now.

    Attributes
    ----------
    lines : list of dict
        All that was done, undone and redone, in its order; it only grows.

    Raises
    ------
    UserError
        If the steps are not of these labels.
    """

    def __init__(
        self, neurons: Neurons, steps: Iterable[dict[str, Any]] = (), saved: int | None = None
    ) -> None:
        self.neurons = neurons
        self.lines: list[dict[str, Any]] = []
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._moves: list[tuple[Step, bool]] = []  # of each line: what, and whether it was done
        for line in steps:
            self._take(line)
        if saved is not None:
            moves = [(step.edit, is_done) for step, is_done in self._moves[saved:] if step.edit]
            catch_up(neurons.labels, moves, neurons.apply, neurons.revert)

    @property
    def operations(self) -> list[Operation]:
        """What was done and is not undone."""
        return [step.operation for step in self._done]

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    @property
    def undone_count(self) -> int:
        """How many operations can be done again."""
        return len(self._undone)

    @property
    def finished(self) -> set[int]:
        """The ids that a person marked as done, and did not change since."""
        finished: set[int] = set()
        for step in self._done:
            if step.operation.kind == "done":
                finished ^= {*step.bodies}
            else:
                finished -= {*step.bodies}
        return finished

    def do(self, operation: Operation) -> Step:
        """Do an operation.

        Raises
        ------
        UserError
            If it can't be done on these labels; nothing is changed then.
        """
        return self.take(self.plan(operation))

    def plan(self, operation: Operation, mask: tuple[str, Volume] | None = None) -> Step:
        """Find what an operation would change, in any thread.

        Parameters
        ----------
        operation : Operation
        mask : (str, array (Z, Y, X) of int), optional
            The name of a mask that is to follow, and its pixels; whoever takes the step changes it.

        Raises
        ------
        UserError
            If it can't be done on these labels, or not in this mask.
        """
        bodies = self.neurons.under(operation.points)
        edit = self.neurons.plan(operation)
        if edit is None:
            return Step(operation, edit, tuple(bodies))
        # A line may pass over others than the neuron that it cuts.
        is_of_one = operation.kind in ("split", "cut")
        ids = tuple(dict.fromkeys(edit.ids if is_of_one else [*bodies, *edit.ids]))
        if mask is None:
            return Step(operation, edit, ids)
        labels, index = self.neurons.labels, self.neurons.index
        walls = plan_walls(labels, index, edit, operation.kind, mask[1])
        return Step(operation, edit, ids, MaskEdit(mask[0], walls) if len(walls.starts) else None)

    def take(self, step: Step) -> Step:
        """Do what :meth:`plan` found."""
        if step.edit is not None:
            self.neurons.apply(step.edit)
        self._done.append(step)
        self._undone.clear()
        self._note(_line(step), step, is_done=True)
        return step

    def undo(self) -> Step | None:
        """Take the last operation back; None if there is none.

        Raises
        ------
        UserError
            If its pixels were painted since; nothing is changed then.
        """
        if not self._done:
            return None
        step = self._done[-1]
        if step.edit is not None:
            self.neurons.revert(step.edit)
        self._undone.append(self._done.pop())
        self._note(UNDO, step, is_done=False)
        return step

    def redo(self) -> Step | None:
        """Do again what was undone last; None if there is nothing.

        Raises
        ------
        UserError
            If its pixels were painted since; nothing is changed then.
        """
        if not self._undone:
            return None
        step = self._undone[-1]
        if step.edit is not None:
            self.neurons.repeat(step.edit)
        self._done.append(self._undone.pop())
        self._note(REDO, step, is_done=True)
        return step

    def mask_moves(self, name: str, saved: int) -> list[Move]:
        """List what the lines after the first ``saved`` ones changed in a mask of this name."""
        masks = [(step.mask, is_done) for step, is_done in self._moves[saved:]]
        return [(mask.edit, is_done) for mask, is_done in masks if mask and mask.name == name]

    def _take(self, line: dict[str, Any]) -> None:
        """Follow what an earlier session did; the labels have it already."""
        _follow(line, self._done, self._undone, lambda line: _step(line, self.neurons.labels))
        is_done = line != UNDO
        self._note(line, (self._done if is_done else self._undone)[-1], is_done=is_done)

    def _note(self, line: dict[str, Any], step: Step, *, is_done: bool) -> None:
        self.lines.append(line)
        self._moves.append((step, is_done))


def replay(operations: Iterable[Operation], history: History) -> int:
    """Do the operations of another session, on the same labels or on a new segmentation.

    Returns
    -------
    int
        How many no longer apply.
    """
    skipped = 0
    for operation in operations:
        try:
            history.do(operation)
        except UserError:
            skipped += 1
    return skipped


def operations_in(lines: Iterable[dict[str, Any]]) -> list[Operation]:
    """List what lines of a file did and did not take back, whatever labels they were for.

    Raises
    ------
    UserError
        If the lines are not what :class:`History` writes.
    """
    done: list[Operation] = []
    undone: list[Operation] = []
    for line in lines:
        _follow(line, done, undone, _operation)
    return done


def append_lines(path: Path, lines: Iterable[dict[str, Any]], folder: Path | None = None) -> None:
    """Add lines to a file of operations, each as a whole; the file is made if it is missing.

    Parameters
    ----------
    path : Path
    lines : iterable of dict
    folder : Path, optional
        From which on no part of the path may be a link.

    Raises
    ------
    UnwritableError
        If it can't be written.
    """
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with open_to_append(path, folder) as file:
        try:
            size = file.seek(0, 2)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a killed process left half a line
                    content = b"\n" + content
            append_whole(file, content)
        except OSError as error:
            raise UnwritableError(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of operations; half a line that a killed process left is passed over.

    Raises
    ------
    UserError
        If it can't be read, is too large, or holds something else.
    """
    try:
        with open_regular(path) as file:
            return list(_parsed(iter(lambda: file.readline(LONGEST_LINE + 1), b""), path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}.") from error


def _parsed(lines: Iterator[bytes], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE or number > MOST_LINES:
            raise UserError(f"{path} is too large for a list of operations.")
        try:
            document = parse_json(line)
        except ValueError:
            if _is_half(line):
                continue
            raise UserError(f"{path}, line {number}, is not an operation on neurons.") from None
        if not isinstance(document, dict):
            raise UserError(f"{path}, line {number}, is not an operation on neurons.")
        yield document


def _is_half(line: bytes) -> bool:
    """Whether a line was begun as one of ours and cut off."""
    return line.startswith(b'{"kind"') and not line.rstrip().endswith(b"}")


def _follow(
    line: dict[str, Any], done: list[T], undone: list[T], read: Callable[[dict[str, Any]], T]
) -> None:
    """Put what a line says among what is done, or what is undone."""
    if line in (UNDO, REDO):
        former, latter = (done, undone)[:: 1 if line == UNDO else -1]
        if not former:
            raise _damaged("it takes back what was not done")
        latter.append(former.pop())
    else:
        done.append(read(line))
        undone.clear()


def _line(step: Step) -> dict[str, Any]:
    edit = None if step.edit is None else step.edit.to_text()
    line = {**step.operation.model_dump(mode="json"), "bodies": [*step.bodies], "edit": edit}
    if step.mask is not None:
        line["mask"] = {"name": step.mask.name, "edit": step.mask.edit.to_text()}
    return line


def _operation(line: dict[str, Any]) -> Operation:
    known = {name: value for name, value in line.items() if name in ("kind", "strokes")}
    try:
        operation = Operation.model_validate_json(json.dumps(known))
    except ValidationError as error:
        raise _damaged(str(error.errors()[0]["msg"])) from None
    if len(operation.points) > MOST_POINTS:
        raise _damaged(f"an operation has over {MOST_POINTS} points")
    return operation


def _step(line: dict[str, Any], labels: Volume) -> Step:
    operation, bodies, text = _operation(line), line.get("bodies"), line.get("edit")
    if not isinstance(bodies, list) or not all(type(body) is int for body in bodies):
        raise _damaged("the ids of an operation are missing")
    if text is None and operation.kind == "done":
        return Step(operation, None, tuple(bodies))
    try:
        edit, mask = Edit.from_text(str(text), labels), _mask_edit(line.get("mask"), labels)
    except ValueError as error:
        raise _damaged(str(error)) from None
    return Step(operation, edit, tuple(bodies), mask)


def _mask_edit(found: Any, labels: Volume) -> MaskEdit | None:
    """Read what was changed in a mask of the labels' size."""
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise ValueError("the name of a mask is missing")
    return MaskEdit(found["name"], Edit.from_text(str(found.get("edit")), labels))


def _damaged(why: str) -> UserError:
    return UserError(
        f"The list of operations is not one of these labels: {why:.100}.",
        "The labels are whole; the operations before can't be undone.",
    )
