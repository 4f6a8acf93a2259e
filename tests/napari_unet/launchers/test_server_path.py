"""Which names are of files on a server."""

from __future__ import annotations

from pathlib import PureWindowsPath

import pytest

from napari_unet.launchers.server_path import ServerPath, find_server
from training.errors import UserError

pytestmark = pytest.mark.portable


@pytest.mark.parametrize(
    "name",
    [
        "C:\\data\\a.tif", "C:/data/a.tif", "c:/a.tif", "a.tif", "/data/a.tif", "./lab:/a.tif",
        "s3://bucket/a.zarr", "https://host/a.zarr", "file:///a.zarr", "a.h5/raw", "lab:a.tif",
        "\\\\host\\share\\a.tif", "D:a.tif", "",
    ],
)  # fmt: skip
def test_names_of_this_machine_and_of_protocols(name: str) -> None:
    assert ServerPath.parse(name) is None
    assert not find_server([name])


def test_names_of_a_server() -> None:
    assert ServerPath.parse("lab:/data/a b:c.tif") == ("lab", "/data/a b:c.tif")
    assert ServerPath.parse(PureWindowsPath("my lab:/a.h5/raw")) == ("my lab", "/a.h5/raw")
    assert find_server(["lab:/a", "lab:/b"]) == "lab"
    with pytest.raises(UserError, match="in several places: lab and this machine"):
        find_server(["lab:/a", "b.tif"])
    with pytest.raises(UserError, match=r"lab:/a is not on other.*Give --remote lab"):
        ServerPath("lab", "/a").on("other")
