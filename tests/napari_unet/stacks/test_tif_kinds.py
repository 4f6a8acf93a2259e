"""TIFs as programs and people really have them: the window and the command line read the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from PIL import Image

from napari_unet.stacks.napari_writer import write_labels
from napari_unet.widgets.files.file_opening import get_reader
from training.errors import UserError
from training.opening import open_stack, read_stack

# tifffile warns where it takes slices for colours, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*are stored as RGB:DeprecationWarning")

RAMP = np.arange(256, dtype=np.uint16) * 257
Make = Callable[[Path, np.ndarray], None]


def append(path: Path, parts: Any, **options: Any) -> None:
    for part in parts:
        tifffile.imwrite(path, part, append=True, **options)


def page_by_page(path: Path, stack: np.ndarray) -> None:
    with tifffile.TiffWriter(path, ome=path.name.endswith("ome.tif")) as writer:
        for page in stack:
            writer.write(page)


def with_reduced(path: Path, stack: np.ndarray, metadata: dict[str, Any] | None) -> None:
    with tifffile.TiffWriter(path) as writer:
        for page in stack:
            writer.write(page, metadata=metadata)
            writer.write(page[::2, ::2], subfiletype=1, metadata=metadata)


def with_masks(path: Path, stack: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as writer:
        for page in stack:
            writer.write(page, metadata=None)
            writer.write(page > 99, subfiletype=4, metadata=None)


def with_photo(path: Path, stack: np.ndarray) -> None:
    photo = np.zeros((8, 8, 3), np.uint8)
    with tifffile.TiffWriter(path) as writer:
        writer.write(photo, photometric="rgb", subfiletype=1)
        writer.write(stack, photometric="minisblack")


def pyramid(path: Path, stack: np.ndarray) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(stack, subifds=1, tile=(16, 16), metadata={"axes": "ZYX"})
        writer.write(stack[:, ::2, ::2], subfiletype=1, tile=(16, 16))


def with_alpha(path: Path, stack: np.ndarray, kind: str = "unassalpha") -> None:
    both = np.stack([stack, np.full_like(stack, 255)], -1)
    tifffile.imwrite(path, both, photometric="minisblack", extrasamples=[kind])


def with_idle_palette(path: Path, stack: np.ndarray) -> None:
    """Colours that the page does not ask for."""
    colors = tuple(np.tile(RAMP[::-1], 3).tolist())
    extratags = [(320, 3, len(colors), colors, True)]
    tifffile.imwrite(path, stack, photometric="minisblack", extratags=extratags)


def with_palette(path: Path, stack: np.ndarray, greys: np.ndarray, **options: Any) -> None:
    colormap = np.stack([greys] * 3)
    tifffile.imwrite(path, stack, photometric="palette", colormap=colormap, **options)


def one_page_and_all_pixels(path: Path, stack: np.ndarray, slices: int) -> None:
    """Only the first page has tags; the pixels of the others lie behind it."""
    text = f"ImageJ=1.54f\nimages={slices}\nslices={slices}\nloop=false\n"
    tifffile.imwrite(path, stack[0], description=text, metadata=None)
    with path.open("ab") as file:
        file.write(stack[1:].tobytes())


OME = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
RENAMED = (
    f'{OME}<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
    'SizeX="83" SizeY="61" SizeZ="7" SizeC="1" SizeT="1">'
    '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
    + "".join(
        f'<TiffData FirstZ="{z}" IFD="{z}" PlaneCount="1"><UUID FileName="former_name.ome.tif">'
        "urn:uuid:1b6d2a3e-0000-4000-8000-000000000001</UUID></TiffData>"
        for z in range(7)
    )
    + "</Pixels></Image></OME>"
)
COMPANION = f'{OME}<BinaryOnly MetadataFile="set.companion.ome" UUID="urn:uuid:1"/></OME>'


def with_ome_text(path: Path, stack: np.ndarray, text: str) -> None:
    with tifffile.TiffWriter(path) as writer:
        for z, page in enumerate(stack):
            description = text.encode() if z == 0 else None
            writer.write(page, description=description, metadata=None, contiguous=False)


KINDS: dict[str, Make] = {
    "appended": lambda path, stack: append(path, stack),
    "appended, compressed": lambda path, stack: append(path, stack, compression="zlib"),
    "appended stacks of one": lambda path, stack: append(path, stack[:, np.newaxis]),
    "appended in blocks": lambda path, stack: append(path, [stack[:3], stack[3:5], stack[5:]]),
    "written page by page": page_by_page,
    "reduced pages": lambda path, stack: with_reduced(path, stack, None),
    "reduced pages, described": lambda path, stack: with_reduced(path, stack, {}),
    "a reduced photo first": with_photo,
    "transparency masks": with_masks,
    "reduced pages alone": lambda path, stack: tifffile.imwrite(
        path, stack, subfiletype=1, metadata=None
    ),
    "ImageJ's hyperstack of one channel and time": lambda path, stack: tifffile.imwrite(
        path, stack[np.newaxis, :, np.newaxis], imagej=True, metadata={"axes": "TZCYX"}
    ),
    "lossless JPEG": lambda path, stack: tifffile.imwrite(
        path, stack, compression="jpeg", compressionargs={"level": 100, "lossless": True}
    ),
    "tiles wider than the image": lambda path, stack: tifffile.imwrite(
        path, stack, tile=(256, 256), compression="zstd"
    ),
    "pyramid": pyramid,
    "white is zero": lambda path, stack: tifffile.imwrite(
        path, 255 - stack, photometric="miniswhite"
    ),
    "white is zero, compressed": lambda path, stack: tifffile.imwrite(
        path, 255 - stack, photometric="miniswhite", compression="zlib"
    ),
    "grey palette": lambda path, stack: with_palette(path, stack, RAMP),
    "inverted grey palette": lambda path, stack: with_palette(path, 255 - stack, RAMP[::-1]),
    "grey palette of 8 bits": lambda path, stack: with_palette(path, stack, RAMP // 257),
    "grey palette of 16 bits": lambda path, stack: with_palette(
        path, stack.astype(np.uint16) * 257, np.arange(2**16, dtype=np.uint16)
    ),
    "ImageJ's grey palette": lambda path, stack: with_palette(path, stack, RAMP // 257 * 256),
    "a palette without a use": with_idle_palette,
    "alpha": with_alpha,
    "premultiplied alpha": lambda path, stack: with_alpha(path, stack, "assocalpha"),
    "three slices in a page, then pages": lambda path, stack: append(path, [stack[:3], *stack[3:]]),
    "more channels than an image has": lambda path, stack: tifffile.imwrite(
        path, stack, imagej=True, metadata={"axes": "CYX"}
    ),
    "ImageJ's form of large stacks": lambda path, stack: one_page_and_all_pixels(path, stack, 7),
    "shape (1, Z, 1, Y, X)": lambda path, stack: tifffile.imwrite(path, stack[None, :, None]),
    "OME, axes TZCYX": lambda path, stack: tifffile.imwrite(
        path, stack[None, :, None], metadata={"axes": "TZCYX"}, ome=True
    ),
    "OME, renamed": lambda path, stack: with_ome_text(path, stack, RENAMED),
    "OME, metadata in another file": lambda path, stack: with_ome_text(path, stack, COMPANION),
}


def read_window(path: Path) -> tuple[np.ndarray, str]:
    [(data, _, kind)] = get_reader(str(path))(str(path))
    return np.asarray(data), kind


def read_both(path: Path) -> np.ndarray:
    """The pixels (Z, Y, X), which are the same in the window and on the command line."""
    stack, (shown, kind) = read_stack(path), read_window(path)
    if kind == "image":
        assert shown.dtype == stack.dtype
        np.testing.assert_array_equal(shown, stack)
    return stack


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_read_as_people_see_them(tmp_path: Path, images: np.ndarray, kind: str) -> None:
    path = tmp_path / "stack.tif"
    KINDS[kind](path, images)
    read = read_both(path)
    assert read.dtype == images.dtype
    np.testing.assert_array_equal(read, images)


def test_the_last_slice_behind_4_gb_is_read(tmp_path: Path, images: np.ndarray) -> None:
    path, side, slices = tmp_path / "large.tif", 8192, 66
    one_page_and_all_pixels(path, np.zeros((1, side, side), np.uint8), slices)
    size = path.stat().st_size
    with path.open("r+b") as file:  # what is not written takes no place on the disk
        file.seek(size + (slices - 1) * side**2 - images[0].size)
        file.write(images[0].tobytes())
    assert path.stat().st_size > 2**32
    with open_stack(path) as stack:
        assert stack.shape == (slices, side, side)
        last = stack[slices - 1].ravel()
    np.testing.assert_array_equal(last[-images[0].size :], images[0].ravel())


@pytest.mark.parametrize("name", ["SLICES.TIF", "slices.TIFF"])
def test_endings_are_written_as_people_like(tmp_path: Path, images: np.ndarray, name: str) -> None:
    tifffile.imwrite(tmp_path / name, images)
    np.testing.assert_array_equal(read_both(tmp_path / name), images)


@pytest.mark.parametrize("name", ["a b.tif", "100%d {}.tif", "a=b..tif", "Ω 細胞.tif", "[1]*.tif"])
def test_names_are_taken_as_they_are(tmp_path: Path, images: np.ndarray, name: str) -> None:
    tifffile.imwrite(tmp_path / name, images)
    np.testing.assert_array_equal(read_both(tmp_path / name), images)


def test_two_stacks_in_a_file_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for _ in range(2):
            writer.write(images, metadata={"axes": "ZYX"})
    with pytest.raises(UserError, match="holds 2 stacks"):
        read_stack(tmp_path / "a.ome.tif")


def planar_alpha(path: Path, stack: np.ndarray) -> None:
    both = np.stack([stack, np.full_like(stack, 255)], 1)
    tifffile.imwrite(
        path, both, photometric="minisblack", planarconfig="separate", extrasamples=["unassalpha"]
    )


def planar_colours(path: Path, stack: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(path, stack, photometric="rgb", planarconfig="separate", **options)


def a_colour_page_last(path: Path, stack: np.ndarray) -> None:
    append(path, [stack[0]], metadata=None)
    append(path, [np.stack([stack[0]] * 3, -1)], metadata=None, photometric="rgb")


def another_tone_last(path: Path, stack: np.ndarray) -> None:
    append(path, [stack[:3]])
    append(path, [stack[3:]], photometric="miniswhite")


def one_colour_image(path: Path, stack: np.ndarray, samples: int) -> None:
    tifffile.imwrite(path, np.stack([stack[0]] * samples, -1), photometric="rgb")


def ome_without_a_page(path: Path, stack: np.ndarray) -> None:
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZYX"}, photometric="minisblack")
    named = [f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1"/>' for z in range(len(stack))]
    old = re.search("<TiffData.*?</TiffData>|<TiffData.*?/>", tifffile.tiffcomment(path), re.S)
    assert old is not None
    text = tifffile.tiffcomment(path).replace(old[0], "".join(named[:1] + named[2:]))
    tifffile.tiffcomment(path, text.encode())


NO_SLICES: dict[str, tuple[Make, str]] = {
    "one colour image": (lambda path, stack: one_colour_image(path, stack, 3), "colour image"),
    "one with alpha": (lambda path, stack: one_colour_image(path, stack, 4), "colour image"),
    "two samples": (lambda path, stack: with_alpha(path, stack, "unspecified"), "colour image"),
    "planar alpha": (planar_alpha, "colour image"),
    "planar colours": (
        lambda path, stack: planar_colours(path, stack[:6].reshape(2, 3, *stack.shape[1:])),
        "colour image",
    ),
    "planar colours, not described": (
        lambda path, stack: planar_colours(path, stack[:3], metadata=None),
        "colour image",
    ),
    "a colour page last": (a_colour_page_last, "colour image"),
    "other dtypes": (
        lambda path, stack: append(path, [stack[:3], stack[3:].astype(np.uint16)]),
        "pages that differ",
    ),
    "other widths": (
        lambda path, stack: append(path, [stack[:3], stack[3:, :, :60]]),
        "pages that differ",
    ),
    "other heights": (
        lambda path, stack: append(path, [stack[:3], stack[3:, :60]]),
        "pages that differ",
    ),
    "another tone last": (another_tone_last, "pages that differ"),
    "complex numbers": (
        lambda path, stack: tifffile.imwrite(path, stack.astype(np.complex64)),
        "of type complex64, not numbers",
    ),
    "no page for a slice": (ome_without_a_page, r"Slice 1 of .* the OME metadata name no page"),
}


@pytest.mark.parametrize("kind", NO_SLICES)
def test_pages_that_are_no_slices_of_a_stack_are_refused(
    tmp_path: Path, images: np.ndarray, kind: str
) -> None:
    make, problem = NO_SLICES[kind]
    make(tmp_path / "a.tif", images)
    with pytest.raises(UserError, match=problem):
        read_stack(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("dtype", "commands"),
    [("uint8", "choose Image > Type > 8-bit"), ("uint16", "> RGB Color, then")],
)
def test_colours_get_the_remedy_that_works_in_fiji(
    tmp_path: Path, images: np.ndarray, dtype: str, commands: str
) -> None:
    colours = np.stack([images.astype(dtype)] * 3, -1)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    with pytest.raises(UserError, match=commands):
        read_stack(tmp_path / "a.tif")


def test_photographs_codecs_are_read_or_named(tmp_path: Path, images: np.ndarray) -> None:
    smooth = np.sort(images, axis=2)
    tifffile.imwrite(tmp_path / "jpeg.tif", smooth, compression="jpeg")
    difference = np.abs(read_both(tmp_path / "jpeg.tif").astype(float) - smooth)
    assert difference.mean() < 5
    tifffile.imwrite(tmp_path / "jpeg2000.tif", images, compression="jpeg2000")
    with pytest.raises(UserError, match=r"is compressed as JPEG2000\. Open it in Fiji"):
        read_stack(tmp_path / "jpeg2000.tif")


def test_16_bits_of_another_byte_order_with_and_without_a_predictor(
    tmp_path: Path, images: np.ndarray
) -> None:
    wide = images.astype(np.uint16) * 250
    for options in ({"compression": "lzw", "predictor": True}, {}):
        tifffile.imwrite(tmp_path / "wide.tif", wide, byteorder=">", **options)
        read = read_both(tmp_path / "wide.tif")
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, wide)


def test_pages_of_an_ome_tif_written_one_by_one_are_a_stack(
    tmp_path: Path, images: np.ndarray
) -> None:
    page_by_page(tmp_path / "stack.ome.tif", images)
    np.testing.assert_array_equal(read_both(tmp_path / "stack.ome.tif"), images)


PLANAR = {"photometric": "minisblack", "planarconfig": "separate"}


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"metadata": {"axes": "ZYX"}}, PLANAR]
)
@pytest.mark.parametrize("slices", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_few_slices_are_no_colours(
    tmp_path: Path, images: np.ndarray, slices: int, dtype: str, options: dict[str, Any]
) -> None:
    few = images[:slices].astype(dtype)
    tifffile.imwrite(tmp_path / "few.tif", few, **options)
    np.testing.assert_array_equal(read_both(tmp_path / "few.tif"), few)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_masks_are_read_as_people_see_them(
    tmp_path: Path, membrane: np.ndarray, dtype: str, white_is_zero: bool, compression: str | None
) -> None:
    seen = ~membrane if dtype == "bool" else np.where(membrane, 0, np.iinfo(dtype).max)
    seen = seen.astype(dtype)
    photometric = "miniswhite" if white_is_zero else "minisblack"
    path = tmp_path / "mask.tif"
    stored = ~seen if white_is_zero else seen
    tifffile.imwrite(path, stored, photometric=photometric, compression=compression)
    np.testing.assert_array_equal(read_stack(path), seen)
    shown, kind = read_window(path)
    assert kind == "labels"
    np.testing.assert_array_equal(shown, membrane)


@pytest.mark.parametrize("compression", ["group4", "group3", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_faxes_are_read(
    tmp_path: Path, membrane: np.ndarray, compression: str, photometric: int
) -> None:
    pages = [Image.fromarray(page) for page in ~membrane]
    path = tmp_path / "mask.tif"
    options = {"compression": compression, "tiffinfo": {262: photometric}}
    pages[0].save(path, save_all=True, append_images=pages[1:4], **options)
    options["compression"] = "group4"  # in a file, codecs may differ
    pages[4].save(path, append=True, save_all=True, append_images=pages[5:], **options)
    np.testing.assert_array_equal(read_stack(path), ~membrane)
    np.testing.assert_array_equal(read_window(path)[0], membrane)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_an_inverted_lookup_table_without_a_darkest_value_is_explained(
    tmp_path: Path, images: np.ndarray, dtype: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", images.astype(dtype), photometric="miniswhite")
    for read in (read_stack, read_window):
        with pytest.raises(UserError, match="Invert LUT, then Edit > Invert"):
            read(tmp_path / "a.tif")


def test_palettes_of_labels_are_labels(tmp_path: Path) -> None:
    cells = np.kron(np.arange(1, 37).reshape(1, 6, 6), np.ones((5, 20, 20))).astype(np.uint8)
    colors = np.random.default_rng(0).integers(0, 2**16, (3, 256), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", cells, photometric="palette", colormap=colors)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif"), cells)
    shown, kind = read_window(tmp_path / "a.tif")
    assert kind == "labels"
    np.testing.assert_array_equal(shown, cells)


@pytest.mark.parametrize(
    ("colors", "command"),
    [
        (np.stack([RAMP, RAMP // 2, RAMP[::-1]]), "Lookup Tables > Grays"),
        (np.stack([RAMP // 2**12 * 4369, RAMP // 2, RAMP]), "Lookup Tables > Grays"),  # 16 steps
        (np.stack([RAMP // 2**13 * 9362, RAMP // 2, RAMP]), "Type > RGB Color"),  # 8 steps
        (np.random.default_rng(0).permuted(np.stack([RAMP] * 3), axis=1), "Type > RGB Color"),
    ],
)
def test_palettes_of_images_are_refused_with_what_helps_in_fiji(
    tmp_path: Path, images: np.ndarray, colors: np.ndarray, command: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", images, photometric="palette", colormap=colors)
    for read in (read_stack, read_window):
        with pytest.raises(UserError, match=command):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
@pytest.mark.parametrize("slices", [3, 4])
def test_slices_saved_as_channels_get_the_remedy_that_fits(
    tmp_path: Path, images: np.ndarray, options: dict[str, Any], slices: int
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", images[:slices], **options)
    told = f"{slices} channels, and no slices.*slices to {slices}"
    with pytest.raises(UserError, match=told):
        read_stack(tmp_path / "a.tif")


@pytest.mark.parametrize("codec", ["zstd", "lzma"])
def test_a_few_strokes_compress_well_and_are_read(tmp_path: Path, codec: str) -> None:
    strokes = np.zeros((40, 1024, 1024), np.uint8)
    strokes[[3, 36], 10:30, 10:200] = 1
    strokes[[3, 36], 50:70, 10:200] = 2
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in strokes:
            writer.write(page, compression=codec, rowsperstrip=1024, metadata=None)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif"), strokes)


def with_napari(path: Path, layer: Labels) -> None:
    tifffile.imwrite(path, layer.data, compression="zlib")  # as napari's own writer does


def with_the_plugin(path: Path, layer: Labels) -> None:
    write_labels(str(path), layer.data, layer.as_layer_data_tuple()[1])


@pytest.mark.parametrize("save", [with_napari, with_the_plugin])
@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
@pytest.mark.parametrize("kind", ["with borders", "touching", "few", "far apart"])
def test_numbers_of_neurons_open_as_labels(
    tmp_path: Path, save: Callable[[Path, Labels], None], slices: int, dtype: str, kind: str
) -> None:
    numbers = np.kron(np.arange(1, 37).reshape(1, 6, 6), np.ones((slices, 20, 20), int))
    if kind == "with borders":
        numbers[:, ::20] = numbers[:, :, ::20] = 0
    elif kind == "few":
        numbers[numbers % 9 != 0] = 0
    elif kind == "far apart":
        numbers *= 7 if dtype == "uint8" else 1013
    path = tmp_path / "neurons.tif"
    save(path, Labels(numbers.astype(dtype)))
    shown, shown_as = read_window(path)
    assert shown_as == "labels"
    np.testing.assert_array_equal(shown.reshape(numbers.shape), numbers)


def test_numbers_of_small_objects_are_known_by_their_note(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 200, (5, 40, 40))
    with_the_plugin(tmp_path / "a.tif", Labels(numbers))
    assert read_window(tmp_path / "a.tif")[1] == "labels"
    with_napari(tmp_path / "b.tif", Labels(numbers))
    assert read_window(tmp_path / "b.tif")[1] == "image"
