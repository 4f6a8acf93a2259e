"""What napari does with the manifest, in a real window."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers import Image, Labels
from npe2 import PluginManifest

PLUGIN = "napari-unet-mindspore"


@pytest.fixture
def pair(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> list[str]:
    """Volume with pixel sizes, and labels without."""
    tifffile.imwrite(
        tmp_path / "train-volume.tif",
        images,
        imagej=True,
        resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "spacing": 50.0, "unit": "nm"},
    )
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    return [str(tmp_path / "train-volume.tif"), str(tmp_path / "train-labels.tif")]


def test_manifest_is_valid_and_all_it_names_exists() -> None:
    manifest = PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml")
    manifest.validate_imports()
    assert manifest.name == PLUGIN


@pytest.mark.parametrize("order", [1, -1])
def test_volume_and_labels_dropped_together_lie_over_each_other(
    make_napari_viewer: Callable[..., Viewer], pair: list[str], order: int
) -> None:
    viewer = make_napari_viewer()
    viewer.open(pair[::order], plugin=PLUGIN)
    image, labels = viewer.layers
    assert isinstance(image, Image) and isinstance(labels, Labels)
    assert image.name == "train-volume" and labels.name == "train-labels"
    np.testing.assert_allclose(labels.scale, (50, 4, 4))
    np.testing.assert_allclose(image.scale, labels.scale)
    assert image.units == labels.units


def test_a_later_image_of_another_shape_stays_on_top(
    make_napari_viewer: Callable[..., Viewer], pair: list[str], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.open(pair, plugin=PLUGIN)
    other = np.random.default_rng(0).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "other.tif", other, photometric="minisblack")
    viewer.open(tmp_path / "other.tif", plugin=PLUGIN)
    assert [layer.name for layer in viewer.layers] == ["train-volume", "train-labels", "other"]


def test_file_save_uses_our_writers(
    make_napari_viewer: Callable[..., Viewer], pair: list[str], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.open(pair, plugin=PLUGIN)
    viewer.layers["train-labels"].save(str(tmp_path / "saved.tif"), plugin=PLUGIN)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "saved.tif"), tifffile.imread(pair[1]))


def test_sample_has_labels_over_its_image(make_napari_viewer: Callable[..., Viewer]) -> None:
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample(PLUGIN, "synthetic")
    assert image.data.shape == labels.data.shape == (30, 256, 256)
    assert image.data[labels.data == 1].mean() < image.data[labels.data == 0].mean()


def test_layers_menu_sets_voxels_and_swaps_masks(
    make_napari_viewer: Callable[..., Viewer], images: np.ndarray, membrane: np.ndarray
) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    image = viewer.add_image(images)
    labels = viewer.add_labels(membrane.astype(np.uint8))
    viewer.dims.set_current_step(0, 4)
    viewer.layers.selection = {image, labels}
    execute = get_app_model().commands.execute_command
    execute(f"{PLUGIN}.set_isbi_voxel_size").result()
    execute(f"{PLUGIN}.swap_membrane").result()
    np.testing.assert_array_equal(image.scale, (50, 4, 4))
    np.testing.assert_array_equal(labels.scale, (50, 4, 4))
    assert viewer.dims.current_step[0] == 4
    np.testing.assert_array_equal(labels.data, ~membrane)
