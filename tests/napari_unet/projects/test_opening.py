"""Opening projects, also those of somebody else: what they name is looked at before it is used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_unet.projects.opening import Access, open_project
from napari_unet.projects.project import Project
from napari_unet.projects.project_lock import ProjectInUseError, ProjectLock
from napari_unet.settings import load_settings
from training.errors import UserError

LABELS = {"kind": "labels", "file": "labels/a.tif", "attributes": {"scale": [1, 1, 1]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a file of labels that no layer names yet."""
    project = Project.create(tmp_path / "project")
    pixels = np.zeros((3, 8, 9), np.uint8)
    tifffile.imwrite(project.folder / "labels/a.tif", pixels, photometric="minisblack")
    return project.folder


def write(folder: Path, *layers: dict[str, Any], **settings: Any) -> None:
    document = {"layers": list(layers), "view": {}, "settings": settings}
    (folder / "project.json").write_text(json.dumps(document))


def image(path: Path | str, size: int = 9) -> dict[str, Any]:
    stack = {"path": str(path), "size": size, "modified": 1, "sha256": "00"}
    return {"kind": "image", "attributes": {"name": "stack"}, "stack": stack}


def test_labels_are_read_and_the_project_is_held(folder: Path) -> None:
    write(folder, LABELS)
    opened = open_project(folder)
    assert opened.pixels["labels/a.tif"].shape == (3, 8, 9)
    with pytest.raises(ProjectInUseError):
        open_project(folder)
    assert not open_project(folder, Access.LOOK_ONLY).lock.is_held
    assert open_project(folder, Access.TAKE_OVER).lock.is_held


def test_a_project_that_could_not_be_opened_is_not_held(folder: Path, tmp_path: Path) -> None:
    (folder / "labels/theirs.tif").symlink_to(tmp_path / "theirs.tif")
    write(folder, {**LABELS, "file": "labels/theirs.tif"})
    with pytest.raises(UserError, match=r"theirs\.tif is a link to outside"):
        open_project(folder)
    ProjectLock(folder / "project.json").acquire()


def test_who_looks_only_writes_nothing(folder: Path) -> None:
    write(folder, LABELS)
    (folder / "runs").rmdir()
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    open_project(folder, Access.LOOK_ONLY)
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before
    assert not load_settings().project


@pytest.mark.parametrize(
    "target", ["/proc/self/mem", "/proc/kmsg", "/dev/zero", "/proc/self/environ", "pipe", "gone"]
)
def test_a_stack_that_is_no_file_is_named_and_its_layer_kept(
    folder: Path, tmp_path: Path, target: str
) -> None:
    stack = tmp_path / "stack.tif"
    if target == "pipe":
        os.mkfifo(stack)
    elif target != "gone":
        stack.symlink_to(target)
    write(folder, LABELS, image(stack))
    opened = open_project(folder)
    [problem] = opened.problems
    assert problem.problem.startswith(f"The stack {stack} ")
    assert [record.stack.path for record in opened.unreadable if record.stack] == [str(stack)]


@pytest.mark.parametrize(
    "path", ["stack.tif", "/proc/self/mem", "/data/a\0.tif", "", "/etc/passwd"]
)
def test_a_path_that_no_stack_has_is_damage(folder: Path, path: str) -> None:
    write(folder, image(path))
    with pytest.raises(UserError, match=r"project\.json is damaged: layers\.0\.stack\.path"):
        open_project(folder)


@pytest.mark.parametrize("model", [5, "/etc", "../model.onnx", "runs/../../x", "a\0b"])
def test_a_model_outside_the_project_is_damage(folder: Path, model: object) -> None:
    write(folder, model=model)
    with pytest.raises(UserError, match=r"project\.json is damaged: settings\.model"):
        open_project(folder)


def test_a_model_behind_a_link_is_not_chosen(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (folder / "runs/model.onnx").symlink_to(tmp_path / "model.onnx")
    write(folder, model="runs/model.onnx")
    open_project(folder)
    assert load_settings().model == ""


@pytest.mark.parametrize("name", ["labels", "images", "runs"])
def test_nothing_is_written_or_deleted_behind_a_link(
    folder: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    leftover = outside / ".mine.tif.12345678.part"
    leftover.touch()
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(outside)
    with pytest.raises(UserError, match=f"{name} is a link to outside of the project"):
        open_project(folder)
    assert leftover.exists()


def test_two_layers_have_two_files(folder: Path) -> None:
    write(folder, LABELS, LABELS)
    with pytest.raises(UserError, match="two layers have one file"):
        open_project(folder)


def test_no_slice_of_a_file_is_left_out(folder: Path) -> None:
    """A layer of one slice would replace the file of three a second after a stroke."""
    write(folder, {**LABELS, "attributes": {"scale": [1, 1]}})
    [problem] = open_project(folder).problems
    assert "a.tif has 3 slices, but its layer" in problem.problem


@pytest.mark.parametrize("content", [None, b"", b"no TIF at all", "cut"])
def test_a_damaged_file_closes_no_project(folder: Path, content: bytes | str | None) -> None:
    path = folder / "labels/b.tif"
    if content == "cut":
        path.write_bytes((folder / "labels/a.tif").read_bytes()[:200])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    damaged = {**LABELS, "file": "labels/b.tif"}
    write(folder, damaged, LABELS)
    opened = open_project(folder)
    assert list(opened.pixels) == ["labels/a.tif"]
    [problem] = opened.problems
    assert str(path) in problem.problem
    assert [record.file for record in opened.unreadable] == ["labels/b.tif"]  # it stays recorded
