"""Operations on a small volume of four neurons, their undo, and the file that keeps them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.draw import line as draw_line

from napari_unet.projects.operation_list import append_lines, read_lines
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.history import (
    History,
    operations_in,
    replay,
)
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation, Point, Stroke
from training.errors import UserError

DEPTH, SIZE = 4, 40
LEFT_TOP, RIGHT_TOP = (1, 5, 5), (1, 5, 35)
LEFT_BOTTOM, RIGHT_BOTTOM = (1, 35, 5), (1, 35, 35)


@pytest.fixture
def labels() -> NDArray[np.int32]:
    """Quarters 1 to 4, with a free row and column between them."""
    labels = np.zeros((DEPTH, SIZE, SIZE), np.int32)
    labels[:, :19, :19], labels[:, :19, 20:] = 1, 2
    labels[:, 20:, :19], labels[:, 20:, 20:] = 3, 4
    return labels


def history_of(
    labels: NDArray[Any], lines: Any = (), membrane: Any = None, saved: int | None = None
) -> History:
    return History(Neurons(labels, BodyIndex(labels), membrane), lines, saved)


def operation(kind: Any, *strokes: Stroke) -> Operation:
    return Operation(kind=kind, strokes=strokes)


def line(*corners: Point) -> Stroke:
    """A stroke from corner to corner on a slice."""
    points = [
        (former[0], int(y), int(x))
        for former, latter in pairwise(corners)
        for y, x in zip(*draw_line(*former[1:], *latter[1:]), strict=True)
    ]
    return tuple(dict.fromkeys(points))


MERGE = operation("merge", (LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM))
SPLIT = operation("split", ((0, 2, 2), (0, 2, 16)), ((3, 16, 2), (3, 16, 16)))
DELETE = operation("delete", (RIGHT_BOTTOM,))
NEW = operation("new", ((2, 19, 3),))
CUT = operation("cut", line((2, 9, -1), (2, 7, 19)))


def check_index(history: History) -> None:
    """The index that followed each operation is that of the labels as they are."""
    fresh = BodyIndex(history.neurons.labels)
    assert history.neurons.index.ids == fresh.ids
    for body in fresh.ids:
        assert history.neurons.index.sections(body) == fresh.sections(body)


@pytest.mark.parametrize("done", [MERGE, SPLIT, DELETE, NEW, CUT], ids=lambda done: done.kind)
def test_an_operation_is_undone_and_redone_exactly(
    labels: NDArray[np.int32], done: Operation
) -> None:
    before = labels.copy()
    history = history_of(labels)
    history.do(done)
    after = labels.copy()
    assert (after != before).any()
    check_index(history)
    history.undo()
    assert (labels == before).all()
    check_index(history)
    history.redo()
    assert (labels == after).all()
    check_index(history)


def test_each_operation_changes_what_it_says(labels: NDArray[np.int32]) -> None:
    history = history_of(labels)
    history.do(MERGE)
    assert set(np.unique(labels)) == {0, 1, 4}
    history.do(DELETE)
    assert set(np.unique(labels)) == {0, 1}
    history.do(NEW)
    assert (labels[2, 19] == 2).all()
    assert (labels == 2).sum() == SIZE + SIZE - 1 + 20 * 20  # the cross and the deleted neuron
    assert not (labels[1] == 2).any()


def test_a_split_follows_the_membrane_through_all_slices(labels: NDArray[np.int32]) -> None:
    membrane = np.zeros(labels.shape, np.float32)
    membrane[:, 7] = 0.9  # nearer to the first stroke than to the second
    history = history_of(labels, membrane=membrane)
    history.do(operation("split", ((1, 3, 9),), ((1, 17, 9),)))
    assert (labels[:, :7, :19] == 1).all()
    assert (labels[:, 8:19, :19] == 5).all()


def test_a_large_neuron_is_split_along_the_same_membrane() -> None:
    labels = np.ones((3, 300, 300), np.int32)
    membrane = np.zeros(labels.shape, np.float32)
    rows = 150 + np.round(20 * np.sin(np.arange(300) / 20)).astype(int)
    for offset in (-1, 0, 1):
        membrane[:, rows + offset, np.arange(300)] = 0.9
    history_of(labels, membrane=membrane).do(operation("split", ((1, 20, 20),), ((1, 280, 20),)))
    height = np.arange(300)[:, None]
    assert (labels[:, height < rows - 1] == 1).all()
    assert (labels[:, height > rows + 1] == 2).all()


def test_a_line_cuts_a_neuron_in_all_of_its_slices(labels: NDArray[np.int32]) -> None:
    history = history_of(labels)
    step = history.do(operation("cut", line((1, 6, -3), (1, 6, 22))))
    assert step.bodies == (1, 5)
    assert (labels[:, :6, :19] == 5).all()  # the smaller side
    assert (labels[:, 7:19, :19] == 1).all()
    assert (labels[1, 6, :19] == 1).all()
    assert (labels[:, :19, 20:] == 2).all()


def test_a_line_cuts_on_along_the_membrane_of_other_slices(labels: NDArray[np.int32]) -> None:
    membrane = np.zeros(labels.shape, np.float32)
    membrane[[0, 2, 3], :19, 12] = 0.9  # the drawn slice has none, and is cut where it is drawn
    history_of(labels, membrane=membrane).do(operation("cut", line((1, -2, 14), (1, 21, 14))))
    assert (labels[1, :19, 15:19] == 5).all()
    assert (labels[1, :19, :15] == 1).all()
    assert (labels[[0, 2, 3], :19, 13:19] == 5).all()
    assert (labels[[0, 2, 3], :19, :12] == 1).all()


def test_a_bent_line_cuts_a_neuron_that_it_crosses_twice() -> None:
    labels = np.zeros((1, 30, 40), np.int32)
    labels[0, 10:30, 5:35] = 1
    labels[0, 10:20, 15:25] = 0  # a U, whose two arms the line cuts off
    history_of(labels).do(operation("cut", line((0, 14, 2), (0, 14, 20), (0, 16, 38))))
    assert (labels[0, 10:14, 5:15] == 2).all()
    assert (labels[0, 10:14, 25:35] == 2).all()
    assert (labels[0, 17:20, 5:15] == 1).all()
    assert (labels[0, 20:] != 2).all()


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (operation("merge", (LEFT_TOP, (2, 5, 6))), "Only one neuron"),
        (operation("merge", ((1, 19, 19), (9, 9, 9))), "Only one neuron"),
        (operation("split", (LEFT_TOP,)), "two strokes"),
        (operation("split", (LEFT_TOP,), (RIGHT_TOP,)), "don't lie on one"),
        (operation("split", (LEFT_TOP,), (LEFT_TOP,)), "cross"),
        (operation("cut", line((1, 5, -2), (1, 5, 10))), "does not cut the neuron in two"),
        (operation("cut", line((1, 2, 3), (1, 9, 9))), "does not cut the neuron in two"),
        (operation("cut", line((1, 19, 0), (1, 19, 9))), "no neuron under the line"),
        (operation("delete", ((1, 19, 19),)), "no neuron"),
        (operation("done", ((-1, 5, 5),)), "no neuron"),
        (operation("new", (LEFT_TOP,)), "Nothing is free"),
    ],
)
def test_what_does_not_apply_is_told_and_changes_nothing(
    labels: NDArray[np.int32], refused: Operation, why: str
) -> None:
    before = labels.copy()
    history = history_of(labels)
    with pytest.raises(UserError, match=why):
        history.do(refused)
    assert (labels == before).all()
    assert not history.can_undo
    assert not history.lines


def test_no_id_is_given_that_the_labels_can_not_hold() -> None:
    labels = np.full((1, 9, 9), 255, np.uint8)
    with pytest.raises(UserError, match="uint8"):
        history_of(labels).do(operation("split", ((0, 1, 1),), ((0, 8, 8),)))


@pytest.mark.parametrize("offset", [0, 2**40])
def test_ids_of_any_size_are_found(labels: NDArray[np.int32], offset: int) -> None:
    large = labels.astype(np.int64)
    large[large > 0] += offset
    history = history_of(large)
    assert history.neurons.index.ids == [offset + number for number in (1, 2, 3, 4)]
    assert history.neurons.index.sections(offset + 2)[1] == (0, 20, 19, 40, 19 * 20)


def test_a_stroke_painted_since_is_not_undone_by_mistake(labels: NDArray[np.int32]) -> None:
    history = history_of(labels)
    history.do(MERGE)
    labels[1, 5, 35] = 9
    before = labels.copy()
    with pytest.raises(UserError, match="painted since"):
        history.undo()
    assert (labels == before).all()
    assert history.can_undo


def test_operations_are_undone_after_reopening(labels: NDArray[np.int32], tmp_path: Path) -> None:
    path, first = tmp_path / "neurons.jsonl", labels.copy()
    history = history_of(labels)
    for done in (MERGE, SPLIT, operation("done", (RIGHT_BOTTOM,)), DELETE):
        history.do(done)
    history.undo()
    append_lines(path, history.lines)
    reopened = history_of(labels, read_lines(path))
    assert reopened.finished == {4}
    assert reopened.can_redo
    while reopened.can_undo:
        reopened.undo()
    assert (labels == first).all()
    check_index(reopened)


def test_what_the_labels_lost_is_done_again_on_reopening(labels: NDArray[np.int32]) -> None:
    """Whatever they were when saved: at the count that is known, or after it."""
    history, states = history_of(labels), [labels.copy()]
    for do in (MERGE, SPLIT, None, DELETE, None):
        history.undo() if do is None else history.do(do)
        states.append(labels.copy())
    for saved in range(len(states)):
        for state in states[saved:]:
            found = state.copy()
            reopened = history_of(found, history.lines, saved=saved)
            assert (found == labels).all()
            check_index(reopened)
    assert reopened.can_undo and reopened.undone_count == 1


def test_what_was_painted_away_is_not_done_again(labels: NDArray[np.int32]) -> None:
    history = history_of(labels)
    history.do(MERGE)
    history.do(NEW)
    labels[labels == history.neurons.at(NEW.points[0])] = 0
    painted = labels.copy()
    for saved in (None, 2):
        history_of(labels, history.lines, saved=saved)
        assert (labels == painted).all()


def test_operations_are_played_again(labels: NDArray[np.int32]) -> None:
    first, renumbered = labels.copy(), labels * 10
    history = history_of(labels)
    for done in (MERGE, DELETE, NEW):
        history.do(done)
    again = history_of(first)
    assert replay(operations_in(history.lines), again) == 0
    assert (first == labels).all()
    renumbered[renumbered == 40] = 0  # this segmentation has not found the fourth neuron
    elsewhere = history_of(renumbered)
    assert replay(operations_in(history.lines), elsewhere) == 1
    assert set(np.unique(renumbered)) == {0, 10, 11}


def line_of(**changes: Any) -> bytes:
    labels = np.ones((1, 4, 4), np.int32)
    history = history_of(labels)
    history.do(operation("delete", ((0, 1, 1),)))
    return json.dumps({**history.lines[0], **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n",
        b"rubbish\n",
        b'{"undo": true}\n',
        line_of(kind="format"),
        line_of(strokes=[[[0, 1.5, 1]]]),
        line_of(strokes=[]),
        line_of(bodies="all"),
        line_of(edit="AAAA"),
        line_of(edit=None),
    ],
)
def test_a_damaged_file_is_refused(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "neurons.jsonl"
    path.write_bytes(line)
    labels = np.zeros((1, 4, 4), np.int32)
    with pytest.raises(UserError):
        history_of(labels, read_lines(path))
    assert not labels.any()


def test_an_edit_of_larger_labels_is_refused() -> None:
    history = history_of(np.ones((1, 9, 9), np.int32))
    history.do(operation("delete", ((0, 1, 1),)))
    with pytest.raises(UserError, match=r"does not fit|too large"):
        history_of(np.zeros((1, 4, 4), np.int32), history.lines)


def test_half_a_line_of_a_killed_process_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "neurons.jsonl"
    path.write_bytes(line_of() + line_of()[:40])
    append_lines(path, [{"undo": True}])
    assert [*map(len, read_lines(path))] == [4, 1]
