"""The operations on a volume of labels: done, undone, done again, and read back from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from napari_unet.projects.operation_list import Line, OperationList
from napari_unet.proofreading.catching_up import Move, catch_up
from napari_unet.proofreading.edits import Edit, OnPart, Order, Volume
from napari_unet.proofreading.giving import Giving
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import MOST_POINTS, Kind, Operation
from napari_unet.proofreading.walls import plan_walls
from training.errors import UserError

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


@dataclass(frozen=True)
class Plan:
    """An operation that is to be done, and what it will change; else as :class:`Step`."""

    operation: Operation
    edit: Edit | Giving | None
    bodies: tuple[int, ...]
    mask: MaskEdit | None = None


class _Done(NamedTuple):
    """What is kept in memory of an operation: where its line is, what it is, and of which ids."""

    line: int
    kind: Kind
    bodies: tuple[int, ...]


class History:
    """Does operations on neurons, remembers them, and takes them back; in one thread at a time.

    What an operation changed is read from its line again when it is undone.

    Parameters
    ----------
    neurons : Neurons
        What is changed.
    lines : OperationList or iterable of dict
        Of an earlier session on these labels; a list is added to.
    saved : int, optional
        How many of them the labels had when they were saved, all by default. What they lack of the
        others, because the session ended before, is done now.

    Attributes
    ----------
    lines : OperationList
        All that was done, undone and redone, in its order; it only grows.
    odd_slices : list of int
        Where the labels that were saved are neither as before nor as after what they may lack.

    Raises
    ------
    UserError
        If the lines are not of these labels.
    """

    def __init__(
        self, neurons: Neurons, lines: Iterable[Line] = (), saved: int | None = None
    ) -> None:
        self.neurons = neurons
        self.lines = lines if isinstance(lines, OperationList) else OperationList(lines)
        self._done: list[_Done] = []
        self._undone: list[_Done] = []
        self._moves: list[tuple[int, bool]] = []  # of each line: what it is about; whether done
        self._latest: tuple[int, Step] | None = None
        for number, line in enumerate(self.lines):
            self._follow(number, line)
        self.odd_slices: list[int] = []
        if saved is not None:
            moves = self._edits(saved, lambda step: step.edit)
            catching = catch_up(neurons.labels, moves)
            self.odd_slices = catching.odd
            for index in catching.changed:
                neurons.index.look_at_slice(index)

    @property
    def operations(self) -> list[Operation]:
        """What was done and is not undone."""
        return [_operation(self.lines[done.line]) for done in self._done]

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    @property
    def done_count(self) -> int:
        """How many operations can be undone."""
        return len(self._done)

    @property
    def undone_count(self) -> int:
        """How many operations can be done again."""
        return len(self._undone)

    @property
    def finished(self) -> set[int]:
        """The ids that a person marked as done, and did not change since."""
        finished: set[int] = set()
        for done in self._done:
            if done.kind == "done":
                finished ^= {*done.bodies}
            else:
                finished -= {*done.bodies}
        return finished

    def do(self, operation: Operation) -> Step:
        """Do an operation.

        Raises
        ------
        UserError
            If it can't be done on these labels; nothing is changed then.
        """
        return self.take(self.plan(operation))

    def plan(
        self,
        operation: Operation,
        mask: tuple[str, Volume] | None = None,
        on_part: OnPart = lambda *_: None,
    ) -> Plan:
        """Find what an operation would change.

        Parameters
        ----------
        operation : Operation
        mask : (str, array (Z, Y, X) of int), optional
            The name of a mask that is to follow, and its pixels; whoever takes the step changes it.
        on_part : callable
            As :meth:`Neurons.plan` calls it.

        Raises
        ------
        UserError
            If it can't be done on these labels, or not in this mask.
        """
        bodies = self.neurons.under(operation.points)
        edit = self.neurons.plan(operation, on_part)
        if edit is None:
            return Plan(operation, edit, tuple(bodies))
        # A line may pass over others than the neuron that it cuts.
        is_of_one = operation.kind in ("split", "cut")
        ids = tuple(dict.fromkeys(edit.ids if is_of_one else [*bodies, *edit.ids]))
        if mask is None:
            return Plan(operation, edit, ids)
        labels, index = self.neurons.labels, self.neurons.index
        walls = plan_walls(labels, index, edit, operation.kind, mask[1])
        return Plan(operation, edit, ids, MaskEdit(mask[0], walls) if len(walls.starts) else None)

    def take(self, plan: Plan, order: Order = iter) -> Step:
        """Do what :meth:`plan` found; its slices are changed in an order of :class:`Neurons`.

        Raises
        ------
        UserError
            If its pixels were painted since, or what it changed can't be kept; nothing is changed
            then.
        """
        edit = plan.edit
        if edit is not None:
            edit = self.neurons.change(edit, order)
        step = Step(plan.operation, edit, plan.bodies, plan.mask)
        self._add(step, _line(step), is_undo=False)
        done = _Done(len(self.lines) - 1, step.operation.kind, step.bodies)
        self._latest = done.line, step
        self._done.append(done)
        self._undone.clear()
        self._moves.append((done.line, True))
        return step

    def undo(self, order: Order = iter) -> Step | None:
        """Take the last operation back; None if there is none.

        Raises
        ------
        UserError
            As :meth:`take`.
        """
        return self._step_back(self._done, self._undone, order, is_undo=True)

    def redo(self, order: Order = iter) -> Step | None:
        """Do again what was undone last; None if there is nothing.

        Raises
        ------
        UserError
            As :meth:`take`.
        """
        return self._step_back(self._undone, self._done, order, is_undo=False)

    def _step_back(
        self, former: list[_Done], latter: list[_Done], order: Order, *, is_undo: bool
    ) -> Step | None:
        if not former:
            return None
        step = self._step(former[-1].line)
        if step.edit is not None:
            self.neurons.change(step.edit, order, is_undo=is_undo)
        self._add(step, UNDO if is_undo else REDO, is_undo=is_undo)
        self._moves.append((former[-1].line, not is_undo))
        latter.append(former.pop())
        return step

    def _add(self, step: Step, line: Line, *, is_undo: bool) -> None:
        """Add the line of what was changed; where it can't be, the labels are as before."""
        try:
            self.lines.append(line)
        except UserError:
            if step.edit is not None:
                self.neurons.change(step.edit, is_undo=not is_undo)
            raise

    def _step(self, line: int) -> Step:
        """Read what an operation changed; that of the latest is still known."""
        if self._latest is None or self._latest[0] != line:
            self._latest = line, _step(self.lines[line], self.neurons.labels)
        return self._latest[1]

    def mask_moves(self, name: str, saved: int) -> list[Move]:
        """List what the lines after the first ``saved`` ones changed in a mask of this name."""

        def edit_of(step: Step) -> Edit | None:
            return step.mask.edit if step.mask is not None and step.mask.name == name else None

        return self._edits(saved, edit_of)

    def _edits(self, saved: int, edit_of: Callable[[Step], Edit | None]) -> list[Move]:
        steps: dict[int, Step] = {}  # several lines may be about one
        for line, _ in self._moves[saved:]:
            if line not in steps:
                steps[line] = _step(self.lines[line], self.neurons.labels)
        moves = [(edit_of(steps[line]), is_done) for line, is_done in self._moves[saved:]]
        return [(edit, is_done) for edit, is_done in moves if edit is not None]

    def _follow(self, number: int, line: Line) -> None:
        """Follow what an earlier session did; the labels have it already."""

        def read(line: Line) -> _Done:
            step = _step(line, self.neurons.labels)
            return _Done(number, step.operation.kind, step.bodies)

        _follow(line, self._done, self._undone, read)
        is_done = line != UNDO
        self._moves.append(((self._done if is_done else self._undone)[-1].line, is_done))


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


def operations_in(lines: Iterable[Line]) -> list[Operation]:
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


def _follow(line: Line, done: list[T], undone: list[T], read: Callable[[Line], T]) -> None:
    """Put what a line says among what is done, or what is undone."""
    if line in (UNDO, REDO):
        former, latter = (done, undone)[:: 1 if line == UNDO else -1]
        if not former:
            raise _damaged("it takes back what was not done")
        latter.append(former.pop())
    else:
        done.append(read(line))
        undone.clear()


def _line(step: Step) -> Line:
    edit = None if step.edit is None else step.edit.to_text()
    line = {**step.operation.model_dump(mode="json"), "bodies": [*step.bodies], "edit": edit}
    if step.mask is not None:
        line["mask"] = {"name": step.mask.name, "edit": step.mask.edit.to_text()}
    return line


def _operation(line: Line) -> Operation:
    known = {name: value for name, value in line.items() if name in ("kind", "strokes")}
    try:
        operation = Operation.model_validate_json(json.dumps(known))
    except ValidationError as error:
        raise _damaged(str(error.errors()[0]["msg"])) from None
    if len(operation.points) > MOST_POINTS:
        raise _damaged(f"an operation has over {MOST_POINTS} points")
    return operation


def _step(line: Line, labels: Volume) -> Step:
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
