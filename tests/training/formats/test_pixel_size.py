import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from packaging.version import Version

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


def instrument(path: Path, code: int, value: Any, kind: int = 2) -> None:
    """Write a slice with a tag of a microscope, and with the resolution tags of a printer."""
    count = 0 if isinstance(value, str) else len(value) if isinstance(value, bytes) else 1
    tifffile.imwrite(
        path,
        STACK[0],
        resolution=(72, 72),
        resolutionunit="inch",
        extratags=[(code, kind, count, value, True)],
        metadata=None,
    )


THERMO_FISHER = (
    "[User]\r\nDate=2026\r\n[Scan]\r\nPixelWidth=4e-009\r\nPixelHeight=5e-009\r\n"
    "[Image]\r\nResolutionX=8\r\nResolutionY=7\r\n"
)
FIBICS = (
    '<?xml version="1.0" encoding="iso-8859-1"?><Fibics version="1.2"><Image><Width>8</Width>'
    '<Height>8</Height></Image><Scan><FOV_X units="um">0.032</FOV_X><FOV_Y units="um">0.04</FOV_Y>'
    "</Scan></Fibics>"
)


@pytest.mark.parametrize("code", [34680, 34682])
def test_thermo_fisher(tmp_path: Path, code: int) -> None:
    instrument(tmp_path / "a.tif", code, THERMO_FISHER)
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 4.5 nm\r\n", 4.5),
        ("AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 1.2 \xb5m\r\n", 1200),
        ("0\r\n0\r\n0\r\n2e-10\r\nAP_MAG\r\nMag = 5 K X\r\n", 25.6),  # of a screen 1024 wide
    ],
)
def test_zeiss(tmp_path: Path, text: str, side: float) -> None:
    instrument(tmp_path / "a.tif", 34118, text.encode("cp1252"))
    assert read_pixel_size(tmp_path / "a.tif") == near(None, side, side)


def test_zeiss_atlas(tmp_path: Path) -> None:
    instrument(tmp_path / "a.tif", 51023, FIBICS)
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


def test_tescan(tmp_path: Path) -> None:
    text = b"\x01\0\xff[MAIN]\r\nPixelSizeX=4e-9\r\nPixelSizeY=5e-9\r\n[SEM]\r\nHV=5000\r\n"
    instrument(tmp_path / "a.tif", 50431, text, kind=1)
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


def test_digital_micrograph(tmp_path: Path) -> None:
    scales = [(code, 12, 1, side, True) for code, side in ((65009, 0.004), (65010, 0.005))]
    units = [(code, 2, 0, "\xb5m".encode("latin-1"), True) for code in (65003, 65004)]
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], extratags=[*scales, *units])
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 5, 4)


def test_olympus(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    entry = struct.pack("<4s6x5h6x32sH", b"SIS0", 0, 0, 1, 1, 126, b"iTEM", 1)
    general = struct.pack("<10xhdd8xd2x34s32s", -9, 4, 5, 20000, b"camera", b"")
    mark = b"\xa5" * 4  # for where the second part is in the file
    instrument(path, 33560, entry + struct.pack("<hh", 1, 1) + mark + general, kind=1)
    content = path.read_bytes()
    place = content.index(mark)
    path.write_bytes(content.replace(mark, struct.pack("<I", place + 4)))
    assert read_pixel_size(path) == near(None, 5, 4)


def test_em_menu(tmp_path: Path) -> None:
    first = np.zeros((), tifffile.TIFF.TVIPS_HEADER_V1)
    second = np.zeros((), tifffile.TIFF.TVIPS_HEADER_V2)
    first["Version"], second["Magic"] = 2, 0xAAAAAAAA
    second["PixelSizeX"], second["PixelSizeY"] = 4, 5
    instrument(tmp_path / "a.tif", 37706, first.tobytes() + second.tobytes(), kind=1)
    # Before 2026.3.3, tifffile turned these nanometres into metres, which no pixel has.
    is_nm = Version(tifffile.__version__) >= Version("2026.3.3")
    assert read_pixel_size(tmp_path / "a.tif") == (near(None, 5, 4) if is_nm else None)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (34682, THERMO_FISHER.replace("ResolutionX=8", "ResolutionX=16")),
        (51023, FIBICS.replace("<Width>8", "<Width>16")),
    ],
)
def test_an_instrument_s_size_is_not_that_of_a_resized_image(
    tmp_path: Path, code: int, text: str
) -> None:
    instrument(tmp_path / "a.tif", code, text)
    assert read_pixel_size(tmp_path / "a.tif") is None


@pytest.mark.parametrize("code", [34682, 34118, 51023, 50431, 65009, 33560, 37706])
@pytest.mark.parametrize(
    "value", [b"", b"<Fibics>", b"PixelSizeX=..", b"[Scan]\r\n", b"\xff\0" * 9]
)
def test_damaged_tags_of_instruments_tell_nothing(tmp_path: Path, code: int, value: bytes) -> None:
    instrument(tmp_path / "a.tif", code, value or b"\0", kind=1)
    assert read_pixel_size(tmp_path / "a.tif") is None


def test_what_imagej_recorded_goes_before_the_instrument(tmp_path: Path) -> None:
    """Who calibrates in Fiji has changed the image, or knows better."""
    metadata = {"axes": "ZYX", "unit": "nm"}
    tags = [(34682, 2, 0, THERMO_FISHER, True)]
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(1 / 8, 1 / 8),
        metadata=metadata,
        extratags=tags,
    )
    assert read_pixel_size(tmp_path / "a.tif") == near(None, 8, 8)
