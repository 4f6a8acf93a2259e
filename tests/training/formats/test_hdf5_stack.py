import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from training.errors import UserError
from training.formats.hdf5_stack import find_datasets
from training.formats.pixel_size import PixelSize
from training.formats.tif_structure import OtherImageError
from training.opening import open_stack, read_stack


@pytest.fixture
def cremi(tmp_path: Path, images: np.ndarray) -> Path:
    """A file with the layout of the CREMI challenge."""
    path = tmp_path / "crop.hdf"
    with h5py.File(path, "w") as file:
        raw = file.create_dataset("volumes/raw", data=images, chunks=(3, 32, 32), compression=4)
        ids = np.cumsum(images > 100, axis=2).astype(np.uint64)
        neurons = file.create_dataset("volumes/labels/neuron_ids", data=ids, compression="gzip")
        for data in (raw, neurons):
            data.attrs["resolution"] = (40.0, 4.0, 5.0)
        neurons.attrs["offset"] = (400.0, 40.0, 50.0)
        file["annotations/ids"] = np.arange(9)
    return path


def test_images_and_labels_are_told_apart_by_known_names(cremi: Path, images: np.ndarray) -> None:
    with open_stack(cremi) as stack:
        assert stack.name == "crop-volumes-raw"
        assert stack.pixel_size == PixelSize(40, 4, 5)
        assert stack.dtype == np.uint8
        np.testing.assert_array_equal(np.stack(list(stack)), images)
    with open_stack(cremi, "labels") as stack:
        assert stack.name == "crop-volumes-labels-neuron_ids"
        assert stack.dtype == np.uint64
        assert stack.offset == (400, 40, 50)
    assert find_datasets(cremi) == ["volumes/raw", "volumes/labels/neuron_ids"]


def test_a_dataset_may_be_named(cremi: Path, images: np.ndarray) -> None:
    np.testing.assert_array_equal(read_stack(cremi / "volumes/raw"), images)
    np.testing.assert_array_equal(read_stack(f"{cremi}/volumes/raw/"), images)


@pytest.mark.parametrize(
    ("name", "what"), [("main", "images"), ("exported_data", "images"), ("stack", "labels")]
)
def test_the_only_dataset_need_not_be_named(
    tmp_path: Path, images: np.ndarray, name: str, what: str
) -> None:
    """As SNEMI3D's, and what ilastik exports."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = images
    with open_stack(tmp_path / "a.h5", what) as stack:
        np.testing.assert_array_equal(stack[3], images[3])
        assert stack.name == f"a-{name}"
        assert stack.pixel_size is None


def test_two_that_fit_are_named_and_none_is_guessed(tmp_path: Path, images: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["first"], file["second"] = images, images
    with pytest.raises(UserError, match=r"has 2 datasets\. Give one of them: \S+/first, \S+second"):
        open_stack(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("axes", "order"), [("zyxc", (0, 1, 2)), ("tzyxc", (0, 1, 2)), ("xyz", (2, 1, 0))]
)
def test_axes_are_those_of_ilastik(
    tmp_path: Path, images: np.ndarray, axes: str, order: tuple[int, ...]
) -> None:
    pixels = images.transpose(order)
    pixels = pixels[..., None] if axes.endswith("c") else pixels
    pixels = pixels[None] if axes.startswith("t") else pixels
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exported_data"] = pixels
        keys = ", ".join(f'{{"key": "{axis}"}}' for axis in axes)
        file["exported_data"].attrs["axistags"] = f'{{"axes": [{keys}]}}'
    np.testing.assert_array_equal(read_stack(tmp_path / "a.h5"), images)


@pytest.mark.parametrize("labels", ["xyz", "XYZ"])
def test_axes_are_those_of_hdf5_s_labels(tmp_path: Path, images: np.ndarray, labels: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"], file["plain"] = images.T, images
        for dimension, label in zip(file["raw"].dims, labels, strict=True):
            dimension.label = label
        file["plain"].dims[0].label = "depth of the block"  # which are not names of axes
    np.testing.assert_array_equal(read_stack(tmp_path / "a.h5/raw"), images)
    np.testing.assert_array_equal(read_stack(tmp_path / "a.h5/plain"), images)


def test_lengths_in_micrometres_as_imagej_writes_them(tmp_path: Path, images: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = images[None].astype(">u2")
        file["raw"].attrs["element_size_um"] = np.float32([0.05, 0.004, 0.004])
    with open_stack(tmp_path / "a.h5") as stack:
        assert stack.dtype == np.dtype("=u2")
        assert stack.pixel_size is not None
        sides = (stack.pixel_size.z, stack.pixel_size.y, stack.pixel_size.x)
        np.testing.assert_allclose(sides, (50, 4, 4), rtol=1e-6)
        np.testing.assert_array_equal(stack[6], images[6])


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((7, 20, 30, 3), r"has colours or channels: its shape is \(7, 20, 30, 3\)"),
        ((20, 30, 3), "has colours or channels"),
        ((2, 7, 20, 30), "is not one stack of grey slices"),
    ],
)
def test_what_is_not_grey_is_refused(tmp_path: Path, shape: tuple[int, ...], reason: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros(shape, np.uint8)
    with pytest.raises(OtherImageError, match=reason):
        open_stack(tmp_path / "a.h5/raw")


def test_slices_of_large_chunks_are_decompressed_once(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", data=images, chunks=(3, 61, 83), compression="gzip")
    read = []
    with open_stack(tmp_path / "a.h5") as stack:
        inner = stack.read_slab
        monkeypatch.setattr(stack, "read_slab", lambda *ends: read.append(ends) or inner(*ends))
        np.testing.assert_array_equal(np.stack(list(stack)), images)
    assert read == [(0, 3), (3, 6), (6, 7)]


def outside(file: h5py.File, other: Path) -> None:
    file["raw"] = h5py.ExternalLink(str(other), "raw")


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((7, 61, 83), "u1")
    layout[:] = h5py.VirtualSource(str(other), "raw", (7, 61, 83))
    file.create_virtual_dataset("raw", layout)


def external(file: h5py.File, other: Path) -> None:
    places = [(str(other), 0, 7 * 61 * 83)]
    file.create_dataset("raw", (7, 61, 83), "u1", external=places)


def ring(file: h5py.File, _: Path) -> None:
    file["raw"] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink("/raw")


def group_in_itself(file: h5py.File, _: Path) -> None:
    file.create_group("raw")["again"] = file["/"]


def endless(file: h5py.File, _: Path) -> None:
    file.create_dataset("raw", (2**40, 8, 8), "u1", chunks=(1, 8, 8))


def huge(file: h5py.File, _: Path) -> None:
    file.create_dataset("raw", (2, 2**24, 2**24), "f8", chunks=(1, 64, 64))


def plugged(file: h5py.File, _: Path) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 8, 8))
    creation.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (0, 0, 0, 0))
    space = h5py.h5s.create_simple((4, 8, 8))
    h5py.h5d.create(file.id, b"raw", h5py.h5t.NATIVE_UINT8, space, creation)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (outside, "is a link to another file"),
        (virtual, "lie in other files"),
        (external, "lie in other files"),
        (ring, "leads round in a ring"),
        (group_in_itself, "is a group"),
        (endless, "says that it has 1099511627776 slices"),
        (huge, "would take 2097152.0 GiB"),
        (plugged, "is compressed by a plug-in of HDF5"),
    ],
)
def test_what_leads_elsewhere_or_is_impossible_is_refused(
    tmp_path: Path, make: Any, reason: str
) -> None:
    secret = tmp_path / "other.h5"
    with h5py.File(secret, "w") as file:
        file["raw"] = np.ones((7, 61, 83), np.uint8)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        make(file, secret)
    with pytest.raises(UserError, match=reason):
        open_stack(path / "raw")
    with pytest.raises(UserError, match=str(path)):
        open_stack(path)


@pytest.mark.parametrize(
    ("options", "chunk", "reason"),
    [
        ({"compression": "gzip"}, zlib.compress(bytes(2**22)), "decodes to far more"),
        (
            {"compression": "gzip", "fletcher32": True},
            zlib.compress(bytes(2**22)) + bytes(4),
            "decodes to far more",
        ),
        ({"compression": "lzf"}, bytes(2**20), "is larger than what it may hold"),
        ({"compression": "gzip", "shuffle": True}, zlib.compress(bytes(5063)), ""),
    ],
    ids=["bomb", "bomb with a checksum", "long", "as it should be"],
)
def test_chunks_that_decode_to_far_more_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    chunk: bytes,
    reason: str,
) -> None:
    monkeypatch.setattr("training.formats.chunked_stack._ALWAYS_FINE", 2**20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", (2, 61, 83), "u1", chunks=(1, 61, 83), **options)
        data[0] = 1
        data.id.write_direct_chunk((1, 0, 0), chunk)
    with open_stack(tmp_path / "a.h5") as stack:
        assert (stack[0] == 1).all()
        with pytest.raises(UserError, match=reason) if reason else nullcontext():
            assert not stack[1].any()


def test_filters_whose_decoding_has_no_bounds_are_refused(tmp_path: Path) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 8, 8))
    creation.set_deflate(9)
    creation.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((4, 8, 8))
        h5py.h5d.create(file.id, b"raw", h5py.h5t.NATIVE_UINT8, space, creation)
    with pytest.raises(UserError, match="its filter lzf makes more than its pixels"):
        open_stack(tmp_path / "a.h5")


def test_a_truncated_file_and_a_missing_dataset_are_named(cremi: Path, tmp_path: Path) -> None:
    missing = r"nothing does not exist\. It has: \S+crop.hdf/volumes/raw"
    with pytest.raises(UserError, match=missing):
        open_stack(cremi / "nothing")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(cremi.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"cut.h5 can't be read: .*truncated"):
        open_stack(cut)
