"""What napari does with the manifest, in a real window."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from napari.layers import Image, Labels
from napari.plugins._npe2 import file_extensions_string_for_layers
from napari.settings import get_settings
from npe2 import PluginManager, PluginManifest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_unet.layers.class_layers import layer_classes
from napari_unet.stacks import sample_data
from tests.training.formats.array_folders import write_array, write_labels, write_ome
from training.errors import UserError
from training.opening import open_stack
from training.stacks.synthetic import synthetic_classes

PLUGIN = "napari-unet-mindspore"
MANIFEST = Path(__file__).parents[2] / "napari.yaml"


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
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == PLUGIN


@pytest.mark.parametrize(
    "name",
    ["a.tif", "a.mrc", "a.rec", "a.st", "a.map", "a.h5", "a.HDF5", "a.dm3", "a.dm4", "a.zarr", "a"],
)
def test_every_format_is_offered(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir() if path.suffix in (".zarr", "") else path.touch()
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    readers = manager.iter_compatible_readers(str(path))
    assert [reader.plugin_name for reader in readers] == [PLUGIN]


def test_an_image_of_several_sizes_opens_as_multiscale_under_its_labels(
    make_napari_viewer: Callable[..., Viewer],
    tmp_path: Path,
    images: np.ndarray,
    membrane: np.ndarray,
) -> None:
    path, viewer = tmp_path / "a.zarr", make_napari_viewer()
    write_ome(path, [images, images[:, ::2, ::2]])
    write_labels(path, ["mask"], np.where(membrane, 0, 255).astype(np.uint8), "0.5")
    viewer.open(path / "labels" / "mask", plugin=PLUGIN)
    viewer.open(path, plugin=PLUGIN)
    image, labels = viewer.layers
    assert isinstance(image, Image) and isinstance(labels, Labels)
    assert image.multiscale and (image.name, labels.name) == ("a", "a-labels-mask")
    np.testing.assert_array_equal(image.data[0], images)
    np.testing.assert_array_equal(image.data[1], images[:, ::2, ::2])
    np.testing.assert_array_equal(labels.data, membrane)
    np.testing.assert_allclose(image.scale, (50, 4, 4))
    np.testing.assert_allclose(labels.scale, (50, 4, 4))


def test_arrays_that_are_no_grey_stack_are_left_to_napari(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, images: np.ndarray
) -> None:
    viewer, film = make_napari_viewer(), np.stack([images] * 2)
    write_array(tmp_path / "a.zarr", film, 2)
    viewer.open(tmp_path / "a.zarr", plugin=PLUGIN)
    np.testing.assert_array_equal(viewer.layers[0].data, film)


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


def test_a_real_drop_of_two_files_opens_both(
    make_napari_viewer: Callable[..., Viewer], pair: list[str]
) -> None:
    viewer = make_napari_viewer(show=True)
    get_settings().plugins.extension2reader = {"*.tif": PLUGIN}  # else napari asks
    canvas = viewer.window._qt_viewer.canvas.native
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path) for path in sorted(pair)])
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    place, keys = QPoint(50, 50), Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(canvas, QDragEnterEvent(place, action, mime, button, keys))
    QApplication.sendEvent(canvas, QDropEvent(QPointF(place), action, mime, button, keys))
    assert [layer.name for layer in viewer.layers] == ["train-volume", "train-labels"]
    assert viewer.dims.axis_labels == ("z", "y", "x")


def test_what_is_not_ours_opens_as_with_napari_alone(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    for name, axes in (("channels", "ZCYX"), ("series", "TZYX")):
        stack = np.zeros((4, 3, 5, 6), np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", stack, imagej=True, metadata={"axes": axes})
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as writer:
        writer.write(np.zeros((512, 512), np.uint8), subifds=1, tile=(64, 64))
        writer.write(np.zeros((256, 256), np.uint8), subfiletype=1, tile=(64, 64))
    (tmp_path / "folder").mkdir()
    for index in range(2):
        tifffile.imwrite(tmp_path / "folder" / f"{index}.tif", np.zeros((4, 5), np.uint8))
    viewer = make_napari_viewer()
    for path in sorted(tmp_path.iterdir()):
        for plugin in (PLUGIN, "napari"):
            viewer.open(path, plugin=plugin)
        ours, theirs = viewer.layers[-2:]
        assert (type(ours), ours.rgb, ours.multiscale) == (type(theirs), theirs.rgb, False)
        assert ours.data.shape == theirs.data.shape


@pytest.mark.parametrize("ending", [".tif", ".zarr", ".h5"])
def test_file_save_uses_our_writers(
    make_napari_viewer: Callable[..., Viewer], pair: list[str], tmp_path: Path, ending: str
) -> None:
    viewer = make_napari_viewer()
    viewer.open(pair, plugin=PLUGIN)
    path = tmp_path / f"saved{ending}"
    assert viewer.layers["train-labels"].save(str(path), plugin=PLUGIN)
    with open_stack(path, "labels") as stack:
        np.testing.assert_array_equal(np.stack([*stack]), tifffile.imread(pair[1]))


def test_file_save_offers_our_endings_and_tells_what_is_wrong(
    make_napari_viewer: Callable[..., Viewer], pair: list[str], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.open(pair, plugin=PLUGIN)
    for name, kind in (("train-volume", "*.hdf5 *.mrc"), ("train-labels", "*.hdf5")):
        offered, writers = file_extensions_string_for_layers([viewer.layers[name]])
        ours = [form for form in offered.split(";;") if form.startswith("U-Net for membranes")]
        assert len(ours) == 2
        assert all(form.endswith(f"(*.tif *.tiff *.zarr *.h5 {kind})") for form in ours)
    viewer.layers.selection = {viewer.layers["train-labels"]}
    writer = next(one for one in writers if one.command == f"{PLUGIN}.write_labels")
    with pytest.raises(UserError, match=r"saved.png is not named in a format that is written"):
        viewer.layers.save(str(tmp_path / "saved.png"), selected=True, _writer=writer)


def test_sample_has_labels_over_its_image(make_napari_viewer: Callable[..., Viewer]) -> None:
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample(PLUGIN, "synthetic")
    assert image.data.shape == labels.data.shape == (30, 256, 256)
    assert image.data[labels.data == 1].mean() < image.data[labels.data == 0].mean()


def test_sample_of_classes_has_names_and_a_pixel_size(
    make_napari_viewer: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = partial(synthetic_classes, slices=3, size=64)
    monkeypatch.setattr(sample_data, "synthetic_classes", lambda **_: draw())
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample(PLUGIN, "synthetic-classes")
    assert image.data.shape == labels.data.shape == (3, 64, 64)
    assert layer_classes(labels).names == ["background", "membrane", "mitochondria"]
    assert [*image.scale] == [*labels.scale] == [50, 4, 4]
    assert {str(unit) for unit in labels.units} == {"nanometer"}


def test_layers_menu_sets_voxels_and_swaps_masks(
    make_napari_viewer: Callable[..., Viewer],
    images: np.ndarray,
    membrane: np.ndarray,
    qtbot: QtBot,
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
    qtbot.waitUntil(lambda: np.array_equal(labels.data, ~membrane), timeout=120_000)
