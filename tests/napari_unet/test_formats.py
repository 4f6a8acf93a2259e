"""One stack in every format, as other libraries write it: the same pixels, size and mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from napari_unet.cli.predict import command as predict
from napari_unet.widgets.files.file_opening import get_reader
from tests.stack_files import read_pixel_size
from tests.training.formats.array_folders import write_n5, write_ome, write_precomputed
from tests.training.formats.dm_files import write_dm
from training.formats.pixel_size import PixelSize

Write = Callable[[Path, np.ndarray], object]
SIZE = PixelSize(50.0, 4.0, 4.0)


def tif(path: Path, stack: np.ndarray) -> None:
    metadata = {"axes": "ZYX", "unit": "nm", "spacing": 50}
    tifffile.imwrite(path, stack, imagej=True, resolution=(0.25, 0.25), metadata=metadata)


def pictures(path: Path, stack: np.ndarray) -> None:
    path.mkdir()
    for index, page in enumerate(stack):
        Image.fromarray(page).save(path / f"{index}.png")


def hdf5(path: Path, stack: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = stack
        file["volumes/raw"].attrs["resolution"] = (50.0, 4.0, 4.0)


def mrc(path: Path, stack: np.ndarray) -> None:
    with mrcfile.new(path) as file:
        file.set_data(stack.view(np.int8))
        file.voxel_size = (40.0, 40.0, 500.0)
        file.header.dmax = 255  # its bytes are not signed


def ome_04(path: Path, stack: np.ndarray) -> None:
    write_ome(path, [stack, stack[:, ::2, ::2]], "0.4")


def ome_05(path: Path, stack: np.ndarray) -> None:
    write_ome(path, [stack, stack[:, ::2, ::2]], "0.5")


def n5(path: Path, stack: np.ndarray) -> None:
    write_n5(path, stack, {"resolution": [4, 4, 50], "units": ["nm", "nm", "nm"]})


def precomputed(path: Path, stack: np.ndarray) -> None:
    write_precomputed(path, [stack])


def dm(path: Path, stack: np.ndarray) -> None:
    write_dm(path, stack, (4.0, 4.0, 50.0))


FORMATS: dict[str, Write] = {
    "a.tif": tif,
    "a": pictures,
    "a.h5": hdf5,
    "a.mrc": mrc,
    "a.zarr": ome_04,
    "b.zarr": ome_05,
    "a.n5": n5,
    "a.precomputed": precomputed,
    "a.dm3": dm,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_mask(
    write_model: Callable[..., Path], tmp_path: Path, images: np.ndarray, name: str
) -> None:
    tif(tmp_path / "reference.tif", images)
    FORMATS[name](tmp_path / name, images)
    model, masks = write_model(), []
    for stack in ("reference.tif", name):
        mask = tmp_path / f"mask of {stack}.tif"
        arguments = [str(model), str(tmp_path / stack), "-o", str(mask)]
        result = CliRunner().invoke(predict, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        masks.append(tifffile.imread(mask))
    np.testing.assert_array_equal(masks[1], masks[0])
    if name != "a":  # pictures record no size
        size = read_pixel_size(tmp_path / f"mask of {name}.tif")
        assert size is not None
        np.testing.assert_allclose((size.z, size.y, size.x), (SIZE.z, SIZE.y, SIZE.x), rtol=1e-6)

    [(shown, attributes, kind)] = get_reader(str(tmp_path / name))(str(tmp_path / name))
    largest = shown[0] if isinstance(shown, list) else shown
    assert kind == "image"
    np.testing.assert_array_equal(np.asarray(largest), images)
    if name != "a":
        np.testing.assert_allclose(attributes["scale"], (50, 4, 4), rtol=1e-6)
