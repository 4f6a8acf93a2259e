"""What is written of a window, and what becomes of it when writing fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_unet.projects.project import Project
from napari_unet.projects.project_lock import NotHeldError, ProjectLock
from napari_unet.projects.project_writer import LayerSnapshot, ProjectWriter, Snapshot
from training.errors import UserError
from training.files.known_file import ChangedFileError, KnownFile

pytestmark = pytest.mark.portable


def layer(name: str, data: Any, stack: Path | None = None) -> LayerSnapshot:
    kind: Any = "labels" if stack is None else "image"
    return LayerSnapshot(name, kind, {"name": name}, {}, stack, data, "", None)


def snapshot(number: int, *layers: LayerSnapshot, **view: Any) -> Snapshot:
    return Snapshot(number, layers, view)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "mine")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.zeros((3, 8, 9), np.uint8)


def new_writer(project: Project) -> ProjectWriter:
    """A window's that has just read the project."""
    lock, document = ProjectLock(project.document), KnownFile(project.document)
    lock.acquire(takes_over=True)
    document.see()
    return ProjectWriter(project, lock, document)


def files(project: Project) -> list[str]:
    return [record.file for record in project.read().layers]


def test_marked_slices_are_written(project: Project, pixels: np.ndarray) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    pixels[1:, 4, 4] = 1
    writer.mark("a", {2})
    writer.save(snapshot(1, layer("a", pixels)))
    saved = tifffile.imread(project.folder / "labels/a.tif")
    assert saved[:, 4, 4].tolist() == [0, 0, 1]


def test_an_array_that_replaced_another_is_written_whole(
    project: Project, pixels: np.ndarray
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    other = pixels + 1
    writer.mark("a", None)
    writer.save(snapshot(1, layer("a", pixels)))  # of before it was replaced, begun after that
    writer.save(snapshot(2, layer("a", other)))
    assert np.array_equal(tifffile.imread(project.folder / "labels/a.tif"), other)


def test_values_that_the_file_could_not_hold_are_kept(project: Project, pixels: np.ndarray) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    writer.save(snapshot(1, layer("a", pixels.astype(np.uint16) + 300)))
    assert (tifffile.imread(project.folder / "labels/a.tif") == 300).all()


def test_an_earlier_snapshot_does_not_replace_a_later_one(
    project: Project, pixels: np.ndarray
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(1, layer("a", pixels), zoom=2.0))
    writer.save(snapshot(0, layer("a", pixels), zoom=1.0))
    assert project.read().view == {"zoom": 2.0}


def test_one_layers_error_keeps_no_other_from_the_disk(
    project: Project, pixels: np.ndarray, tmp_path: Path
) -> None:
    writer = new_writer(project)
    gone = layer("gone", pixels, tmp_path / "gone.tif")
    with pytest.raises(UserError, match=r"gone\.tif is missing"):
        writer.save(snapshot(0, gone, layer("a", pixels)))
    assert files(project) == ["labels/a.tif"]
    tifffile.imwrite(tmp_path / "gone.tif", pixels, photometric="minisblack")
    writer.save(snapshot(1, gone, layer("a", pixels)))
    (tmp_path / "gone.tif").unlink()
    writer.save(snapshot(2, gone, layer("a", pixels)))  # it is kept as it was last seen
    assert len(project.read().layers) == 2


def test_what_could_not_be_written_is_written_with_the_next_snapshot(
    project: Project, pixels: np.ndarray
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    shutil.rmtree(project.folder / "labels")
    pixels[1, 4, 4] = 1
    writer.mark("a", {1})
    with pytest.raises(UserError, match="there is no folder"):
        writer.save(snapshot(1, layer("a", pixels)))
    (project.folder / "labels").mkdir()
    writer.save(snapshot(2, layer("a", pixels)))
    assert np.array_equal(tifffile.imread(project.folder / "labels/a.tif"), pixels)


@pytest.mark.parametrize(
    "names",
    [
        ("a" * 260, "a" * 270),
        ("ü" * 100, "ü" * 101),
        ("Strokes", "strokes"),
        ("stra\u00dfe", "STRASSE"),
        ("u\u0308", "\u00fc"),
        ("", "layer"),
    ],
)
def test_layers_of_any_names_have_files_that_every_disk_can_hold(
    project: Project, pixels: np.ndarray, names: tuple[str, str]
) -> None:
    new_writer(project).save(snapshot(0, *(layer(name, pixels) for name in names)))
    written = files(project)
    assert len({file.upper() for file in written}) == 2
    assert all(len(Path(file).stem.encode()) <= 82 for file in written)
    assert all((project.folder / file).is_file() for file in written)


def test_a_window_that_lost_its_project_overwrites_nothing_and_keeps_all_when_it_comes_back(
    project: Project, pixels: np.ndarray
) -> None:
    mine, theirs = pixels + 1, pixels + 2
    first = new_writer(project)
    first.save(snapshot(0, layer("a", mine), layer("same", pixels)))
    second = new_writer(project)  # takes over
    second.adopt("a", "labels/a.tif", seen(project, "labels/a.tif"))
    second.adopt("same", "labels/same.tif", seen(project, "labels/same.tif"))
    others = (layer("a", theirs), layer("same", pixels), layer("more", theirs))
    second.save(snapshot(0, *others))
    mine[1, 4, 4] = 2
    first.mark("a", {1})
    with pytest.raises(NotHeldError, match="taken over by another window"):
        first.save(snapshot(1, layer("a", mine), layer("same", pixels)))
    first.take_over()
    first.save(snapshot(2, layer("a", mine), layer("same", pixels)))
    kept = {file: tifffile.imread(project.folder / file) for file in files(project)}
    assert sorted(kept) == [
        "labels/a-2.tif", "labels/a.tif", "labels/more.tif", "labels/same.tif"
    ]  # fmt: skip
    assert np.array_equal(kept["labels/a-2.tif"], mine)
    assert (kept["labels/a.tif"] == 2).all() and (kept["labels/more.tif"] == 2).all()
    theirs[2, 5, 5] = 1
    second.mark("a", {2})
    with pytest.raises(NotHeldError):
        second.save(snapshot(1, *others))


def test_a_file_that_another_program_changed_is_kept_beside_ours(
    project: Project, pixels: np.ndarray
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels), layer("b", pixels)))
    tifffile.imwrite(project.folder / "labels/a.tif", pixels + 7, photometric="minisblack")
    pixels[0, 1, 1] = 1
    for key in "ab":
        writer.mark(key, {0})
    both = layer("a", pixels), layer("b", pixels)
    with pytest.raises(ChangedFileError, match=r"a\.tif was changed by another"):
        writer.save(snapshot(1, *both))
    assert np.array_equal(tifffile.imread(project.folder / "labels/b.tif"), pixels)
    writer.keep_both()
    writer.save(snapshot(2, *both))
    assert (tifffile.imread(project.folder / "labels/a.tif") == 7).all()
    assert np.array_equal(tifffile.imread(project.folder / "labels/a-2.tif"), pixels)
    assert sorted(files(project)) == ["labels/a-2.tif", "labels/a.tif", "labels/b.tif"]


def test_a_file_that_was_only_copied_over_itself_is_no_change(
    project: Project, pixels: np.ndarray
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    file = project.folder / "labels/a.tif"
    file.write_bytes(file.read_bytes())
    pixels[0, 1, 1] = 1
    writer.mark("a", {0})
    writer.save(snapshot(1, layer("a", pixels)))
    assert np.array_equal(tifffile.imread(file), pixels)


@pytest.mark.parametrize("text", ["{", '{"layers": [], "view": {}, "settings": {}}'])
def test_a_document_that_another_program_changed_is_not_overwritten(
    project: Project, pixels: np.ndarray, text: str
) -> None:
    writer = new_writer(project)
    writer.save(snapshot(0, layer("a", pixels)))
    project.document.write_text(text)
    with pytest.raises(ChangedFileError, match=r"project\.json was changed"):
        writer.save(snapshot(1, layer("a", pixels), zoom=2.0))
    writer.keep_both()
    writer.save(snapshot(2, layer("a", pixels), zoom=2.0))
    assert files(project) == ["labels/a.tif"]
    if text == "{":
        assert (project.folder / "project-2.json").read_text() == text


def seen(project: Project, file: str) -> KnownFile:
    known = KnownFile(project.folder / file)
    known.see()
    return known
