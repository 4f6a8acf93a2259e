"""TIFs as few programs write them, and as none should: built tag by tag."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, OFFSETS, SAMPLES, ROWS, COUNTS = 270, 273, 277, 278, 279
PLANAR, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, FORMAT = 284, 322, 323, 324, 325, 339
SHORT, LONG = 3, 4
DEFLATE = 8


@dataclass
class Page:
    """A page as its tags say it is, true or not.

    Parameters
    ----------
    tags : dict
        Values by tag; an int, ints or bytes.
    data : bytes
        Its only strip.
    following : int or None
        Offset of the next page; None: the one after it, or the end.
    """

    tags: dict[int, Any]
    data: bytes = b""
    following: int | None = None


@dataclass
class Tif:
    """A file of pages in a byte order, classic or big."""

    pages: Sequence[Page]
    order: str = "<"
    is_big: bool = False
    first: int | None = None
    offsets: list[int] = field(default_factory=list)

    def content(self) -> bytes:
        word = "Q" if self.is_big else "I"
        start = 16 if self.is_big else 8
        body = bytearray()
        places = []
        self.offsets.clear()
        for page in self.pages:
            data_offset = start + len(body)
            body += page.data
            tags = {OFFSETS: data_offset, COUNTS: len(page.data), **page.tags}
            packed = [self._entry(body, start, tag, value) for tag, value in sorted(tags.items())]
            self.offsets.append(start + len(body))
            body += struct.pack(self.order + ("Q" if self.is_big else "H"), len(packed))
            body += b"".join(packed)
            places.append(len(body))
            body += bytes(8 if self.is_big else 4)
        for index, (page, place) in enumerate(zip(self.pages, places, strict=True)):
            following = page.following
            if following is None:
                following = self.offsets[index + 1] if index + 1 < len(self.pages) else 0
            struct.pack_into(
                self.order + word, body, place, following % 2 ** (64 if self.is_big else 32)
            )
        first = self.first if self.first is not None else (self.offsets or [0])[0]
        magic = b"II" if self.order == "<" else b"MM"
        if self.is_big:
            header = magic + struct.pack(self.order + "HHHQ", 43, 8, 0, first)
        else:
            header = magic + struct.pack(self.order + "HI", 42, first)
        return header + bytes(body)

    def _entry(self, body: bytearray, start: int, tag: int, value: Any) -> bytes:
        room, word = (8, "Q") if self.is_big else (4, "I")
        if isinstance(value, bytes):
            kind, count, packed = 2, len(value), value
        else:
            values = [value] if isinstance(value, int) else list(value)
            kind, count = LONG, len(values)
            packed = struct.pack(f"{self.order}{count}I", *(number % 2**32 for number in values))
        if len(packed) > room:
            offset = start + len(body)
            body += packed
            packed = struct.pack(self.order + word, offset)
        return struct.pack(f"{self.order}HH{word}", tag, kind, count) + packed.ljust(room, b"\0")


def plain_page(page: NDArray[Any], **changes: int) -> Page:
    """An uncompressed page; ``changes`` are other values for tags, by their names here."""
    tags = {
        WIDTH: page.shape[1],
        LENGTH: page.shape[0],
        BITS: page.dtype.itemsize * 8,
        COMPRESSION: 1,
        PHOTOMETRIC: 1,
        SAMPLES: 1,
        ROWS: page.shape[0],
        FORMAT: {"u": 1, "i": 2, "f": 3, "c": 6}[page.dtype.kind],
    }
    return Page({**tags, **{globals()[name]: value for name, value in changes.items()}},
                page.tobytes())  # fmt: skip


def _options(**options: Any) -> Callable[[Path, NDArray[Any]], None]:
    def write(path: Path, stack: NDArray[Any]) -> None:
        tifffile.imwrite(path, stack, **options)

    return write


def _by_hand(**changes: int) -> Callable[[Path, NDArray[Any]], None]:
    def write(path: Path, stack: NDArray[Any]) -> None:
        pages = [plain_page(page, **changes) for page in stack]
        path.write_bytes(Tif(pages, is_big="PLANAR" not in changes).content())

    return write


# What is legal, if seldom: each must be read as the pixels that were written.
LEGAL: dict[str, Callable[[Path, NDArray[Any]], None]] = {
    "plain": _options(),
    "big-endian": _options(byteorder=">"),
    "bigtiff": _options(bigtiff=True),
    "big-endian bigtiff": _options(bigtiff=True, byteorder=">"),
    "tiles": _options(tile=(16, 32)),
    "zlib tiles": _options(tile=(16, 16), compression="zlib"),
    "strips": _options(rowsperstrip=3),
    "zlib strips": _options(rowsperstrip=3, compression="zlib"),
    "lzw": _options(compression="lzw"),
    "zstd": _options(compression="zstd"),
    "lzma": _options(compression="lzma"),
    "packbits": _options(compression="packbits"),
    "predictor": _options(compression="zlib", predictor=True),
    "ImageJ": _options(imagej=True, metadata={"axes": "ZYX"}),
    "OME": _options(ome=True, metadata={"axes": "ZYX"}),
    "OME of times": _options(ome=True, metadata={"axes": "TYX"}),
    "no metadata": _options(metadata=None),
    "white is zero": lambda path, stack: tifffile.imwrite(path, ~stack, photometric="miniswhite"),
    "by hand": _by_hand(),
    "planar": _by_hand(PLANAR=2),
    "pages behind each other": lambda path, stack: _write_backwards(path, stack),
}
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", "int64",
          "uint64", "float16")  # fmt: skip
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
IMAGEJ_DTYPES = ("uint8", "uint16", "int16", "float32")
NO_OME_DTYPES = ("int64", "uint64", "float16")
PREDICTED = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def fits(maker: str, dtype: str) -> bool:
    """Whether a program can write a dtype in that way."""
    allowed = {"ImageJ": IMAGEJ_DTYPES, "predictor": PREDICTED, "white is zero": UNSIGNED}
    if maker.startswith("OME") and dtype in NO_OME_DTYPES:
        return False
    return dtype in allowed.get(maker, DTYPES)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files that promise what they don't hold, by name."""
    pixels = np.arange(24 * 20, dtype=np.uint8).reshape(24, 20)
    for order in "<>":
        for is_big in (False, True):
            yield from _hostile_structures(pixels, order, is_big)
    yield from _bombs(pixels)
    yield from _hostile_descriptions(pixels)
    yield "empty", b""
    yield "zero pages", Tif([], first=0).content()
    yield "only a header", b"II*\0"
    yield "wrong version", b"II+\0\x08\0\0\0" + bytes(8)


def _hostile_structures(
    pixels: NDArray[Any], order: str, is_big: bool
) -> Iterator[tuple[str, bytes]]:
    def tif(*pages: Page, first: int | None = None) -> bytes:
        return Tif(pages, order, is_big, first).content()

    name = f"{order}{'big' if is_big else 'classic'}".replace("<", "le").replace(">", "be")
    start = 16 if is_big else 8
    for huge in (2**16, 2**31 - 1, 2**31, 2**32 - 1, 0):
        for tag in ("WIDTH", "LENGTH", "ROWS", "SAMPLES", "BITS", "COUNTS", "OFFSETS"):
            yield f"{name} {tag} {huge}", tif(plain_page(pixels, **{tag: huge}))
        yield f"{name} both {huge}", tif(plain_page(pixels, WIDTH=huge, LENGTH=huge))
        tiles = {"TILE_WIDTH": huge, "TILE_LENGTH": huge, "TILE_OFFSETS": start,
                 "TILE_COUNTS": pixels.size}  # fmt: skip
        yield f"{name} tiles {huge}", tif(plain_page(pixels, **tiles))
        yield f"{name} zlib tiles {huge}", tif(plain_page(pixels, COMPRESSION=DEFLATE, **tiles))
        yield f"{name} first page {huge}", tif(plain_page(pixels), first=huge)
    for length in (1, 2, 99, 100, 101, 150, 500):
        for back in {0, length // 2, length - 1}:
            probe = Tif([plain_page(pixels[:1, :4]) for _ in range(length)], order, is_big)
            probe.content()
            probe.pages[-1].following = probe.offsets[back]
            yield f"{name} ring of {length - back} after {back}", probe.content()
    for dtype in (1, 2, 3, 4, 5, 6, 255, 65535):
        yield f"{name} format {dtype}", tif(plain_page(pixels, FORMAT=dtype))
    for bits in (1, 2, 4, 7, 12, 24, 48, 64, 128):
        yield f"{name} {bits} bits", tif(plain_page(pixels, BITS=bits))
    for codec in (2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34887, 34925, 50000, 50001, 50002,
                  48124, 65000, 12345):  # fmt: skip
        yield f"{name} codec {codec}", tif(plain_page(pixels, COMPRESSION=codec))
    yield f"{name} complex", tif(plain_page(pixels.astype(np.complex64)))
    yield f"{name} palette", tif(plain_page(pixels, PHOTOMETRIC=3))
    yield f"{name} planes", tif(plain_page(pixels, SAMPLES=3, PLANAR=2))


def _bombs(pixels: NDArray[Any]) -> Iterator[tuple[str, bytes]]:
    """A megabyte that becomes a gigabyte."""
    squeezer = zlib.compressobj(9)
    block = bytes(2**20)
    bomb = b"".join(squeezer.compress(block) for _ in range(256)) + squeezer.flush()
    yield "bomb in a small page", Tif([_squeezed(pixels.shape, bomb)]).content()
    yield "bomb in a large page", Tif([_squeezed((2**15, 2**15), bomb[:9999])]).content()
    yield "bomb in a huge page", Tif([_squeezed((2**20, 2**20), bomb)]).content()
    shared = [_squeezed((2**12, 2**12), b"") for _ in range(400)]
    for page in shared:
        page.tags |= {OFFSETS: 8, COUNTS: 16_400}
    yield (
        "pages that share a bomb",
        Tif([_squeezed((2**12, 2**12), bomb[:16_400]), *shared]).content(),
    )
    squeezed = _squeezed((2**12, 2**12), bomb)
    yield "bomb with tiles", Tif([
        Page({**squeezed.tags, TILE_WIDTH: 2**16, TILE_LENGTH: 2**16}, bomb[:5000])
    ]).content()  # fmt: skip


def _squeezed(shape: tuple[int, ...], data: bytes) -> Page:
    page = plain_page(np.zeros((1, 1), np.uint8), WIDTH=shape[1], LENGTH=shape[0], ROWS=shape[0],
                      COMPRESSION=DEFLATE)  # fmt: skip
    page.data = data
    return page


def _hostile_descriptions(pixels: NDArray[Any]) -> Iterator[tuple[str, bytes]]:
    entities = "".join(f'<!ENTITY e{index} "{f"&e{index - 1};" * 10}">' for index in range(1, 12))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'
    outside = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    descriptions = {
        "laughs": f"{laughs}{_ome('&e11;', 'SizeZ=&quot;3&quot;')}",
        "outside": f"{outside}{_ome('&e;')}",
        "nested": f'<?xml version="1.0"?><OME>{"<a>" * 50000}{"</a>" * 50000}</OME>',
        "unfinished": _ome()[:-20],
        "many planes": _ome(sizes='SizeZ="999999999" SizeC="1" SizeT="1"'),
        "more planes": _ome(sizes='SizeZ="999999999" SizeC="999999999" SizeT="9999999"'),
        "negative planes": _ome(sizes='SizeZ="-3" SizeC="1" SizeT="1"'),
        "no planes": _ome(sizes='SizeZ="0" SizeC="1" SizeT="1"'),
        "words": _ome(sizes='SizeZ="x" SizeC="" SizeT="nan"'),
        "many in one": _ome(data='<TiffData IFD="0" PlaneCount="2000000000"/>'),
        "far page": _ome(data='<TiffData IFD="2000000000" PlaneCount="1"/>'),
        "other file": _ome(
            sizes='SizeZ="2" SizeC="1" SizeT="1"',
            data='<TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="x.tif">urn:1</UUID>'
            '</TiffData><TiffData FirstZ="1" IFD="0" PlaneCount="1">'
            '<UUID FileName="missing.tif">urn:2</UUID></TiffData>',
        ),
        "device": _ome(
            data='<TiffData IFD="0" PlaneCount="1"><UUID FileName="/dev/zero">urn:2</UUID>'
            "</TiffData>"
        ),
        "endless axis": _ome(
            data='<TiffData/></Pixels></Image><StructuredAnnotations><XMLAnnotation ID="a" '
            'Namespace="x/modulo"><Value><Modulo><ModuloAlongT Type="other" Start="0" End="1e12" '
            'Step="1e-6"/></Modulo></Value></XMLAnnotation></StructuredAnnotations><Image><Pixels>'
        ),
        "sizes": _ome(
            sizes='SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="nan" '
            'PhysicalSizeY="-1" PhysicalSizeZ="1e400"'
        ),
    }
    for name, text in descriptions.items():
        yield f"OME {name}", _described(pixels, text)
    for counts in ("images=2000000000", "images=-1", "images=x", "slices=99999999999999999999",
                   "images=3\nslices=3\nframes=7\nchannels=0", "images=1e9", "images=9" * 999,
                   "spacing=nan\nunit=nm", "spacing=1e999\nunit=nm", "min=x\nmax=\n=\n==",
                   "slices=20\nhyperstack=true\nmode=composite"):  # fmt: skip
        yield (
            f"ImageJ {counts[:20]!r}".replace("\\n", " "),
            _described(pixels, f"ImageJ=1.54f\n{counts}\n"),
        )
    for shape in ("[999999999, 24, 20]", "[24, 20]", "[-1, 24, 20]", "[]", '"x"', "{}", "[1e9]",
                  "[9999999999999999999, 9999999999999999999]", "[[[", "NaN"):  # fmt: skip
        yield f"shaped {shape}", _described(pixels, f'{{"shape": {shape}}}')
    for note in ("{}", '{"convention": 3, "corrected_slices": [1e400]}', "[" * 99999, "NaN",
                 '{"convention": "sparse", "corrected_slices": "\\ud800"}'):  # fmt: skip
        yield f"labels {note[:20]}", _described(pixels, f"ImageJ=1.54f\nlabels={note}\n")


def _described(pixels: NDArray[Any], text: str) -> bytes:
    page = plain_page(pixels)
    page.tags[DESCRIPTION] = text.encode() + b"\0"
    return Tif([page]).content()


def _ome(
    name: str = "", sizes: str = 'SizeZ="1" SizeC="1" SizeT="1"', data: str = "<TiffData/>"
) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint8" SizeX="20" SizeY="24" {sizes}>{data}</Pixels></Image></OME>'
    )


def packed_page(page: NDArray[np.uint16], bits: int) -> Page:
    """An uncompressed page of so many bits a pixel, its rows filled up to bytes."""
    rows = (page[..., np.newaxis] >> np.arange(bits)[::-1] & 1).reshape(len(page), -1)
    packed = plain_page(page.astype(np.uint8), BITS=bits)
    packed.data = np.packbits(rows.astype(np.uint8), axis=1).tobytes()
    return packed


def _write_backwards(path: Path, stack: NDArray[Any]) -> None:
    """Pages whose place in the file is the opposite of their order."""
    tif = Tif([plain_page(page) for page in stack[::-1]])
    tif.content()
    places = tif.offsets[::-1]
    for page, following in zip(tif.pages[::-1], [*places[1:], 0], strict=True):
        page.following = following
    tif.first = places[0]
    path.write_bytes(tif.content())
