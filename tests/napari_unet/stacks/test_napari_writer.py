from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import skimage.io
import tifffile
from napari import Viewer
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Pillow
from PIL import ImageSequence

from napari_unet.layers.levels import add_level
from napari_unet.layers.plugin_layers import add_mask, add_neurons, add_probability
from napari_unet.layers.wrong_pixels import FALSE_NEGATIVE, FALSE_POSITIVE
from napari_unet.stacks.napari_writer import (
    write_image,
    write_labels,
    write_labels_membrane,
    write_submission,
)
from napari_unet.widgets.files.file_opening import get_reader, open_layer
from tests.stack_files import read_pixel_size
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.opening import open_stack


def save(writer: Any, path: Path, layer: Any) -> Path:
    data, attributes, _ = layer.as_layer_data_tuple()
    [written] = writer(str(path), data, attributes)
    return Path(written)


def as_others_read(path: Path) -> list[np.ndarray]:
    """The stack as tifffile, scikit-image and Pillow read it."""
    with Pillow.open(path) as file:
        pages = np.stack([np.array(page) for page in ImageSequence.Iterator(file)])
    return [tifffile.imread(path), skimage.io.imread(path), pages]


@pytest.mark.parametrize(("inside", "edge"), [(255, 0), (0, 255)])
def test_a_mask_that_was_opened_is_saved_with_the_same_pixels(
    tmp_path: Path, membrane: np.ndarray, inside: int, edge: int
) -> None:
    original = np.where(membrane, edge, inside).astype(np.uint8)
    tifffile.imwrite(tmp_path / "train-labels.tif", original)
    reader = get_reader(str(tmp_path / "train-labels.tif"))
    assert reader is not None
    [(data, attributes, _)] = reader("")
    path = save(write_labels, tmp_path / "saved.tif", Labels(data, **attributes))
    for pixels in as_others_read(path):
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, original)


def test_a_new_mask_is_saved_as_isbi_does(tmp_path: Path, membrane: np.ndarray) -> None:
    layer = Labels(membrane.astype(np.uint8))
    path = save(write_labels, tmp_path / "mask.tif", layer)
    np.testing.assert_array_equal(tifffile.imread(path), np.where(membrane, 0, 255))
    path = save(write_labels_membrane, tmp_path / "other.tif", layer)
    np.testing.assert_array_equal(tifffile.imread(path), np.where(membrane, 255, 0))


def test_a_predicted_mask_stays_a_mask_whatever_label_a_stroke_had(
    tmp_path: Path, membrane: np.ndarray
) -> None:
    mask = add_mask(
        ViewerModel(), membrane.astype(np.uint8), Image(membrane.astype(np.uint8)), "mask"
    )
    mask.data[2, 5:8, 5:8] = 2
    path = save(write_labels, tmp_path / "mask.tif", mask)
    np.testing.assert_array_equal(tifffile.imread(path), np.where(mask.data, 0, 255))


@pytest.mark.parametrize(
    ("given", "largest", "written"),
    [
        ("uint8", 200, "uint8"),
        ("uint16", 200, "uint16"),
        ("int64", 200, "uint16"),
        ("int32", 70_000, "uint32"),
    ],
)
def test_labels_of_many_values_keep_them(
    tmp_path: Path, given: str, largest: int, written: str
) -> None:
    labels = np.random.default_rng(0).integers(0, largest + 1, (6, 20, 30)).astype(given)
    path = save(write_labels, tmp_path / "cells.tif", Labels(labels))
    assert tifffile.imread(path).dtype == written
    for pixels in as_others_read(path):
        np.testing.assert_array_equal(pixels, labels)


def test_negative_labels_are_refused(tmp_path: Path) -> None:
    layer = Labels(np.full((3, 4, 5), -1), name="mine")
    with pytest.raises(UserError, match="'mine' has negative labels"):
        save(write_labels, tmp_path / "cells.tif", layer)
    assert not list(tmp_path.iterdir())


def test_a_probability_is_saved_as_it_is_and_as_a_submission(tmp_path: Path) -> None:
    probability = np.random.default_rng(0).random((6, 20, 30), dtype=np.float32)
    layer = Image(probability)
    for pixels in as_others_read(save(write_image, tmp_path / "probability.tif", layer)):
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels, probability)
    for pixels in as_others_read(save(write_submission, tmp_path / "submission.tif", layer)):
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels, 1 - probability)


def test_an_image_is_no_submission(tmp_path: Path, images: np.ndarray) -> None:
    with pytest.raises(UserError, match="'tissue' is not a probability: its pixels are uint8"):
        save(write_submission, tmp_path / "submission.tif", Image(images, name="tissue"))


def test_images_keep_their_dtype(tmp_path: Path, images: np.ndarray) -> None:
    path = save(write_image, tmp_path / "tissue.tif", Image(images.astype(np.uint16)))
    assert tifffile.imread(path).dtype == np.uint16
    np.testing.assert_array_equal(tifffile.imread(path), images)


@pytest.mark.parametrize(("unit", "nanometres"), [("nm", 1), ("um", 1000), ("angstrom", 0.1)])
def test_the_scale_is_saved_as_pixel_size(
    tmp_path: Path, membrane: np.ndarray, unit: str, nanometres: float
) -> None:
    layer = Labels(membrane.astype(np.uint8), scale=(50, 4, 5), units=(unit,) * 3)
    path = save(write_labels, tmp_path / "mask.tif", layer)
    size = read_pixel_size(path)
    assert isinstance(size, PixelSize)
    found = np.array([size.z, size.y, size.x])
    np.testing.assert_allclose(found, np.array([50, 4, 5]) * nanometres, rtol=1e-4)


def test_without_a_unit_there_is_no_pixel_size(tmp_path: Path, membrane: np.ndarray) -> None:
    layer = Labels(membrane.astype(np.uint8), scale=(2, 1, 1))
    assert read_pixel_size(save(write_labels, tmp_path / "mask.tif", layer)) is None


def test_a_single_mask_and_wrong_pixels_are_saved_too(tmp_path: Path, membrane: np.ndarray) -> None:
    path = save(write_labels, tmp_path / "one", Labels(membrane[0].astype(np.uint8)))
    assert path.name == "one.tif"
    np.testing.assert_array_equal(tifffile.imread(path), np.where(membrane[0], 0, 255))
    errors = np.where(membrane, FALSE_POSITIVE, FALSE_NEGATIVE).astype(np.uint8)
    path = save(write_labels, tmp_path / "errors.tif", Labels(errors))
    np.testing.assert_array_equal(tifffile.imread(path), errors)


def test_colours_are_left_to_napari(tmp_path: Path) -> None:
    photo = Image(np.zeros((20, 30, 3), np.uint8), rgb=True, name="photo")
    with pytest.raises(UserError, match="'photo' is not a stack of grey slices"):
        save(write_image, tmp_path / "photo.tif", photo)


@pytest.mark.parametrize("ending", [".zarr", ".h5", ".hdf5", ".tif"])
def test_a_mask_in_every_format_opens_again_as_it_was(
    tmp_path: Path, membrane: np.ndarray, ending: str
) -> None:
    place = {"scale": (0.05, 0.004, 0.005), "units": ("um",) * 3}
    pages: list[tuple[int, int]] = []
    layer = Labels(membrane.astype(np.uint8), name="mine", **place)
    data, attributes, _ = layer.as_layer_data_tuple()
    path = tmp_path / f"mask{ending}"
    write_labels(str(path), data, attributes, lambda *done: pages.append(done))
    assert pages == [(done, 14) for done in range(1, 15)]
    reader = get_reader(str(path))
    [(data, attributes, kind)] = reader("")
    assert kind == "labels"
    np.testing.assert_array_equal(data, membrane)
    np.testing.assert_allclose(attributes["scale"], (50, 4, 5), rtol=1e-4)


@pytest.mark.parametrize("ending", [".zarr", ".h5", ".mrc"])
def test_a_probability_in_every_format_keeps_its_pixels_and_their_size(
    tmp_path: Path, ending: str
) -> None:
    probability = np.random.default_rng(0).random((6, 20, 30), dtype=np.float32)
    layer = Image(probability, scale=(50, 4, 5), units=("nm",) * 3)
    with open_stack(save(write_image, tmp_path / f"p{ending}", layer)) as stack:
        np.testing.assert_array_equal(np.stack([*stack]), probability)
        assert stack.pixel_size is not None
        np.testing.assert_allclose(stack.pixel_size.x, 5, rtol=1e-5)


@pytest.mark.parametrize("name", ["p.zarr", "p.h5", "p.mrc", "mask.zarr", "mask.h5", "mask.tif"])
def test_results_of_a_level_open_again_where_they_lay(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, name: str
) -> None:
    """A TIF, which has no place for it, lies over the image that it is as large as."""
    viewer, pixels = make_napari_viewer(), np.random.default_rng(0).random((3, 60, 80), np.float32)
    place: dict[str, Any] = {"scale": (0.05, 0.004, 0.004), "units": ("um",) * 3}
    sizes = [pixels, pixels[:, ::2, ::2]]
    image = viewer.add_image(sizes, multiscale=True, translate=(0.1, 0.2, -0.3), **place)
    level = add_level(viewer, image, 1)
    if name.startswith("p"):
        probability = add_probability(viewer, level.data, level, "probability")
        path = save(write_image, tmp_path / name, probability)
    else:
        mask = add_mask(viewer, (level.data > 0.5).astype(np.uint8), level, "mask")
        path = save(write_labels, tmp_path / name, mask)
    viewer.layers.clear()
    expected = {"scale": (50, 8, 8), "translate": (100, 202, -298)}
    if name.endswith(".tif"):
        viewer.add_image(sizes[1], **expected, units=("nm",) * 3)
    layer = open_layer(viewer, path)
    for attribute, values in expected.items():
        np.testing.assert_allclose(getattr(layer, attribute), values, rtol=1e-5)


def test_results_go_into_one_hdf5_file_under_their_own_names(
    tmp_path: Path, membrane: np.ndarray
) -> None:
    viewer, image = ViewerModel(), Image(membrane.astype(np.uint8))
    probability = add_probability(viewer, membrane.astype(np.float32), image, "probability")
    mask = add_mask(viewer, membrane.astype(np.uint8), image, "mask")
    neurons = add_neurons(viewer, membrane.astype(np.int32) * 7, image, "neurons")
    for writer, layer in (
        (write_labels, mask),
        (write_labels, neurons),
        (write_image, probability),
    ):
        save(writer, tmp_path / "all.h5", layer)
    with h5py.File(tmp_path / "all.h5") as file:
        assert sorted(file) == ["mask", "neurons", "probability"]
        np.testing.assert_array_equal(file["mask"], np.where(membrane, 0, 255))
        np.testing.assert_array_equal(file["neurons"], membrane * 7)


@pytest.mark.parametrize(
    ("writer", "named", "endings"),
    [
        (write_labels, "mask.png", ".tif, .tiff, .zarr, .h5 or .hdf5"),
        (write_labels, "mask.mrc", ".tif, .tiff, .zarr, .h5 or .hdf5"),
        (write_image, "p.npy", ".tif, .tiff, .zarr, .h5, .hdf5 or .mrc"),
    ],
)
def test_another_ending_is_refused_with_those_that_are_written(
    tmp_path: Path, membrane: np.ndarray, writer: Any, named: str, endings: str
) -> None:
    layer = Labels(membrane.astype(np.uint8))
    with pytest.raises(UserError, match=f"{named} is not named in .* End its name in {endings}"):
        save(writer, tmp_path / named, layer)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_arrays_that_is_open_is_not_replaced(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, images: np.ndarray
) -> None:
    save(write_image, tmp_path / "raw.zarr", Image(images))
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "raw.zarr", plugin="napari-unet-mindspore")
    mask = viewer.add_labels(np.ones(images.shape, np.uint8), name="mask")
    with pytest.raises(UserError, match=r"raw.zarr is open as the layer 'raw'"):
        save(write_labels, tmp_path / "raw.zarr", mask)
    path = save(write_labels, tmp_path / "raw.zarr" / "labels" / "mask", mask)  # beside it
    with open_stack(path, "labels") as stack:
        assert stack.shape == images.shape


def test_all_sizes_and_leading_axes_of_a_layer_are_one_stack(
    tmp_path: Path, images: np.ndarray
) -> None:
    pyramid = Image([images, images[:, ::2, ::2]], multiscale=True)
    path = save(write_image, tmp_path / "pyramid.tif", pyramid)
    np.testing.assert_array_equal(tifffile.imread(path), images)
    place = {"scale": (1, 50, 4, 4), "units": ("s", "nm", "nm", "nm")}
    path = save(write_image, tmp_path / "leading.tif", Image(images[np.newaxis], **place))
    np.testing.assert_array_equal(tifffile.imread(path), images)
    size = read_pixel_size(path)
    assert size is not None and size.plane == "4 nm"
    with pytest.raises(UserError, match="'film' is not a stack of grey slices"):
        save(write_image, tmp_path / "film.tif", Image(np.stack([images] * 2), name="film"))
