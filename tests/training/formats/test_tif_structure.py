"""TIFs that are opened only once their structure was looked at."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from training.errors import UserError
from training.formats.tif_structure import ALWAYS_FINE, check_memory, check_ome, open_tif

PAGES = np.arange(3 * 24 * 20).astype(np.uint8).reshape(3, 24, 20)
ONE_IMAGE = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="20" '
    'SizeY="24" SizeZ="{planes}" SizeC="1" SizeT="1">{data}</Pixels></Image></OME>'
)


@pytest.fixture(params=[False, True], ids=["classic", "bigtiff"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A TIF of three pages."""
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, PAGES, bigtiff=request.param, metadata=None, photometric="minisblack")
    return path


def link_last_page(path: Path, place: int) -> None:
    """Make the last page of a TIF name a place in the file as that of the next page."""
    with tifffile.TiffFile(path) as tif:
        page, is_big = tif.pages[-1], tif.is_bigtiff
        tags = len(page.tags)
    tag_bytes, count_bytes, word = (20, 8, "<Q") if is_big else (12, 2, "<I")
    content = bytearray(path.read_bytes())
    struct.pack_into(word, content, page.offset + count_bytes + tags * tag_bytes, place)
    path.write_bytes(content)


def test_a_chain_of_pages_that_ends_is_opened(path: Path) -> None:
    with open_tif(path) as tif:
        np.testing.assert_array_equal([page.asarray() for page in tif.pages], PAGES)


@pytest.mark.parametrize("back", [0, 1, 2])
def test_a_ring_of_pages_is_refused(path: Path, back: int) -> None:
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[back].offset
    link_last_page(path, place)
    with pytest.raises(UserError, match="form a ring"):
        open_tif(path)


def test_a_page_behind_the_end_of_the_file_is_refused(path: Path) -> None:
    link_last_page(path, path.stat().st_size + 10)
    with pytest.raises(UserError, match="ends in the middle of its pages"):
        open_tif(path)


def test_what_is_not_a_tif_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.tif").write_text("not pixels")
    os.mkfifo(tmp_path / "pipe.tif")
    for name, problem in (
        ("missing.tif", "does not exist"),
        (".", "is a folder"),
        ("notes.tif", "is not a TIF"),
        ("pipe.tif", "is a pipe or a device"),
    ):
        with pytest.raises(UserError, match=problem):
            open_tif(tmp_path / name)


@pytest.mark.parametrize("codec", ["zlib", "lzw", "zstd", "lzma", "lerc"])
def test_blank_pixels_may_be_as_much_larger_as_their_codec_makes_them(
    tmp_path: Path, codec: str
) -> None:
    path = tmp_path / "blank.tif"
    blank = np.zeros((6000, 6000), np.uint8)
    tifffile.imwrite(path, blank, compression=codec, rowsperstrip=len(blank))
    assert blank.nbytes > max(ALWAYS_FINE, 500 * path.stat().st_size)
    with open_tif(path) as tif:
        page = tif.pages.first
        check_memory(blank.nbytes, path, "A slice", page)
        with pytest.raises(UserError, match=r"A slice of .*blank.tif would take"):
            check_memory(400 * blank.nbytes, path, "A slice", page)


@pytest.mark.parametrize(
    ("planes", "data", "problem"),
    [
        ("3", "<TiffData/>", ""),
        ("4", "<TiffData/>", "name 4 slices, but it has 3 pages"),
        ("0", "<TiffData/>", "are damaged"),
        ("many", "<TiffData/>", "are damaged"),
        ("3", '<TiffData IFD="7"/>', "name 3 slices, but it has 3 pages"),
        (
            "3",
            '<TiffData><UUID FileName="a.tif">1</UUID></TiffData>'
            '<TiffData><UUID FileName="b.tif">2</UUID></TiffData>',
            "one of several files",
        ),
    ],
)
def test_ome_metadata_name_the_pages_of_this_file_alone(
    tmp_path: Path, planes: str, data: str, problem: str
) -> None:
    path = tmp_path / "stack.ome.tif"
    description = ONE_IMAGE.format(planes=planes, data=data)
    tifffile.imwrite(path, PAGES, metadata=None, description=description, photometric="minisblack")
    with open_tif(path) as tif:
        if problem:
            with pytest.raises(UserError, match=problem):
                check_ome(tif, path)
        else:
            check_ome(tif, path)
