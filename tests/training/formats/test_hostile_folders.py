"""Folders of arrays that were made to do harm, or are damaged: a sentence, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr

from tests.training.formats.array_folders import write_array, write_n5, write_ome
from training.errors import UserError
from training.opening import open_stack, read_stack

STACK = np.random.default_rng(1).integers(1, 256, (5, 40, 50), dtype=np.uint8)


@pytest.fixture(params=["zarr-2", "zarr-3", "n5"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A plain array, in chunks."""
    if request.param == "n5":
        write_n5(tmp_path / "a.n5", STACK)
        return tmp_path / "a.n5"
    write_array(tmp_path / "a.zarr", STACK, int(request.param[-1]))
    return tmp_path / "a.zarr"


def document_of(folder: Path) -> Path:
    """The file that describes an array."""
    names = (".zarray", "zarr.json", "attributes.json")
    return next(folder / name for name in names if (folder / name).exists())


def chunk_of(folder: Path) -> Path:
    """One of its chunks."""
    document = document_of(folder)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != document)
    return next(path for path in files if not path.name.startswith("."))


def change(path: Path, **values: Any) -> None:
    """Change a JSON document."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def enlarge(path: Path) -> None:
    os.truncate(path, 2**40)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [pipe, device, enlarge, cut])
@pytest.mark.parametrize("find", [chunk_of, document_of])
def test_files_that_are_no_files_are_refused(
    folder: Path, find: Callable[[Path], Path], harm: Callable[[Path], None]
) -> None:
    harm(find(folder))
    with pytest.raises(UserError, match=str(folder)):
        read_stack(folder)


@pytest.mark.parametrize("find", [chunk_of, document_of])
def test_links_out_of_the_folder_are_refused(
    folder: Path, tmp_path: Path, find: Callable[[Path], Path]
) -> None:
    path, outside = find(folder), tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(UserError, match="a link out of the folder"):
        read_stack(folder)


def test_a_folder_that_is_a_link_itself_is_read(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / f"link{folder.suffix}"
    link.symlink_to(folder)
    np.testing.assert_array_equal(read_stack(link), STACK)


def test_an_array_that_is_a_link_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "b", STACK)
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    (tmp_path / "a.zarr" / "b").symlink_to(tmp_path / "b")
    for path in (tmp_path / "a.zarr" / "b", tmp_path / "a.zarr"):
        with pytest.raises(UserError, match=r"link out of the folder|holds no stack"):
            open_stack(path)


def test_an_array_without_chunks_is_refused(folder: Path) -> None:
    document = document_of(folder)
    content = document.read_bytes()
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    document.write_bytes(content)
    with pytest.raises(UserError, match="none of its pixels is stored"):
        open_stack(folder)


@pytest.mark.parametrize("shape", [[2**50] * 3, [2**40, 9, 9], [9, 2**40, 9], [0, 4, 4]])
def test_sizes_that_no_stack_has_are_refused(folder: Path, shape: list[int]) -> None:
    key = "dimensions" if folder.suffix == ".n5" else "shape"
    change(document_of(folder), **{key: shape})
    with pytest.raises(UserError, match=str(folder)):
        open_stack(folder)


@pytest.mark.parametrize("chunks", [[2**20] * 3, [1, 2**45, 1]])
def test_chunks_larger_than_memory_are_refused(folder: Path, chunks: list[int]) -> None:
    match document_of(folder).name:
        case "attributes.json":
            change(document_of(folder), blockSize=chunks)
        case ".zarray":
            change(document_of(folder), chunks=chunks)
        case _:
            grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
            change(document_of(folder), chunk_grid=grid)
    with pytest.raises(UserError, match=r"A chunk of .* would take|can't be read"):
        open_stack(folder)


def test_slices_of_too_many_chunks_are_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK, 2, chunks=(1, 1, 50))
    change(tmp_path / "a.zarr" / ".zarray", shape=[5, 1_000_000, 50])
    with pytest.raises(UserError, match="is stored in 1000000 chunks"):
        open_stack(tmp_path / "a.zarr")


def test_shards_of_too_many_chunks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_array(path, STACK, shards=(5, 40, 50), chunks=(1, 8, 10))
    grid = {"name": "regular", "configuration": {"chunk_shape": [5, 40 * 2**20, 50 * 2**20]}}
    change(path / "zarr.json", chunk_grid=grid)
    with pytest.raises(UserError, match="A chunk of"):
        open_stack(path)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that decode to 4 MiB are bombs."""
    monkeypatch.setattr("training.formats.chunked_stack._ALWAYS_FINE", 2**20)


BOMB = np.zeros(2**22, np.uint8)
# By https://www.rfc-editor.org/rfc/rfc8878: a frame without its size, of blocks of one value.
ZSTD_WITHOUT_SIZE = b"\x28\xb5\x2f\xfd\0\x58" + b"\x02\0\x10\0" * 32 + b"\x03\0\x10\0"
COMPRESSED = {
    codec.codec_id: (codec.get_config(), bytes(codec.encode(BOMB)))
    for codec in (
        numcodecs.Blosc(),
        numcodecs.LZ4(),
        numcodecs.Zstd(),
        numcodecs.GZip(),
        numcodecs.Zlib(),
        numcodecs.BZ2(),
        numcodecs.LZMA(),
    )
}
COMPRESSED["zstd without its size"] = numcodecs.Zstd().get_config(), ZSTD_WITHOUT_SIZE


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("name", COMPRESSED)
def test_chunks_that_decode_to_far_more_are_refused(tmp_path: Path, name: str) -> None:
    codec, bomb = COMPRESSED[name]
    write_array(tmp_path / "a.zarr", STACK, 2, chunks=STACK.shape)
    change(tmp_path / "a.zarr" / ".zarray", compressor=codec)
    for content, reason in ((bomb, "decodes to far more"), (b"none", "can't be read")):
        (tmp_path / "a.zarr" / "0.0.0").write_bytes(content)
        with pytest.raises(UserError, match=reason):
            read_stack(tmp_path / "a.zarr")


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("table", ["start", "end"])
@pytest.mark.parametrize("shard", [(5, 40, 50), (1, 80, 50)], ids=["read in part", "read whole"])
def test_chunks_in_a_shard_that_decode_to_far_more_are_refused(
    tmp_path: Path, table: str, shard: tuple[int, ...]
) -> None:
    path, pages = tmp_path / "a.zarr", [page.tobytes() for page in STACK]
    sharding = zarr.codecs.ShardingCodec(
        chunk_shape=(1, 40, 50),
        codecs=[zarr.codecs.BytesCodec(), zarr.codecs.GzipCodec()],
        index_codecs=[zarr.codecs.BytesCodec()],
        index_location=table,
    )
    options = {"shape": shard, "chunks": shard, "serializer": sharding, "compressors": None}
    zarr.create_array(path, dtype="u1", **options)
    count = shard[0] * shard[1] // 40
    for first, reason in ((gzip.compress(pages[0]), ""), (COMPRESSED["gzip"][1], "far more")):
        chunks = [first, *map(gzip.compress, pages[1:count])]
        begin = 16 * count if table == "start" else 0
        starts = begin + np.cumsum([0, *map(len, chunks[:-1])])
        places = np.array([*zip(starts, map(len, chunks), strict=True)], "<u8").tobytes()
        file = path / "c" / "0" / "0" / "0"
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = [places, *chunks] if table == "start" else [*chunks, places]
        file.write_bytes(b"".join(parts))
        with pytest.raises(UserError, match=reason) if reason else nullcontext():
            assert read_stack(path).tobytes() == b"".join(pages[:count])


@pytest.mark.parametrize(
    "filters, compressor",
    [
        ([{"id": "zlib"}], {"id": "gzip"}),
        ([{"id": "zlib"}, {"id": "shuffle"}], None),
        ([], {"id": "lzma", "format": 3, "filters": [{"id": 33}]}),
        ([{"id": "packbits"}] * 4, None),
    ],
    ids=["twice", "shuffled", "without a header", "many filters"],
)
def test_codecs_whose_decoding_has_no_bounds_are_refused(
    tmp_path: Path, filters: list[dict[str, Any]], compressor: dict[str, Any] | None
) -> None:
    write_array(tmp_path / "a.zarr", STACK, 2)
    change(tmp_path / "a.zarr" / ".zarray", filters=filters, compressor=compressor)
    with pytest.raises(UserError, match="which is not read"):
        open_stack(tmp_path / "a.zarr")


class _Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_no_codec_runs_what_a_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True)  # as it once was
    path, sprung = tmp_path / "a.zarr", tmp_path / "sprung"
    write_array(path, STACK, 2, chunks=STACK.shape, compressors=None)
    (path / "0.0.0").write_bytes(pickle.dumps(_Trap(sprung)))
    codec = {"id": "pickle", "protocol": 4}
    change(path / ".zarray", **{place: [codec] if place == "filters" else codec})
    with pytest.raises(UserError, match="codec 'pickle', which is not read"):
        open_stack(path)
    assert not sprung.exists()
    numcodecs.get_codec(codec).decode((path / "0.0.0").read_bytes())
    assert sprung.exists()


@pytest.mark.parametrize("name", ["vlen-utf8", "numcodecs.pickle", "sharding_indexed", "mine"])
def test_unusual_codecs_are_refused_inside_of_shards(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zarr"
    write_array(path, STACK, shards=(4, 32, 32), chunks=(2, 16, 16))
    codecs = json.loads((path / "zarr.json").read_text())["codecs"]
    codecs[0]["configuration"]["codecs"].append({"name": name, "configuration": {}})
    change(path / "zarr.json", codecs=codecs)
    with pytest.raises(UserError, match=f"codec '{name}', which is not read"):
        open_stack(path)


@pytest.mark.parametrize(
    "values",
    [
        {"fill_value": "NaN"},
        {"fill_value": 10**400},
        {"dtype": "|O"},
        {"dtype": [["a", "<u1"]]},
        {"dtype": "<U9"},
        {"shape": [5, 40]},
        {"shape": [1] * 100_000},
        {"shape": "5"},
        {"chunks": [0, 0, 0]},
        {"chunks": [-1, 8, 8]},
        {"filters": [{"id": "delta", "dtype": "|O"}]},
        {"filters": [3]},
        {"compressor": "blosc"},
        {"dimension_separator": "../"},
        {"zarr_format": 9},
    ],
    ids=str,
)
def test_metadata_that_make_no_sense_are_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    write_array(tmp_path / "a.zarr", STACK, 2)
    change(tmp_path / "a.zarr" / ".zarray", **values)
    with pytest.raises(UserError, match=r"a\.zarr"):
        open_stack(tmp_path / "a.zarr")


def test_transformers_of_storage_are_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", STACK)
    change(tmp_path / "a.zarr" / "zarr.json", storage_transformers=[{"name": "encryption"}])
    with pytest.raises(UserError, match="storage transformers"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize("path", ["../b", "/etc", "0/../../b", "", ".", 3, None, "0\0"])
def test_images_whose_arrays_are_elsewhere_are_refused(tmp_path: Path, path: Any) -> None:
    write_array(tmp_path / "b", STACK)
    write_ome(tmp_path / "a.zarr", [STACK])
    document = tmp_path / "a.zarr" / "zarr.json"
    attributes = json.loads(document.read_text())["attributes"]
    attributes["ome"]["multiscales"][0]["datasets"][0]["path"] = path
    change(document, attributes=attributes)
    with pytest.raises(UserError, match="is not a path in it"):
        open_stack(tmp_path / "a.zarr")


def test_a_location_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    write_array(tmp_path / "b.zarr", STACK)
    write_ome(tmp_path / "a.zarr", [STACK])
    with pytest.raises(UserError, match="is not a path in it"):
        open_stack(tmp_path / "a.zarr" / ".." / "b.zarr" / "c")


def test_documents_of_absurd_size_are_refused(folder: Path) -> None:
    document = document_of(folder)
    document.write_text(document.read_text() + " " * 2**25)
    with pytest.raises(UserError, match="Larger than 16 MiB"):
        open_stack(folder)


def test_groups_without_end_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    inner = path
    for _ in range(400):
        inner /= "g"
    inner.mkdir(parents=True)
    (path / "ring").symlink_to(path)
    for index in range(1500):
        (path / f"{index}").mkdir()
    with pytest.raises(UserError, match="holds no stack of slices"):
        open_stack(path)


@pytest.mark.parametrize("key", ["../b", "/etc", 7])
def test_scales_that_are_elsewhere_are_refused(tmp_path: Path, key: Any) -> None:
    (tmp_path / "a").mkdir()
    scale = {"key": key, "size": [50, 40, 5], "resolution": [4, 4, 50], "chunk_sizes": [[8, 8, 8]],
             "encoding": "raw", "voxel_offset": [0, 0, 0]}  # fmt: skip
    info = {"@type": "neuroglancer_multiscale_volume", "type": "image", "data_type": "uint8",
            "num_channels": 1, "scales": [scale]}  # fmt: skip
    (tmp_path / "a" / "info").write_text(json.dumps(info))
    with pytest.raises(UserError, match="is not a path in it"):
        open_stack(tmp_path / "a")


def test_tensorstore_opens_no_other_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What metadata say of stores is passed over: the only one is the folder's files."""
    write_n5(tmp_path / "a.n5", STACK)
    change(tmp_path / "a.n5" / "attributes.json", kvstore="http://localhost:1/", driver="json")
    specs: list[Any] = []
    open_it = tensorstore.open

    def noted(spec: Any, **options: Any) -> Any:
        specs.append(spec)
        return open_it(spec, **options)

    monkeypatch.setattr(tensorstore, "open", noted)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.n5"), STACK)
    assert [spec["kvstore"]["driver"] for spec in specs] == ["file"]
