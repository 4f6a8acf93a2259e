"""What a training holds of its volumes."""

import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.config import preset_config
from training.dataset.holdout import split_fold
from training.dataset.training_set import TrainingSet, load_training_set
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.mask_files import write_sparse_labels
from training.masks.writer_choice import write_stack


def test_memory_follows_the_labelled_slices(tmp_path: Path) -> None:
    shape = (150, 512, 512)
    names = {"train-volume.tif": "images", "train-labels.tif": "labels"}
    stacks = {
        kind: tifffile.memmap(tmp_path / name, shape=shape, dtype=np.uint8)
        for name, kind in names.items()
    }
    for z in (10, 140):
        stacks["images"][z] = np.random.default_rng(z).integers(1, 255, shape[1:])
        stacks["labels"][z, ::20], stacks["labels"][z, 10::20] = 1, 2
    for stack in stacks.values():
        stack.flush()
    config = preset_config("compact", data_url=str(tmp_path), label_convention="sparse")
    tracemalloc.start()
    data = load_training_set(config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.volumes[0].shape == shape and sorted(data.images) == [10, 140]
    assert peak < 40 * 512 * 512, "far less than one of the stacks"


def write_pair(folder: Path, name: str, shape: tuple[int, int, int], kind: str) -> tuple[str, str]:
    """Write images of some dtype beside labels, of which a fifth is membrane."""
    random = np.random.default_rng(len(name))
    inside = random.random(shape) < 0.8
    grey = np.where(inside, 200, 60) + random.integers(0, 20, shape)
    images = (grey * (1 if kind == "uint8" else 16)).astype(kind)
    paths = str(folder / f"{name}.tif"), str(folder / f"{name}-labels.tif")
    tifffile.imwrite(paths[0], images, photometric="minisblack")
    tifffile.imwrite(paths[1], inside.astype(np.uint8) * 255, photometric="minisblack")
    return paths


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[str, str]]:
    """Volumes of 10, 5 and 1 slices, of unlike sizes and dtypes."""
    return [
        write_pair(tmp_path, "a", (10, 24, 30), "uint8"),
        write_pair(tmp_path, "bb", (5, 40, 20), "uint16"),
        write_pair(tmp_path, "ccc", (1, 30, 30), "float32"),
    ]


def load(pairs: list[tuple[str, str]], **options: object) -> TrainingSet:
    return load_training_set(preset_config("compact", pairs=pairs, **options))


def test_the_slices_of_volumes_are_numbered_on(pairs: list[tuple[str, str]]) -> None:
    data = load(pairs)
    first, second, third = data.volumes
    assert [volume.name for volume in data.volumes] == ["a.tif", "bb.tif", "ccc.tif"]
    assert (first.first, second.first, third.first) == (0, 10, 15)
    assert [volume.scaling.dtype for volume in data.volumes] == ["uint8", "uint16", "float32"]
    for number, image in data.images.items():
        volume = data.volume_of(number)
        stack = np.atleast_3d(tifffile.imread(pairs[data.volumes.index(volume)][0]))
        page = stack.reshape(volume.shape)[number - volume.first]
        np.testing.assert_array_equal(image, page)
        np.testing.assert_array_equal(data.membrane[number], page < page.mean())
    # Of each the fold's slices, as of one alone.
    held_out = [split_fold(10, 1)[1], [10 + index for index in split_fold(5, 1)[1]], [15]]
    assert data.valid_slices == [number for numbers in held_out for number in numbers]
    assert data.train_slices_of(third) == [15]
    assert data.held_out is not None and 0 < data.held_out[15].mean() < 0.3
    assert "bb.tif: Slice" in data.validation


def test_whole_volumes_are_held_out(pairs: list[tuple[str, str]]) -> None:
    data = load(pairs, hold_out=["bb"])
    assert data.valid_slices == [10, 11, 12, 13, 14]
    assert data.train_slices == [*range(10), 15]
    assert data.held_out is None and data.weights is None
    with pytest.raises(UserError, match=r"^d is not a volume\."):
        load(pairs, hold_out=["d"])


def test_slices_to_hold_out_are_named_by_number(pairs: list[tuple[str, str]]) -> None:
    data = load(pairs[:2], valid_slices="2,11")
    assert data.valid_slices == [2, 11]
    with pytest.raises(UserError, match="valid_slices names slice 15, but there are 15"):
        load(pairs[:2], valid_slices="15")


def test_strokes_beside_finished_labels(pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    truth = tifffile.imread(pairs[1][1])
    strokes = np.where(np.arange(20) % 6 == 0, np.where(truth == 0, 1, 2), 0).astype(np.uint8)
    write_sparse_labels(tmp_path / "strokes.tif", strokes, [1])
    data = load([pairs[0], (pairs[1][0], str(tmp_path / "strokes.tif"))])
    assert [volume.is_sparse for volume in data.volumes] == [False, True]
    assert data.weights is not None
    for number in data.train_slices_of(data.volumes[0]):
        assert (data.weights[number] == 1).all()
    known = strokes > 0
    for number in data.train_slices_of(data.volumes[1]):
        assert not data.weights[number][~known[number - 10]].any()


def test_a_copy_of_a_volume_is_refused(pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    copy = shutil.copy(pairs[0][0], tmp_path / "copy.tif")
    with pytest.raises(UserError, match=r"a\.tif and copy\.tif hold the same images"):
        load([*pairs, (str(copy), pairs[0][1])])


def write_sized(folder: Path, name: str, pixels: np.ndarray, nm: float | None) -> str:
    path = folder / f"{name}.tif"
    size = PixelSize.of(None, nm, nm)
    write_stack(path, pixels, pixels.dtype, is_label="ids" in name, pixel_size=size)
    return str(path)


def write_cells(folder: Path, name: str, side: int, nm: float | None) -> tuple[str, str]:
    """Images of 4 x 4 square cells, and their ids."""
    place = np.arange(side) * 4 // side
    ids = 70_000 + np.broadcast_to(place[:, None] * 4 + place, (5, side, side)).astype(np.uint32)
    slope = (
        np.add.outer(np.arange(side), np.arange(side)) * 20 // side
    )  # so that there is no padding
    slope = slope + np.arange(5)[:, None, None]  # no border of one value, which is padding
    grey = (ids % 7 * 30 + slope).astype(np.uint8)
    return write_sized(folder, name, grey, nm), write_sized(folder, f"{name}-ids", ids, nm)


def test_volumes_of_other_pixels_are_resampled_to_the_first_one_s(tmp_path: Path) -> None:
    pairs = [
        write_cells(tmp_path, "fine", 160, 4),
        write_cells(tmp_path, "alike", 140, 4.5),
        write_cells(tmp_path, "coarse", 80, 8),
        write_cells(tmp_path, "unknown", 60, None),
    ]
    data = load(pairs)
    _, _, coarse, unknown = data.volumes
    assert [volume.plane[0] for volume in data.volumes] == [160, 140, 160, 60]
    assert (coarse.shape, unknown.pixel_size) == ((5, 80, 80), None)
    assert data.pixel_size == PixelSize(None, 4, 4)
    # Borders are of 4 nm pixels: at the very places of the fine volume's.
    at_fine, at_coarse = data.valid_slices[0], data.valid_slices[0] + coarse.first
    assert data.neurons is not None
    np.testing.assert_array_equal(data.neurons[at_coarse], data.neurons[at_fine])
    np.testing.assert_array_equal(data.membrane[at_coarse], data.membrane[at_fine])
    inside = ~data.membrane[at_fine]
    assert data.images[at_coarse].dtype == np.uint8
    grey, expected = (data.images[at].astype(int)[inside] for at in (at_coarse, at_fine))
    assert np.median(np.abs(grey - expected)) <= 2
    told = "\n".join(data.sentences)
    assert "coarse.tif: Its pixels of 8 nm are resampled to 4 nm." in told
    assert "unknown.tif: How large its pixels are is not known" in told
    assert told.count("resampled") == 2


def test_large_whole_numbers_are_resampled_with_their_contrast(tmp_path: Path) -> None:
    """float32 has no numbers between these."""
    images, ids = write_cells(tmp_path, "coarse", 80, 8)
    pixels = tifffile.imread(images)
    far = write_sized(tmp_path, "far", pixels + np.uint32(4 * 10**9), 8)
    fine = write_cells(tmp_path, "fine", 160, 4)
    near, moved = (load([fine, (path, ids)]).images[5] for path in (images, far))
    assert moved.dtype == np.uint32
    np.testing.assert_array_equal(moved - np.uint32(4 * 10**9), near)


def test_volumes_too_far_apart_are_refused(tmp_path: Path) -> None:
    pairs = [write_cells(tmp_path, "fine", 40, 4), write_cells(tmp_path, "coarse", 44, 400)]
    with pytest.raises(UserError, match=r"coarse\.tif are 400 nm, .* 4 nm: too far apart"):
        load(pairs)


@pytest.mark.parametrize(("fold", "is_held_out"), [(0, False), (1, True)])
def test_a_class_that_nothing_held_out_has_is_told(
    tmp_path: Path, fold: int, is_held_out: bool
) -> None:
    paths = write_pair(tmp_path, "a", (5, 40, 40), "uint8")
    labels = (tifffile.imread(paths[1]) == 0).astype(np.uint8)
    (other,), (valid,) = split_fold(5, 0)[1], split_fold(5, 1)[1]
    seen = min({0, 1, 2} - {other, valid})  # trained on in both folds
    labels[[valid, seen], :4] = 2
    tifffile.imwrite(paths[1], labels, photometric="minisblack")
    config = preset_config(
        "compact",
        pairs=[paths],
        label_convention="classes",
        classes="membrane,mitochondria",
        cross_valid_ind=fold,
    )
    told = "No pixel that is held out is labelled as mitochondria, so the figures say nothing of it"
    assert load_training_set(config).warning.startswith(told) != is_held_out
