"""Labels are counted once for a run, and again where anything may have changed since."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from training.config import preset_config
from training.dataset.found_meanings import (
    FoundMeaning,
    files_state,
    read_meanings,
    write_meanings,
)
from training.dataset.training_pair import open_pair
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.label_convention import USUAL_BORDERS, IdBorders, LabelConvention
from training.stacks.label_census import LabelCensus

ISBI = LabelConvention.ISBI


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Images and labels, a fifth of which is membrane."""
    inside = np.random.default_rng(0).random((5, 20, 20)) < 0.8
    paths = tmp_path / "images.tif", tmp_path / "labels.tif"
    tifffile.imwrite(paths[0], np.where(inside, 200, 60).astype(np.uint8))
    tifffile.imwrite(paths[1], inside.astype(np.uint8) * 255)
    return paths


def find(files: tuple[Path, Path]) -> FoundMeaning:
    state = files_state(*files)
    with open_pair(*files, None) as pair:
        return FoundMeaning(state, USUAL_BORDERS, pair.meaning)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The labels that are counted from now on."""
    counted: list[object] = []
    count = LabelCensus.of

    def note(labels: object, images: object = None) -> LabelCensus:
        counted.append(labels)
        return count(labels, images)

    monkeypatch.setattr(LabelCensus, "of", note)
    return counted


@pytest.mark.parametrize("kind", ["two values", "ids", "strokes on two slices"])
def test_labels_are_not_counted_again(
    files: tuple[Path, Path], tmp_path: Path, kind: str, counted: list[object]
) -> None:
    if kind == "ids":
        tifffile.imwrite(files[1], np.tile(np.arange(20, dtype=np.uint32) // 5, (5, 20, 1)))
    if kind == "strokes on two slices":
        strokes = np.random.default_rng(1).integers(0, 3, (5, 20, 20), np.uint8)
        strokes[1:4] = 0
        tifffile.imwrite(files[1], strokes)
    found = find(files)
    write_meanings(tmp_path / "labels.json", [found])
    [known] = read_meanings(tmp_path / "labels.json")
    assert known == found
    config = preset_config(
        "compact",
        image=str(files[0]),
        labels=str(files[1]),
        label_convention=found.meaning.convention,
    )
    counted.clear()
    data = load_training_set(config, [known])
    assert counted == []
    again = load_training_set(config)
    assert len(counted) == 1
    assert data.sentences[1:] == again.sentences[1:]
    assert (data.train_slices, data.valid_slices) == (again.train_slices, again.valid_slices)
    assert data.volumes == again.volumes  # with a hash of all labels as they are read


def rewrite(path: Path) -> None:
    """Write another value in place, and have the file look as it did."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([255 - last[0]]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    """Put a copy in its place, with its times."""
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


@pytest.mark.parametrize("change", [rewrite, replace])
@pytest.mark.parametrize("index", [0, 1])
def test_files_that_have_changed_are_counted_again(
    files: tuple[Path, Path], change: Callable[[Path], None], index: int, counted: list[object]
) -> None:
    known = [find(files)]
    change(files[index])
    counted.clear()
    with open_pair(*files, ISBI, known=known):
        assert len(counted) == 1


def test_a_changed_chunk_of_a_folder_is_noticed(files: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "labels.zarr"
    array = zarr.create_array(folder, data=tifffile.imread(files[1]), chunks=(1, 20, 20))
    within = folder / "c" / "3"
    assert within.is_dir()
    before = files_state(files[0], folder)
    assert files_state(files[0], folder) == before
    array[3] = 7
    after = files_state(files[0], folder)
    shutil.rmtree(within)
    assert len({before, after, files_state(files[0], folder)}) == 3


def test_other_options_are_answered_anew(files: tuple[Path, Path], counted: list[object]) -> None:
    known = [find(files)]
    with open_pair(*files, LabelConvention.MEMBRANE, known=known) as pair:
        assert pair.meaning.share == pytest.approx(1 - known[0].meaning.share)
    tifffile.imwrite(files[1], np.tile(np.arange(20, dtype=np.uint8) // 5, (5, 20, 1)))
    known = [find(files)]
    with open_pair(*files, LabelConvention.INSTANCES, IdBorders(2), known) as pair:
        assert pair.meaning.share > known[0].meaning.share


@pytest.mark.parametrize(
    "text",
    [b"", b"[{}]", b"{}", b"[7]", b'[{"state": "a", "ids": {}, "meaning": {}}]', b"\xff", b"null"],
)
def test_what_can_not_be_read_is_counted(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "labels.json").write_bytes(text)
    assert read_meanings(tmp_path / "labels.json") == []


def test_files_that_are_missing_are_reported_by_their_reader(
    files: tuple[Path, Path],
) -> None:
    known = [find(files)]
    files[1].unlink()
    with pytest.raises(UserError, match=r"labels\.tif does not exist"):
        open_pair(*files, None, known=known).__enter__()
