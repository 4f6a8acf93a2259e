import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager

from napari_unet.layers.label_values import reading_of
from napari_unet.stacks.stack_recognition import OpenedStack
from napari_unet.widgets.files.file_opening import get_reader
from tests.training.formats.array_folders import write_ome
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.label_convention import LabelConvention
from training.masks.mask_files import write_mask
from training.masks.tif_writer import TifWriter
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import LabelNote

LayerTuple = tuple[Any, dict[str, Any], str]


def read(*paths: Path) -> list[LayerTuple]:
    given = [str(path) for path in paths]
    path = given[0] if len(given) == 1 else given
    return get_reader(path)(path)


@pytest.fixture
def isbi_labels(membrane: np.ndarray) -> np.ndarray:
    return np.where(membrane, 0, 255).astype(np.uint8)


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "contiguous": lambda path, stack: tifffile.imwrite(path, stack, photometric="minisblack"),
    "compressed": lambda path, stack: tifffile.imwrite(
        path, stack, photometric="minisblack", compression="zlib"
    ),
    "imagej": lambda path, stack: tifffile.imwrite(
        path, stack, imagej=True, metadata={"axes": "ZYX"}
    ),
    "big-endian": lambda path, stack: tifffile.imwrite(
        path, stack, byteorder=">", photometric="minisblack"
    ),
    "compressed big-endian": lambda path, stack: tifffile.imwrite(
        path, stack, byteorder=">", photometric="minisblack", compression="zlib"
    ),
    "page by page": lambda path, stack: [
        tifffile.imwrite(path, page, append=True, photometric="minisblack", metadata=None)
        for page in stack
    ],
}


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_a_large_file_is_mapped_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("napari_unet.stacks.lazy_pixels.EDITABLE_BYTES", 2**20)
    page = np.random.default_rng(0).integers(1, 250, (256, 256), dtype=np.uint8)
    stack = np.repeat(page[np.newaxis], 200, axis=0)
    if kind == "mask":
        stack = np.where(stack < 50, 0, 255).astype(np.uint8)
    stack = stack.astype(">u2" if kind == "image" else "u1")
    tifffile.imwrite(tmp_path / "large.tif", stack, byteorder=">")
    read(tmp_path / "large.tif")  # imports take memory, too
    tracemalloc.start()
    [(data, _, shown_as)] = read(tmp_path / "large.tif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shown_as == ("image" if kind == "image" else "labels")
    assert peak < stack.nbytes / 2
    expected = stack[3] if kind == "image" else stack[3] == 0
    np.testing.assert_array_equal(np.asarray(data[3]), expected)


def test_a_stack_that_is_nearly_blank_is_looked_at_once(
    membrane: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_unet.stacks.lazy_pixels.EDITABLE_BYTES", 1000)

    class Counted(Stack):
        path, name = Path("a.tif"), "a"
        shape, dtype = (60, 61, 83), np.dtype(np.uint8)
        reads: ClassVar[Counter[int]] = Counter()

        def read(self, index: int) -> np.ndarray:
            self.reads[index] += 1
            return membrane[0].astype(np.uint8) * (index in (7, 50))

        def close(self) -> None: ...

    opened = OpenedStack.of(Counted(), lambda: None)
    assert opened.is_labels and opened.convention == LabelConvention.MEMBRANE
    assert Counted.reads == Counter(range(60))


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_stacks_open_lazily_with_the_files_pixels(
    tmp_path: Path, images: np.ndarray, form: str, dtype: str
) -> None:
    stack = images.astype(dtype)
    path = tmp_path / "tissue.tif"
    WRITERS[form](path, stack)
    [(data, attributes, kind)] = read(path)
    assert kind == "image" and attributes["name"] == "tissue"
    assert isinstance(data, np.memmap | da.Array)
    assert data.dtype == dtype and data.dtype.isnative
    np.testing.assert_array_equal(np.asarray(data), stack)
    np.testing.assert_array_equal(Image(data, **attributes).data[3], stack[3])


def test_a_single_image_opens_in_two_dimensions(tmp_path: Path, images: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "one.tiff", images[0])
    [(data, attributes, kind)] = read(tmp_path / "one.tiff")
    assert kind == "image" and data.shape == images[0].shape
    assert attributes["axis_labels"] == ("y", "x")


def test_pixel_sizes_become_the_scale(tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "sized.tif"
    tifffile.imwrite(
        path,
        images,
        imagej=True,
        resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "spacing": 50.0, "unit": "nm"},
    )
    [(data, attributes, _)] = read(path)
    layer = Image(data, **attributes)
    np.testing.assert_allclose(layer.scale, (50, 4, 4))
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert layer.axis_labels == ("z", "y", "x")


@pytest.mark.parametrize("inside", [1, 255, 7])
def test_masks_open_as_labels_with_membrane_as_1(
    tmp_path: Path, membrane: np.ndarray, inside: int
) -> None:
    path = tmp_path / "anything.tif"
    tifffile.imwrite(path, np.where(membrane, 0, inside).astype(np.uint8))
    [(data, attributes, kind)] = read(path)
    assert kind == "labels"
    np.testing.assert_array_equal(data, membrane)
    assert Labels(data, **attributes).editable


def test_masks_the_other_way_round_are_recognized(tmp_path: Path, membrane: np.ndarray) -> None:
    path = tmp_path / "anything.tif"
    tifffile.imwrite(path, np.where(membrane, 255, 0).astype(np.uint8))
    [(data, attributes, _)] = read(path)
    np.testing.assert_array_equal(data, membrane)
    assert attributes["metadata"]["label_convention"] == "membrane"


@pytest.mark.parametrize("name", ["train-labels", "my_masks", "cells.seg", "GT_2", "ground truth"])
def test_labels_of_many_values_are_known_by_name_and_content(tmp_path: Path, name: str) -> None:
    cells = np.kron(np.arange(1, 37).reshape(1, 6, 6), np.ones((5, 20, 20))).astype(np.uint16)
    tifffile.imwrite(tmp_path / f"{name}.tif", cells, photometric="minisblack")
    [(data, _, kind)] = read(tmp_path / f"{name}.tif")
    assert kind == "labels"
    np.testing.assert_array_equal(data, cells)


@pytest.mark.parametrize("name", ["train-labels", "glabella", "unmasked"])
def test_pictures_are_no_labels_whatever_their_name(
    tmp_path: Path, images: np.ndarray, name: str
) -> None:
    tifffile.imwrite(tmp_path / f"{name}.tif", images)
    [(_, _, kind)] = read(tmp_path / f"{name}.tif")
    assert kind == "image"


def _dab(mask: np.ndarray) -> np.ndarray:
    mask[0][tuple(np.argwhere(mask[0])[9])] = 2
    return mask


OPENED_AS = {
    "isbi": lambda membrane: np.where(membrane, 0, 255),
    "membrane": lambda membrane: membrane * 7,
    "sparse": lambda membrane: np.where(membrane, 1, 2) * (np.arange(membrane.shape[2]) % 40 < 9),
    "1 and 2": lambda membrane: np.where(membrane, 1, 2),
    "classes without names": lambda membrane: (
        membrane * (1 + np.arange(membrane.shape[2]) // 9 % 3)
    ),
    "empty": lambda membrane: membrane * 0,
    "a stray": lambda membrane: _dab(membrane.astype(np.uint8)),
}


@pytest.mark.parametrize("kind", OPENED_AS)
def test_labels_open_as_what_they_mean_in_a_training(
    tmp_path: Path, membrane: np.ndarray, kind: str
) -> None:
    """Eight of the ten slices are not labelled, and have no say."""
    labels = np.zeros((10, *membrane.shape[1:]), np.uint8)
    labels[[3, 7]] = OPENED_AS[kind](membrane)[:2]
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    [(data, attributes, opened)] = read(tmp_path / "labels.tif")
    found = attributes.get("metadata", {}).get("label_convention")
    expected = {"a stray": "membrane"}.get(kind, kind)
    assert opened == "labels"
    assert found == (expected if expected in [*LabelConvention] else None)
    if found in ("isbi", "membrane"):
        np.testing.assert_array_equal(data[[3, 7]], membrane[:2])
    else:
        np.testing.assert_array_equal(data, labels)
    if kind not in ("classes without names", "empty"):
        meaning = LabelMeaning.of(labels)
        read_in_window = reading_of(Labels(data, **attributes)).read(np.asarray(data))
        np.testing.assert_array_equal(read_in_window[3], meaning.read(labels)[3])


def test_what_a_file_says_of_its_labels_goes_before_what_they_look_like(
    tmp_path: Path, membrane: np.ndarray
) -> None:
    path = tmp_path / "mask.tif"
    note = LabelNote("membrane", (2,)).line()
    write_mask(path, np.ones_like(membrane), "membrane", note=note)
    [(data, attributes, _)] = read(path)
    assert np.all(data == 1)
    assert attributes["metadata"] == {"label_convention": "membrane", "corrected_slices": [2]}


@pytest.mark.parametrize("sized", ["volume", "labels"])
def test_volume_and_labels_share_the_pixel_size_that_one_has(
    tmp_path: Path, images: np.ndarray, isbi_labels: np.ndarray, sized: str
) -> None:
    for name, stack in (("volume", images), ("labels", isbi_labels)):
        size = PixelSize(50.0, 4.0, 4.0) if name == sized else None
        with TifWriter(tmp_path / f"{name}.tif", stack.shape, stack.dtype, pixel_size=size) as tif:
            for page in stack:
                tif.write(page)
    for _, attributes, _ in read(tmp_path / "volume.tif", tmp_path / "labels.tif"):
        np.testing.assert_allclose(attributes["scale"], (50, 4, 4))
        assert attributes["units"] == ("nm",) * 3


def test_a_folder_gives_volume_and_labels_over_it(
    tmp_path: Path, images: np.ndarray, isbi_labels: np.ndarray
) -> None:
    tifffile.imwrite(
        tmp_path / "train-volume.tif",
        images,
        imagej=True,
        resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "spacing": 50.0, "unit": "nm"},
    )
    tifffile.imwrite(tmp_path / "train-labels.tif", isbi_labels)
    notification_manager.records.clear()
    image, labels = read(tmp_path)
    assert (image[2], labels[2]) == ("image", "labels")
    assert image[1]["scale"] == labels[1]["scale"] == (50, 4, 4)
    assert not notification_manager.records

    tifffile.imwrite(tmp_path / "test-volume.tif", images)
    assert len(read(tmp_path)) == 2
    assert notification_manager.records[-1].message.endswith(": test-volume.tif.")


def test_a_folder_of_slices_is_a_stack(tmp_path: Path, images: np.ndarray) -> None:
    for index, page in enumerate(images):
        tifffile.imwrite(tmp_path / f"{index}.tif", page)
    [(data, _, kind)] = read(tmp_path)
    assert kind == "image"
    np.testing.assert_array_equal(data, images)


def test_a_folder_of_stacks_gives_each_a_layer(
    tmp_path: Path, images: np.ndarray, isbi_labels: np.ndarray
) -> None:
    tifffile.imwrite(tmp_path / "image.tif", images)
    tifffile.imwrite(tmp_path / "gt.tif", isbi_labels)
    image, labels = read(tmp_path)
    assert (image[1]["name"], image[2]) == ("image", "image")
    assert (labels[1]["name"], labels[2]) == ("gt", "labels")
    np.testing.assert_array_equal(image[0], images)
    np.testing.assert_array_equal(labels[0] == 1, isbi_labels == 0)


def test_a_level_of_an_image_is_a_layer_of_its_own(tmp_path: Path, images: np.ndarray) -> None:
    write_ome(tmp_path / "a.zarr", [images, images[:, ::2, ::2]])
    [(data, attributes, _)] = read(tmp_path / "a.zarr" / "1")
    assert attributes["scale"] == (50, 8, 8) and "multiscale" not in attributes
    np.testing.assert_array_equal(data, images[:, ::2, ::2])


def test_levels_that_are_a_single_slice_are_not_shown(tmp_path: Path, images: np.ndarray) -> None:
    write_ome(tmp_path / "a.zarr", [images, images[:1, ::2, ::2]])
    [(data, attributes, _)] = read(tmp_path / "a.zarr")
    assert "multiscale" not in attributes
    np.testing.assert_array_equal(data, images)


def test_files_dropped_together_come_images_first(
    tmp_path: Path, images: np.ndarray, isbi_labels: np.ndarray
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", isbi_labels)
    tifffile.imwrite(tmp_path / "b.tif", images)
    kinds = [kind for _, _, kind in read(tmp_path / "a.tif", tmp_path / "b.tif")]
    assert kinds == ["image", "labels"]


def test_large_labels_stay_lazy(
    tmp_path: Path, isbi_labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_unet.stacks.lazy_pixels.EDITABLE_BYTES", 1000)
    tifffile.imwrite(tmp_path / "labels.tif", isbi_labels)
    [(data, _, kind)] = read(tmp_path / "labels.tif")
    assert kind == "labels" and isinstance(data, da.Array)
    np.testing.assert_array_equal(data[2].compute(), isbi_labels[2] == 0)


def test_a_damaged_file_is_reported_in_words(tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, images)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UserError, match=r"cut\.tif .*copy it again"):
        read(path)


@pytest.mark.isbi
def test_isbis_own_stacks(isbi: Path) -> None:
    [(image, _, kind), (labels, _, labels_kind)] = read(isbi)
    assert (kind, labels_kind) == ("image", "labels")
    assert image.shape == labels.shape == (30, 512, 512)
    np.testing.assert_array_equal(labels, tifffile.imread(isbi / "train-labels.tif") == 0)
