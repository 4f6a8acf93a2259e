from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.io
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Pillow
from PIL import ImageSequence

from napari_unet.layers.plugin_layers import add_mask
from napari_unet.layers.wrong_pixels import WrongPixels
from napari_unet.stacks.napari_reader import get_reader
from napari_unet.stacks.napari_writer import (
    write_image,
    write_labels,
    write_labels_membrane,
    write_submission,
)
from tests.stack_files import read_pixel_size
from training.errors import UserError
from training.formats.pixel_size import PixelSize


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
    errors = WrongPixels(membrane, ~membrane)
    path = save(write_labels, tmp_path / "errors.tif", Labels(errors))
    np.testing.assert_array_equal(tifffile.imread(path), np.asarray(errors))


def test_colours_are_left_to_napari(tmp_path: Path) -> None:
    photo = Image(np.zeros((20, 30, 3), np.uint8), rgb=True, name="photo")
    with pytest.raises(UserError, match="'photo' is not a stack of grey slices"):
        save(write_image, tmp_path / "photo.tif", photo)
