import contextlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from training.config import preset_config
from training.dataset.pair_search import find_pair
from training.dataset.training_pair import check_pair, open_pair
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.masks.writer_choice import write_stack
from training.opening import open_stack, read_stack
from training.stacks.sparse_labels import INSIDE, MEMBRANE, PADDING


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 20, 30), dtype=np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.full((6, 20, 30), 255, np.uint8)
    labels[:, 5] = 0
    return labels


@pytest.fixture
def folder(tmp_path: Path, stack: np.ndarray, labels: np.ndarray) -> Path:
    tifffile.imwrite(tmp_path / "train-volume.tif", stack)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    return tmp_path


def save_with_pillow(path: Path, stack: np.ndarray) -> None:
    pages = [Image.fromarray(page) for page in stack]
    pages[0].save(path, save_all=True, append_images=pages[1:])


WRITERS = {
    "tifffile": lambda path, stack: tifffile.imwrite(path, stack),
    "zlib": lambda path, stack: tifffile.imwrite(path, stack, compression="zlib"),
    "tiles": lambda path, stack: tifffile.imwrite(path, stack, tile=(16, 16)),
    "big-endian": lambda path, stack: tifffile.imwrite(path, stack, byteorder=">"),
    "bigtiff": lambda path, stack: tifffile.imwrite(path, stack, bigtiff=True),
    "ImageJ": lambda path, stack: tifffile.imwrite(path, stack, imagej=True),
    "ImageJ Z": lambda path, stack: tifffile.imwrite(
        path, stack, imagej=True, metadata={"axes": "ZYX"}
    ),
    "OME": lambda path, stack: tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZYX"}),
    "Pillow": save_with_pillow,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_reads_what_programs_write(tmp_path: Path, stack: np.ndarray, writer: str) -> None:
    path = tmp_path / "stack.tif"
    WRITERS[writer](path, stack)
    np.testing.assert_array_equal(read_stack(path), stack)
    with open_stack(path) as file:
        assert file.shape == stack.shape
        assert file.dtype == stack.dtype
        np.testing.assert_array_equal(file[4], stack[4])
        np.testing.assert_array_equal(file[-1], stack[-1])


@settings(max_examples=30, deadline=None)
@given(
    npst.arrays(
        st.sampled_from(["uint8", "uint16", "int16", "int32", "float32", "float64", ">u2"]),
        npst.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=9),
        elements=st.integers(0, 100),
    )
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, stack: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("round") / "stack.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    read = read_stack(path)
    assert read.dtype == stack.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, stack)


def test_a_2d_image_is_a_stack_of_one_slice(tmp_path: Path, stack: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "image.tif", stack[0])
    np.testing.assert_array_equal(read_stack(tmp_path / "image.tif"), stack[:1])


def test_black_and_white_labels(tmp_path: Path) -> None:
    labels = np.eye(16, dtype=bool)
    Image.fromarray(labels).save(tmp_path / "labels.tif")
    np.testing.assert_array_equal(read_stack(tmp_path / "labels.tif")[0], labels)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"file .*none\.tif does not exist.*Give a TIF of the labels"
    ):
        read_stack(tmp_path / "none.tif", "labels")


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        read_stack(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", bytes(50)])
def test_not_a_tif(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tif"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"other\.tif is not a TIF"):
        read_stack(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("writer", WRITERS)
def test_truncated_files_are_refused_or_whole(
    tmp_path: Path, stack: np.ndarray, writer: str, share: float
) -> None:
    path = tmp_path / "cut.tif"
    WRITERS[writer](path, stack)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    try:
        read = read_stack(path)
    except UserError as error:
        assert "cut.tif" in error.problem
    else:  # only metadata were cut off
        np.testing.assert_array_equal(read, stack)


def test_truncated_isbi_like_file_is_refused(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, stack)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cut\.tif ends in the middle.*truncated"):
        read_stack(path)


def test_a_compression_that_needs_a_package(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "lzw.tif"
    tifffile.imwrite(path, stack, compression="lzw")
    np.testing.assert_array_equal(read_stack(path), stack)
    code = (
        "import sys; sys.modules['imagecodecs'] = None;"
        "from training.opening import read_stack; read_stack(sys.argv[1])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "requires the 'imagecodecs' package. Install it, or save" in result.stderr


@settings(max_examples=150, deadline=None)
@given(writer=st.sampled_from(sorted(WRITERS)), places=st.lists(st.floats(0, 1), max_size=4),
       data=st.data())  # fmt: skip
def test_damaged_files_give_a_message_or_pixels(
    tmp_path_factory: pytest.TempPathFactory, writer: str, places: list[float], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "damaged.tif"
    WRITERS[writer](path, np.full((6, 20, 30), 7, np.uint8))
    content = bytearray(path.read_bytes())
    for place in places:
        content[int(place**3 * (len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert read_stack(path).ndim == 3


@pytest.mark.parametrize("shape", [(20, 30, 3), (6, 20, 30, 3), (20, 30, 4)])
def test_colours(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric="rgb")
    with pytest.raises(UserError, match=r"rgb\.tif is a colour image"):
        read_stack(path)


def test_channels(tmp_path: Path) -> None:
    path = tmp_path / "channels.tif"
    stack = np.zeros((6, 2, 20, 30), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(UserError, match=r"has 2 channels.*Split Channels"):
        read_stack(path)


def test_time_series_of_stacks(tmp_path: Path) -> None:
    path = tmp_path / "time.tif"
    stack = np.zeros((2, 6, 20, 30), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(UserError, match="without a time axis"):
        read_stack(path)


def test_pages_of_several_sizes(tmp_path: Path) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((20, 30), np.uint8))
        writer.write(np.zeros((10, 30), np.uint8))
    with pytest.raises(UserError, match="differ in size"):
        read_stack(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_pixels(tmp_path: Path, bad: float) -> None:
    stack = np.zeros((6, 20, 30), np.float32)
    stack[3, 2, 1] = bad
    tifffile.imwrite(tmp_path / "nan.tif", stack)
    with pytest.raises(UserError, match=r"Slice 3 of .*nan\.tif has NaN or infinite"):
        read_stack(tmp_path / "nan.tif")


def test_complex_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "complex.tif", np.zeros((6, 20, 30), np.complex64))
    with pytest.raises(UserError, match="complex64, not numbers"):
        read_stack(tmp_path / "complex.tif")


def test_pair_by_default_names(folder: Path) -> None:
    assert find_pair(folder) == (folder / "train-volume.tif", folder / "train-labels.tif")


def test_pair_by_given_names(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.tif"
    elsewhere.touch()
    assert find_pair(folder, str(elsewhere)) == (elsewhere, folder / "train-labels.tif")
    assert find_pair(folder, labels="train-volume.tif")[1] == folder / "train-volume.tif"


def test_folder_without_the_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not hold a train-volume\.tif.*Name the files"):
        find_pair(tmp_path)


def test_the_working_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^{re.escape(str(Path.cwd()))} does not hold a train-"):
        find_pair(Path())


def test_given_name_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match=r"file mine\.tif exists neither"):
        find_pair(folder, "mine.tif")


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data folder .* does not exist"):
        find_pair(tmp_path / "none")
    (tmp_path / "stack.tif").touch()
    with pytest.raises(UserError, match=r"stack\.tif is a file, not a folder"):
        find_pair(tmp_path / "stack.tif")


def read_pair(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and codes of a folder all of whose slices are labelled."""
    with open_pair(*find_pair(folder), None) as pair:
        assert list(pair.codes) == list(range(len(pair.images)))
        return np.stack([*pair.images]), np.stack([*pair.codes.values()])


def test_training_pair(folder: Path, stack: np.ndarray, labels: np.ndarray) -> None:
    images, codes = read_pair(folder)
    np.testing.assert_array_equal(images, stack)
    np.testing.assert_array_equal(codes, np.where(labels == 0, MEMBRANE, INSIDE))
    (folder / "train-labels.tif").unlink()
    tifffile.imwrite(folder / "train-labels.tif", 255 - labels)
    np.testing.assert_array_equal(read_pair(folder)[1], codes)


def test_padding_of_the_images_is_no_membrane_and_has_no_say(folder: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.where(random.random((6, 20, 30)) < 0.2, 0, 255).astype(np.uint8)
    stack = random.integers(20, 200, labels.shape).astype(np.uint8)
    for pixels in (stack, labels):  # three fifths of them, so that 0 is not the rarer value
        pixels[:, :, 12:] = 0
    tifffile.imwrite(folder / "train-volume.tif", stack)
    tifffile.imwrite(folder / "train-labels.tif", labels)
    with open_pair(*find_pair(folder), None) as pair:
        assert pair.meaning.convention == LabelConvention.ISBI
        assert pair.meaning.share == pytest.approx((labels[:, :, :12] == 0).mean())
        assert "60% of the labelled slices is padding" in " ".join(pair.meaning.describe())
    _, codes = read_pair(folder)
    assert (codes[:, :, 12:] == PADDING).all()
    expected = np.where(labels == 0, MEMBRANE, INSIDE)[:, :, :12]
    np.testing.assert_array_equal(codes[:, :, :12], expected)
    data = load_training_set(preset_config("compact", data_url=str(folder)))
    tissue = np.arange(30) < 12
    for index in data.train_slices:
        np.testing.assert_array_equal(data.weights[index], np.tile(tissue, (20, 1)))
    for index in data.valid_slices:
        np.testing.assert_array_equal(data.held_out[index], np.tile(tissue, (20, 1)))
    assert any("is padding" in sentence for sentence in data.sentences)


@pytest.mark.parametrize("shape", [(6, 20, 31), (5, 20, 30), (7, 20, 30)])
def test_labels_of_another_shape(folder: Path, shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.uint8)
    labels[0] = 255
    tifffile.imwrite(folder / "train-labels.tif", labels)
    with pytest.raises(UserError, match=r"train-labels\.tif has the shape .*train-volume\.tif has"):
        read_pair(folder)


@pytest.mark.parametrize("value", [0, 255])
def test_labels_of_one_value(folder: Path, value: int) -> None:
    tifffile.imwrite(folder / "train-labels.tif", np.full((6, 20, 30), value, np.uint8))
    with pytest.raises(UserError, match=rf"All pixels of .*train-labels\.tif are {value}"):
        read_pair(folder)


@pytest.mark.parametrize("slices", [1, 2, 4])
def test_few_slices_are_enough(
    folder: Path, stack: np.ndarray, labels: np.ndarray, slices: int
) -> None:
    for name, pixels in (("train-volume.tif", stack), ("train-labels.tif", labels)):
        tifffile.imwrite(folder / name, pixels[:slices], photometric="minisblack")
    images, codes = read_pair(folder)
    assert images.shape == codes.shape == (slices, 20, 30)


def test_check_pair_of_arrays_names_the_layers(stack: np.ndarray, labels: np.ndarray) -> None:
    assert check_pair(stack, labels, "image layer", "label layer") == []
    floats = stack.astype(np.float32)
    floats[0, 0, 0] = np.nan
    problems = check_pair(floats, labels[:, :10] * 0, "image layer", "label layer")
    text = "\n".join(map(str, problems))
    assert len(problems) == 3
    assert "image layer has NaN" in text
    assert "All pixels of label layer are 0" in text


@pytest.mark.isbi
def test_isbi(isbi: Path) -> None:
    images, codes = read_pair(isbi)
    assert images.shape == codes.shape == (30, 512, 512)
    assert 0.2 < (codes == MEMBRANE).mean() < 0.25
    assert not (codes == PADDING).any()


def test_images_are_not_their_own_labels(folder: Path, stack: np.ndarray) -> None:
    tifffile.imwrite(folder / "train-labels.tif", stack)
    with pytest.raises(UserError, match=r"train-labels\.tif holds the same pixels as .*volume"):
        read_pair(folder)


def test_a_file_that_names_its_classes_is_read_as_membrane_or_as_these(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.choice(3, (2, 32, 32)).astype(np.uint8)
    classes = LabelClasses.parse("membrane,mitochondria")
    images = tmp_path / "images.tif"
    write_stack(images, random.integers(1, 255, values.shape), np.uint8, is_label=False)
    for name, named in (("a.tif", classes), ("b.tif", LabelClasses.parse("nucleus,vesicle"))):
        write_stack(tmp_path / name, values, np.uint8, is_label=True, classes=named)
    with open_pair(images, tmp_path / "a.tif", None) as pair:
        assert pair.meaning.classes == classes
        np.testing.assert_array_equal(pair.class_codes[1], values[1] + 1)
        np.testing.assert_array_equal(pair.codes[1], np.where(values[1] == 1, MEMBRANE, INSIDE))
    with open_pair(images, tmp_path / "a.tif", LabelConvention.ISBI) as pair:
        assert not pair.meaning.classes, "what is asked for goes first"
    with (
        open_pair(images, tmp_path / "b.tif", None) as pair,
        pytest.raises(UserError, match="none of these is membrane"),
    ):
        _ = pair.codes


def write_slices(folder: Path, stack: np.ndarray, names: list[str]) -> Path:
    folder.mkdir()
    for name, page in zip(names, stack, strict=True):
        Image.fromarray(page).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("images_numbers", "labels_numbers", "told"),
    [
        ([0, 1, 2, 4, 5, 6], [0, 1, 2, 3, 4, 6], r"Slice 3 .*em_04\.png, but .*em_03\.png"),
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 5, 6], r"Slice 4 .*em_04\.png, but .*em_05\.png"),
        ([0, 1, 2, 4, 5, 6], [0, 1, 2, 4, 5, 6], ""),
        ([1, 2, 3, 5, 6, 7], [0, 1, 2, 4, 5, 6], ""),  # one counts from 1
        ([0, 10, 20, 30, 40, 50], [0, 1, 2, 3, 4, 5], ""),
        ([0, 1, 2, 4, 5, 6], [10, 11, 12, 13, 14, 15], ""),  # numbers of its own
    ],
)
def test_slices_that_are_missing_in_folders_move_no_labels(
    tmp_path: Path,
    stack: np.ndarray,
    labels: np.ndarray,
    images_numbers: list[int],
    labels_numbers: list[int],
    told: str,
) -> None:
    paths = [
        write_slices(tmp_path / name, pixels, [f"em_{number:02}.png" for number in numbers])
        for name, pixels, numbers in (
            ("images", stack, images_numbers),
            ("labels", labels, labels_numbers),
        )
    ]
    with pytest.raises(UserError, match=told) if told else contextlib.nullcontext():  # noqa: SIM117
        with open_pair(paths[0], paths[1], None) as pair:
            assert len(pair.images) == 6


def test_names_without_one_number_that_changes_are_taken_in_their_order(
    tmp_path: Path, stack: np.ndarray, labels: np.ndarray
) -> None:
    images = write_slices(tmp_path / "images", stack, [f"{name}.png" for name in "abdefg"])
    numbers = [f"{z}_{z % 2}.png" for z in (0, 1, 2, 4, 5, 6)]
    with open_pair(images, write_slices(tmp_path / "labels", labels, numbers), None) as pair:
        assert len(pair.images) == 6
