from pathlib import Path

import pytest

from training.formats.location import locate


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("night/img.01.tif", "img.01"),
        ("cells.ome.tif", "cells"),
        ("a.h5/volumes/raw", "a-volumes-raw"),
        ("crop.v2", "crop.v2"),
        ("b.ome.zarr/0", "b-0"),
    ],
)
def test_results_are_named_after_their_stack(tmp_path: Path, path: str, name: str) -> None:
    for folder in ("night", "crop.v2", "b.ome.zarr"):
        (tmp_path / folder).mkdir()
    for file in ("night/img.01.tif", "cells.ome.tif", "a.h5"):
        (tmp_path / file).touch()
    assert locate(tmp_path / path).name == name
