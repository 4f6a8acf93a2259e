import json
import os
from pathlib import Path

import pytest

from napari_unet.projects.project import Project
from napari_unet.projects.records import LayerRecord, ProjectChoices, ProjectState, StackReference
from training.errors import UserError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    stack.write_bytes(b"pixels")
    project = Project.create(tmp_path / "new" / "mine")
    layers = (
        LayerRecord(kind="image", attributes={"name": "a"}, stack=StackReference.of(stack)),
        LayerRecord(
            kind="labels",
            file="labels/b.tif",
            attributes={"name": "b"},
            metadata={"label_convention": "sparse"},
        ),
    )
    state = ProjectState(
        layers=layers, view={"current_step": [3, 0, 0]}, settings=ProjectChoices(threshold=0.4)
    )
    project.write(state)
    assert Project.open(project.folder).read() == state
    assert {path.name for path in project.folder.iterdir()} == {
        "project.json",
        "labels",
        "images",
        "runs",
    }


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is not empty"):
        Project.create(tmp_path)
    Project.create(tmp_path / "mine")
    with pytest.raises(UserError, match="holds a project already"):
        Project.create(tmp_path / "mine")
    with pytest.raises(UserError, match=r"holds no project\.json"):
        Project.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"layers": [{}]}', "[]", '{"layers": 3}'])
def test_a_damaged_document_is_reported(tmp_path: Path, text: str) -> None:
    project = Project.create(tmp_path / "mine")
    project.document.write_text(text)
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        project.read()


def test_damage_is_named_by_its_field(tmp_path: Path) -> None:
    record = {"kind": "labels", "file": "labels/a.tif", "attributes": 3}
    text = json.dumps({"layers": [record], "view": {}, "settings": {}})
    with pytest.raises(UserError, match=r"mine\.json is damaged: layers\.0\.attributes: "):
        ProjectState.from_json(text, "mine.json")


@pytest.mark.parametrize("settings", [{"threshold": "high"}, {"model": 3}, {"training": []}])
def test_a_choice_of_another_type_is_damage(settings: dict[str, object]) -> None:
    text = json.dumps({"layers": [], "view": {}, "settings": settings})
    with pytest.raises(UserError, match=r"is damaged: settings\."):
        ProjectState.from_json(text, "mine.json")


def test_missing_and_changed_stacks_are_reported_and_moved_times_are_not(tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    stack.write_bytes(b"pixels")
    reference = StackReference.of(stack)
    reference.check()
    os.utime(stack, ns=(1, 1))
    reference.check()
    stack.write_bytes(b"others")
    with pytest.raises(UserError, match="has changed"):
        reference.check()
    stack.unlink()
    with pytest.raises(UserError, match="is missing"):
        reference.check()


def test_a_new_layer_overwrites_no_file(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "mine")
    first = project.new_file("labels", "my strokes / 2", set())
    assert first == "labels/my-strokes---2.tif"
    (project.folder / first).touch()
    second = project.new_file("labels", "my strokes / 2", set())
    assert second == "labels/my-strokes---2-2.tif"
    assert project.new_file("labels", "my strokes / 2", {second}) == "labels/my-strokes---2-3.tif"
