from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.stack_files import read_pixel_size
from training.formats.pixel_size import PixelSize

STACK = np.zeros((5, 8, 8), np.uint8)


def near(z: float | None, y: float, x: float) -> PixelSize:
    depth = None if z is None else pytest.approx(z, rel=1e-6)
    return PixelSize(depth, pytest.approx(y, rel=1e-6), pytest.approx(x, rel=1e-6))


def imagej(path: Path, unit: str | None, resolution: tuple[float, float], **metadata: Any) -> None:
    if unit is not None:
        metadata["unit"] = unit
    tifffile.imwrite(
        path, STACK, imagej=True, resolution=resolution, metadata={"axes": "ZYX", **metadata}
    )


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("nm", 1),
        ("nanometers", 1),
        ("Nanometre", 1),
        ("um", 1000),
        ("micron", 1000),
        ("micrometers", 1000),
        ("\\u00B5m", 1000),
        ("\\u00B5", 1000),
        ("A", 0.1),
        ("angstrom", 0.1),
        ("Angstroms", 0.1),
        ("\\u00C5", 0.1),
        ("\\u212B", 0.1),
    ],
)
def test_imagej(tmp_path: Path, unit: str, factor: float) -> None:
    imagej(tmp_path / "a.tif", unit, (1 / 4, 1 / 5), spacing=50)
    assert read_pixel_size(tmp_path / "a.tif") == near(50 * factor, 5 * factor, 4 * factor)


def test_imagej_with_another_unit_of_depth(tmp_path: Path) -> None:
    imagej(tmp_path / "a.tif", "nm", (1 / 4, 1 / 5), spacing=0.05, zunit="micron")
    assert read_pixel_size(tmp_path / "a.tif") == near(50, 5, 4)


def test_imagej_without_spacing(tmp_path: Path) -> None:
    imagej(tmp_path / "a.tif", "nm", (1 / 4, 1 / 5))
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_imagej_without_a_length(tmp_path: Path, unit: str | None) -> None:
    imagej(tmp_path / "a.tif", unit, (1, 1), spacing=2)
    assert read_pixel_size(tmp_path / "a.tif") is None


def test_ome(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "PhysicalSizeX": 4, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 0.005, "PhysicalSizeZ": 0.05, "PhysicalSizeZUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata=metadata)
    assert read_pixel_size(tmp_path / "a.ome.tif") == near(50, 5, 4)


def test_ome_without_sizes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX"})
    assert read_pixel_size(tmp_path / "a.ome.tif") is None


@pytest.mark.parametrize(("unit", "nanometres"), [("centimeter", 1e7), ("inch", 2.54e7)])
def test_resolution_tags(tmp_path: Path, unit: str, nanometres: float) -> None:
    resolution = (nanometres / 4, nanometres / 5)
    tifffile.imwrite(tmp_path / "a.tif", STACK, resolution=resolution, resolutionunit=unit)
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


@pytest.mark.parametrize("dots_per_inch", [72, 300, 600])
def test_a_printers_resolution_is_no_pixel_size(tmp_path: Path, dots_per_inch: int) -> None:
    resolution = (dots_per_inch, dots_per_inch)
    tifffile.imwrite(tmp_path / "a.tif", STACK, resolution=resolution, resolutionunit="inch")
    assert read_pixel_size(tmp_path / "a.tif") is None


def test_no_tags_at_all(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    assert read_pixel_size(tmp_path / "a.tif") is None


def test_damaged_metadata_tell_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 4})
    path.write_bytes(path.read_bytes().replace(b"<Pixels", b"<Pix<ls"))
    assert read_pixel_size(path) is None


@pytest.mark.isbi
def test_isbi_tells_none(isbi: Path) -> None:
    assert read_pixel_size(isbi / "train-volume.tif") is None
