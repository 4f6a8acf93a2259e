"""The volumes of a training, and what each is called."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.config import preset_config
from training.dataset.volumes import choose_held_out, find_volumes, name_volumes, settle_data
from training.errors import UserError


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["/x/a.tif", "/x/b.tif"], ["a.tif", "b.tif"]),
        (["/x/one/a.tif", "/x/two/a.tif", "/y/b.tif"], ["one/a.tif", "two/a.tif", "b.tif"]),
        (["a.tif", "one/a.tif"], ["a.tif", "one/a.tif"]),
    ],
)
def test_a_name_is_as_long_as_it_must_be(images: list[str], names: list[str]) -> None:
    assert name_volumes([*map(Path, images)]) == names


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{name}.tif" for name in ("a", "b", "c", "d")]
    for seed, path in enumerate(paths):
        tifffile.imwrite(path, np.random.default_rng(seed).integers(0, 255, (5, 8, 8), np.uint8))
    (tmp_path / "link.tif").symlink_to(paths[0])
    return [*map(str, paths), str(tmp_path / "link.tif")]


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ([(0, 1), (2, 2)], r"c\.tif is named as images and as their own labels"),
        ([(0, 1), (0, 1)], r"a\.tif is named twice, both times with .*b\.tif"),
        ([(0, 1), (4, 1)], r"link\.tif is named twice"),
        ([(0, 1), (0, 2)], r"a\.tif is named with two labels: .*b\.tif and .*c\.tif"),
    ],
)
def test_volumes_that_are_named_twice_or_wrongly(
    files: list[str], places: list[tuple[int, int]], problem: str
) -> None:
    pairs = [(files[image], files[labels]) for image, labels in places]
    with pytest.raises(UserError, match=problem):
        settle_data({"pairs": pairs})
    with pytest.raises(UserError, match=problem):
        find_volumes(preset_config("compact", pairs=pairs))


def test_a_folder_is_settled_as_its_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((2, 4, 4), np.uint8))
    tifffile.imwrite(tmp_path / "a_mask.tif", np.zeros((2, 4, 4), np.uint8))
    monkeypatch.chdir(tmp_path)
    alone = settle_data({"data_url": ".", "seed": 3})
    expected = {"image": str(tmp_path / "a.tif"), "labels": str(tmp_path / "a_mask.tif")}
    assert alone == {"seed": 3, **expected}
    printed = capsys.readouterr().out
    assert printed == "Found a.tif with a_mask.tif.\nLeft aside: b.tif.\n"
    tifffile.imwrite(tmp_path / "b_mask.tif", np.zeros((2, 4, 4), np.uint8))
    both = settle_data({"data_url": ".", "label_convention": "membrane"})
    assert [pair[2] for pair in both["pairs"]] == ["membrane", "membrane"]
    volumes = find_volumes(preset_config("compact", **both))
    assert [volume.image for volume in volumes] == [tmp_path / "a.tif", tmp_path / "b.tif"]


def test_volumes_to_hold_out_are_chosen_by_name() -> None:
    names = ["one/a.tif", "two/a.tif", "c.h5/volumes/raw"]
    assert choose_held_out(["one/a", "c.h5/volumes/raw"], names) == [names[0], names[2]]
    assert choose_held_out([], names) == []
    with pytest.raises(UserError, match=r"^a\.tif is not a volume\. Hold out one of: one/a"):
        choose_held_out(["a.tif"], names)
    with pytest.raises(UserError, match="none is left to train on"):
        choose_held_out(names, names)
