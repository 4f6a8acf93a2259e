"""Stacks written by the ending of their names, and read by the libraries of the formats."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr

from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import check_stack_output, open_writer, write_stack
from training.opening import open_stack

SIZE = PixelSize(50.0, 4.0, 4.5)
OFFSET = (100, 2, -30.5)
SHAPE = (3, 301, 517)
NAMES = ("a.tif", "a.h5/volumes/mask", "a.zarr")


@pytest.fixture(scope="module")
def probability() -> np.ndarray:
    return np.random.default_rng(0).random(SHAPE, np.float32)


@pytest.fixture(scope="module")
def mask(probability: np.ndarray) -> np.ndarray:
    return np.where(probability > 0.8, np.uint8(0), np.uint8(255))


def write(path: Path, stack: np.ndarray, **options: object) -> None:
    is_label = stack.dtype != np.float32
    write_stack(path, stack, stack.dtype, is_label=is_label, pixel_size=SIZE, **options)


def read(path: Path) -> np.ndarray:
    """The pixels, by the library of the format."""
    for container in (path, *path.parents):
        if container.suffix == ".h5":
            with h5py.File(container) as file:
                return file[str(path.relative_to(container))][:]
        if container.suffix == ".zarr":
            inner = path.relative_to(container)
            is_named = container != path
            labels = container / "labels"
            folder = path if is_named or not labels.is_dir() else labels / container.stem
            assert is_named <= (inner.parts[:1] == ("labels",))
            return zarr.open_group(folder, mode="r")["0"][:]
    return tifffile.imread(path)


def test_hdf5_has_the_pixel_size_as_cremi_does(tmp_path: Path, mask: np.ndarray) -> None:
    write(tmp_path / "a.h5/volumes/mask", mask)
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["volumes/mask"]
        assert data.dtype == "uint8" and data.compression == "gzip"
        assert data.attrs["resolution"].tolist() == [50, 4, 4.5]
        np.testing.assert_array_equal(data, mask)


def test_other_datasets_of_the_file_stay(
    tmp_path: Path, mask: np.ndarray, probability: np.ndarray
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = mask[:1]
    write(path / "volumes/mask", mask, compression=None)
    write(path / "probability", probability)
    with pytest.raises(UserError, match=r"a\.h5/volumes/raw exists already"):
        write(path / "volumes/raw", mask)
    write(path / "volumes/mask", 255 - mask, overwrite=True)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["volumes/raw"], mask[:1])
        np.testing.assert_array_equal(file["volumes/mask"], 255 - mask)
        np.testing.assert_array_equal(file["probability"], probability)
    assert [left.name for left in tmp_path.iterdir()] == ["a.h5"]


def test_mrc_holds_a_probability(tmp_path: Path, probability: np.ndarray) -> None:
    path = tmp_path / "a.mrc"
    write(path, probability)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, probability)
        assert (file.header.mode, file.voxel_size.tolist()) == (2, pytest.approx((45, 40, 500)))
        assert float(file.header.rms) == pytest.approx(probability.std(), rel=1e-4)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_ome_zarr_has_the_metadata_of_its_specification(
    tmp_path: Path, probability: np.ndarray, version: str
) -> None:
    write(tmp_path / "a.zarr", probability, ome_zarr=version)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group.metadata.zarr_format == (3 if version == "0.5" else 2)
    metadata = group.attrs["ome"] if version == "0.5" else dict(group.attrs)
    [multiscale] = metadata["multiscales"]
    versioned = metadata if version == "0.5" else multiscale
    assert versioned["version"] == version
    assert multiscale["axes"] == [
        {"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"
    ]
    levels = [group[level["path"]] for level in multiscale["datasets"]]
    assert [array.shape for array in levels] == [SHAPE, (3, 151, 259), (3, 76, 130)]
    scales = [level["coordinateTransformations"][0] for level in multiscale["datasets"]]
    assert [scale["type"] for scale in scales] == ["scale"] * 3
    assert [scale["scale"] for scale in scales] == [[50, 4, 4.5], [50, 8, 9], [50, 16, 18]]
    shift = multiscale["datasets"][1]["coordinateTransformations"][1]
    assert shift == {"type": "translation", "translation": [0, 2, 2.25]}
    np.testing.assert_array_equal(levels[0], probability)
    blocks = probability[:, :300, :516].reshape(3, 150, 2, 258, 2)
    np.testing.assert_allclose(levels[1][:, :150, :258], blocks.mean((2, 4)), rtol=1e-5)
    separator = "0/0/0" if version == "0.4" else "c/0/0/0"
    assert (tmp_path / "a.zarr" / "0" / separator).is_file()


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_ome_zarr_keeps_the_offset_of_every_size(
    tmp_path: Path, probability: np.ndarray, version: str
) -> None:
    write(tmp_path / "a.zarr", probability, offset=OFFSET, ome_zarr=version)
    attributes = dict(zarr.open_group(tmp_path / "a.zarr", mode="r").attrs)
    [multiscale] = attributes.get("ome", attributes)["multiscales"]
    steps = [level["coordinateTransformations"][1] for level in multiscale["datasets"]]
    assert {step["type"] for step in steps} == {"translation"}
    places = [[100, 2, -30.5], [100, 4, -28.25], [100, 8, -23.75]]
    assert [step["translation"] for step in steps] == places
    with open_stack(tmp_path / "a.zarr" / "1") as stack:
        assert stack.offset == (100, 4, -28.25)


def test_hdf5_and_mrc_keep_the_offset(tmp_path: Path, probability: np.ndarray) -> None:
    paths = tmp_path / "a.h5" / "p", tmp_path / "a.mrc"
    for path in paths:
        write(path, probability, offset=OFFSET)
        with open_stack(path) as stack:
            assert stack.offset == pytest.approx(OFFSET)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["p"].attrs["offset"].tolist() == [*OFFSET]
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.header.origin.tolist() == (-305, 20, 1000)  # x, y, z in angstrom


def test_chunks_are_of_one_slice(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", np.zeros((2, 1100, 2100), np.uint8))
    array = zarr.open_array(tmp_path / "a.zarr/labels/a/0", mode="r")
    assert array.chunks == (1, 1024, 1024)
    assert (tmp_path / "a.zarr/labels/a/0/c/1/1/2").is_file(), "zeros are stored as well"


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_labels_are_listed_and_keep_their_values(
    tmp_path: Path, mask: np.ndarray, probability: np.ndarray, version: str
) -> None:
    path = tmp_path / "a.zarr"
    write(path, probability, ome_zarr=version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Zarr 3 has no specification of them
        zarr.consolidate_metadata(path)  # what readers see in the place of the groups'
    numbers = np.arange(mask.size, dtype=np.uint32).reshape(SHAPE) // 5000
    write(path / "labels/mask", mask)
    write(path / "labels/neurons", numbers)
    write(path / "labels/neurons", numbers, overwrite=True)
    group = zarr.open_group(path, mode="r")
    labels = group["labels"]
    metadata = {name: dict(labels[name].attrs) for name in ("mask", "neurons")}
    listed = dict(labels.attrs)
    if version == "0.5":
        metadata = {name: attributes["ome"] for name, attributes in metadata.items()}
        listed = listed["ome"]
        assert listed["version"] == "0.5"
    assert listed["labels"] == ["mask", "neurons"]
    assert metadata["neurons"]["image-label"]["source"] == {"image": "../../"}
    assert metadata["neurons"]["multiscales"][0]["type"] == "mode"
    np.testing.assert_array_equal(labels["neurons"]["0"], numbers)
    for level in ("1", "2"):
        assert np.isin(labels["neurons"][level], numbers).all()
        assert set(np.unique(labels["mask"][level])) <= {0, 255}
    np.testing.assert_array_equal(group["0"], probability)
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.zarr"}


def test_most_of_four_labels_win(tmp_path: Path) -> None:
    page = np.zeros((1, 300, 2), np.uint16)
    page[0, :2] = [[7, 300], [300, 300]]
    page[0, 2:4] = [[5, 6], [7, 8]]
    write(tmp_path / "a.zarr", page)
    level = zarr.open_array(tmp_path / "a.zarr/labels/a/1", mode="r")
    assert level[0, :3, 0].tolist() == [300, 5, 0]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_is_kept_until_the_new_is_whole(
    tmp_path: Path, mask: np.ndarray, name: str
) -> None:
    path = tmp_path / name
    write(path, mask)
    with pytest.raises(UserError, match="exists already"):
        write(path, 255 - mask)
    writer = open_writer(path, SHAPE, mask.dtype, is_label=True, overwrite=True)
    with pytest.raises(ValueError, match="1 pages"), writer:
        writer.write(255 - mask[0])
        np.testing.assert_array_equal(read(path), mask)
    np.testing.assert_array_equal(read(path), mask)
    write(path, 255 - mask, overwrite=True)
    np.testing.assert_array_equal(read(path), 255 - mask)
    assert {entry.name for entry in tmp_path.iterdir()} == {Path(name).parts[0]}


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.h5/mask", "a.zarr"])
def test_what_another_process_made_meanwhile_is_kept(tmp_path: Path, name: str) -> None:
    path, shape = tmp_path / name, (1, 5, 6)
    dtype = "float32" if name == "a.mrc" else "uint8"
    other = np.ones(shape, dtype)
    with (
        pytest.raises(UserError, match=r"meanwhile|exists already"),
        open_writer(path, shape, dtype, is_label=name != "a.mrc") as writer,
    ):
        writer.write(np.zeros(shape[1:], dtype))
        write(path, other)
    with open_stack(path) as kept:
        np.testing.assert_array_equal(kept[0], other[0])
    if name != "a.h5/mask":
        with open_stack(path.with_stem("a-2")) as beside:
            np.testing.assert_array_equal(beside[0], 0)


def test_datasets_that_are_written_at_once_all_stay(tmp_path: Path) -> None:
    path, shape = tmp_path / "a.h5", (2, 5, 6)
    with h5py.File(path, "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, (40, 500, 500), np.uint8)

    def add(number: int) -> None:
        write(path / f"mask{number}", np.full(shape, number, np.uint8))

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(add, range(4)))
    with h5py.File(path) as file:
        assert {*file} == {"raw", "mask0", "mask1", "mask2", "mask3"}
        assert all((file[f"mask{number}"][:] == number).all() for number in range(4))
    assert [*tmp_path.iterdir()] == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path, mask: np.ndarray) -> None:
    code = f"""
import os, numpy as np
from pathlib import Path
from training.masks.writer_choice import open_writer
with open_writer(Path({str(tmp_path / "a.zarr")!r}), {SHAPE}, "uint8", is_label=True) as writer:
    writer.write(np.zeros({SHAPE[1:]}, np.uint8))
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    left = list(tmp_path.iterdir())  # the folder, and the file that was locked
    assert len(left) == 2 and all(one.name.startswith(".a.zarr.") for one in left)
    write(tmp_path / "a.zarr", mask)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(
    ("name", "is_label", "problem"),
    [
        ("a.png", True, r"End its name in \.tif, \.zarr or \.h5/DATASET; .* \.mrc"),
        ("a", True, r"a is not named in a format"),
        ("a.mrc", True, r"for probabilities alone"),
        ("a.h5", True, r"names no dataset"),
        ("a.zarr/labels/x", False, r"Give \S+a\.zarr\."),
        ("a.zarr/0", True, r"a\.zarr/labels/NAME"),
        ("none/a.zarr", True, r"there is no folder"),
        ("none/a.h5/x", True, r"there is no folder"),
        ("text.h5/x", True, r"text\.h5 can't be read"),
        ("folder.zarr", True, r"is not a Zarr group"),
        ("array.zarr", True, r"is not a Zarr group"),
        ("array.zarr/labels/x", True, r"is not a Zarr group"),
        ("group.zarr/labels/x", True, r"there is no folder \S+group\.zarr/labels"),
        ("links.h5/out/x", True, r"leads through out"),
        ("links.h5/group", True, r"is a group or a link"),
    ],
)
def test_what_can_t_be_written_is_refused(
    tmp_path: Path, name: str, is_label: bool, problem: str
) -> None:
    (tmp_path / "text.h5").write_text("text")
    (tmp_path / "folder.zarr").mkdir()
    zarr.create_array(tmp_path / "array.zarr", shape=(1, 2, 3), dtype=np.uint8)
    zarr.create_group(tmp_path / "group.zarr")
    (tmp_path / "group.zarr" / "labels").write_text("a file in the way")
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["out"] = h5py.ExternalLink("other.h5", "/")
        file.create_group("group")
    with pytest.raises(UserError, match=problem):
        check_stack_output(tmp_path / name, is_label, overwrite=True)


@pytest.mark.parametrize("library", ["h5py", "mrcfile", "zarr"])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    name = {"h5py": "a.h5/x", "mrcfile": "a.mrc", "zarr": "a.zarr"}[library]
    with pytest.raises(UserError, match=f"Install it: pip install {library}"):
        check_stack_output(tmp_path / name, False)


@pytest.mark.parametrize("name", ["a.h5/x", "a.mrc", "a.zarr"])
def test_a_full_disk_is_told(tmp_path: Path, probability: np.ndarray, name: str) -> None:
    """A limit on the size of files stands in for it."""
    code = f"""
import resource, signal, numpy as np
from pathlib import Path
from training.errors import UserError
from training.masks.writer_choice import write_stack
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
stack = np.random.default_rng(0).random({SHAPE}, np.float32)
try:
    write_stack(Path({str(tmp_path / name)!r}), stack, "f4", is_label=False)
except UserError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "can't be written" in result.stdout, result.stderr
    assert not list(tmp_path.iterdir())
