"""Lists of operations, in memory, in files without a name, and saved with the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_unet.layers.followed_operations import SAVED_KEY
from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects import operation_list
from napari_unet.projects.operation_list import OperationList, append_lines, read_lines
from napari_unet.projects.project import Project
from napari_unet.projects.project_lock import ProjectLock
from napari_unet.projects.project_writer import LayerSnapshot, ProjectWriter, Snapshot
from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.history import History
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation
from napari_unet.stacks.incremental_tif import SavedStack
from training.errors import UserError
from training.files.known_file import ChangedFileError, KnownFile
from training.opening import read_stack

NAME = f"operations-{'0' * 16}.jsonl"
LINES = [{"kind": "merge", "number": number, "text": "x" * 50} for number in range(9)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "mine")


@pytest.fixture
def writer(project: Project) -> ProjectWriter:
    lock, document = ProjectLock(project.document), KnownFile(project.document)
    lock.acquire()
    document.see()
    return ProjectWriter(project, lock, document)


def snapshot(number: int, lines: OperationList, data: Any) -> Snapshot:
    metadata = {OPERATIONS_KEY: NAME, SAVED_KEY: {NAME: 1}}
    layer = LayerSnapshot("a", "labels", {"name": "a"}, metadata, None, data, "", None, lines)
    return Snapshot(number, (layer,), {})


def test_a_large_list_lies_in_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_list, "MOST_IN_MEMORY", 200)
    lines = OperationList(LINES[:3])
    assert lines[-1] == LINES[2]
    for line in LINES[3:]:
        lines.append(line)
    assert [*lines] == LINES and lines[2:4] == LINES[2:4]
    copy = lines.copy()
    lines.append({"undo": True})
    assert len(copy) == 9 and len(lines) == 10
    assert lines.packed(8, 10).count(b"\n") == 2


def test_lines_of_a_project_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    append_lines(path, LINES[:2])
    lines = OperationList(source=path)
    append_lines(path, LINES[2:3])
    assert len(lines) == 3
    path.unlink()
    assert [*lines] == LINES[:3]


def test_only_lines_that_are_new_are_saved(project: Project, writer: ProjectWriter) -> None:
    lines, data, path = OperationList(LINES[:2]), np.zeros((2, 4, 4), np.uint8), project.folder
    writer.save(snapshot(0, lines, data))
    file = path / "labels" / NAME
    first = file.read_bytes()
    lines.append({"undo": True})
    writer.save(snapshot(1, lines, data))
    assert file.read_bytes() == first + b'{"undo": true}\n'


def test_a_list_is_saved_before_the_labels_that_have_it(
    project: Project, writer: ProjectWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an operation that ends while pixels are copied, too."""
    lines, data, found = OperationList(LINES[:1]), np.zeros((2, 4, 4), np.uint8), []
    compress = SavedStack._compress

    def end_one(self: SavedStack, index: int, pixels: Any) -> bool:
        if index == 1:
            lines.append(LINES[1])
        return compress(self, index, pixels)

    def die(*_: Any, **__: Any) -> None:
        found.extend(read_lines(project.folder / "labels" / NAME))
        raise UserError("The disk is gone.")

    monkeypatch.setattr(SavedStack, "_compress", end_one)
    monkeypatch.setattr("napari_unet.stacks.incremental_tif.TifWriter", die)
    with pytest.raises(UserError, match="The disk is gone"):
        writer.save(snapshot(0, lines, data))
    assert found == LINES[:2]


def test_labels_are_saved_although_their_list_can_not_be(
    project: Project, writer: ProjectWriter
) -> None:
    (project.folder / "labels" / NAME).mkdir()
    data = np.ones((2, 4, 4), np.uint8)
    with pytest.raises(UserError, match="operations-"):
        writer.save(snapshot(0, OperationList(LINES), data))
    np.testing.assert_array_equal(read_stack(project.folder / "labels/a.tif"), data)


def test_a_list_that_another_window_went_on_with_is_kept_beside_ours(
    project: Project, writer: ProjectWriter
) -> None:
    lines, data = OperationList(LINES[:2]), np.zeros((2, 4, 4), np.uint8)
    writer.save(snapshot(0, lines, data))
    file = project.folder / "labels" / NAME
    append_lines(file, [{"undo": True}])
    theirs = file.read_bytes()
    lines.append(LINES[2])
    with pytest.raises(ChangedFileError):
        writer.save(snapshot(1, lines, data))
    writer.keep_both()
    writer.save(snapshot(2, lines, data))
    [record] = [r for r in project.read().layers if r.metadata[OPERATIONS_KEY] != NAME]
    name = record.metadata[OPERATIONS_KEY]
    assert record.metadata[SAVED_KEY] == {name: 1}
    assert read_lines(project.folder / "labels" / name) == LINES[:3]
    assert file.read_bytes() == theirs


def test_slices_that_were_saved_at_different_times_are_all_brought_up() -> None:
    labels = np.zeros((4, 8, 8), np.int32)
    labels[:, :4], labels[:, 4:] = 1, 2
    history, states = History(Neurons(labels, BodyIndex(labels))), [labels.copy()]
    places = ((0, 1, 1), (0, 6, 6))
    for operation in (
        Operation(kind="merge", strokes=(places,)),
        Operation(kind="delete", strokes=(places[:1],)),
    ):
        history.do(operation)
        states.append(labels.copy())
    saved = np.stack([states[number][z] for z, number in enumerate((0, 1, 2, 0))])
    saved[3, 2, 2] = 7
    painted = saved[3].copy()
    reopened = History(Neurons(saved, BodyIndex(saved)), history.lines, 0)
    np.testing.assert_array_equal(saved[:3], states[2][:3])
    np.testing.assert_array_equal(saved[3], painted)
    assert reopened.odd_slices == [3]
