"""Which files are taken for images and labels, by their names."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from training.dataset.pair_search import find_pair, find_pairs, search_pairs
from training.errors import UserError


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.zeros((2, 4, 4), np.uint8), photometric="minisblack")


def write_crop(path: Path, *datasets: str) -> None:
    with h5py.File(path, "w") as file:
        for name in datasets:
            file[name] = np.zeros((2, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("names", "pairs", "left_aside"),
    [
        (
            ["train-volume.tif", "train-labels.tif", "test-volume.tif", "x.tif", "x_mask.tif"],
            [("train-volume.tif", "train-labels.tif")],
            ["test-volume.tif", "x.tif", "x_mask.tif"],
        ),
        (
            ["images/a.tif", "images/b.tiff", "masks/a.tif", "labels/b.tif", "images/c.tif"],
            [("images/a.tif", "masks/a.tif"), ("images/b.tiff", "labels/b.tif")],
            ["images/c.tif"],
        ),
        (
            ["a.tif", "a_labels.tif", "b.tif", "b_label.tiff", "c.tif", "c_mask.tif"],
            [("a.tif", "a_labels.tif"), ("b.tif", "b_label.tiff"), ("c.tif", "c_mask.tif")],
            [],
        ),
        (
            ["d.tif", "d-labels.tif", "e_labels.tif", "notes.txt"],
            [("d.tif", "d-labels.tif")],
            ["e_labels.tif"],
        ),
        (
            ["images/1.png", "images/2.png", "masks/1.png", "masks/2.png", "preview.jpg"],
            [("images/1.png", "masks/1.png"), ("images/2.png", "masks/2.png")],
            ["preview.jpg"],
        ),
        (
            [
                f"{kind}/{name}/{z}.png"
                for kind in ("images", "labels")
                for name in "ab"
                for z in "12"
            ]
            + ["images/c/1.png", "labels/a.old/1.png", "images/d.tif", "labels/d/1.png"],
            [("images/a", "labels/a"), ("images/b", "labels/b"), ("images/d.tif", "labels/d")],
            ["images/c", "labels/a.old"],
        ),
        (["a.tif", "notes.txt"], [], ["a.tif"]),
    ],
)
def test_pairs_are_found_by_name(
    tmp_path: Path, names: list[str], pairs: list[tuple[str, str]], left_aside: list[str]
) -> None:
    make(tmp_path, *names)
    found = search_pairs(tmp_path)
    expected = {(tmp_path / image, tmp_path / labels) for image, labels in pairs}
    assert set(found.pairs) == expected and len(found.pairs) == len(expected)
    assert found.left_aside == [tmp_path / name for name in left_aside]


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["a.tif", "a_labels.tif", "a_mask.tif"], ["a_labels.tif", "a_mask.tif"]),
        (["images/a.tif", "labels/a.tif", "masks/a.tif"], ["labels/a.tif", "masks/a.tif"]),
        (["images/a.tif", "images/a.tiff", "labels/a.tif"], ["images/a.tif", "images/a.tiff"]),
    ],
)
def test_what_fits_twice_is_not_paired_by_guess(
    tmp_path: Path, names: list[str], named: list[str]
) -> None:
    make(tmp_path, *names)
    with pytest.raises(UserError, match=r"Choose.*--pair") as caught:
        search_pairs(tmp_path)
    assert all(str(tmp_path / name) in caught.value.problem for name in named)


def test_a_file_of_both_is_a_pair_by_itself_and_in_a_folder(tmp_path: Path) -> None:
    crop = tmp_path / "crop.h5"
    write_crop(crop, "volumes/raw", "volumes/labels/neuron_ids", "volumes/labels/clefts")
    write_crop(tmp_path / "other.hdf5", "volumes/raw")
    pair = crop / "volumes/raw", crop / "volumes/labels/neuron_ids"
    assert search_pairs(crop).pairs == [pair] == [find_pair(crop)]
    found = search_pairs(tmp_path)
    assert (found.pairs, found.left_aside) == ([pair], [tmp_path / "other.hdf5"])
    with pytest.raises(
        UserError, match=r"of slices it has: volumes/raw\).* --image .*/raw --labels"
    ):
        find_pairs(tmp_path / "other.hdf5")


def test_where_one_pair_is_wanted_several_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.tif", "a_mask.tif")
    assert find_pair(tmp_path) == (tmp_path / "a.tif", tmp_path / "a_mask.tif")
    make(tmp_path, "b.tif", "b_mask.tif")
    with pytest.raises(UserError, match=r"holds 2 pairs .* --image and --labels, such as .*a\.tif"):
        find_pair(tmp_path)
    assert find_pair(tmp_path, "b.tif", "b_mask.tif")[0] == tmp_path / "b.tif"
