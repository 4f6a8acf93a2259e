"""Measures equal those of scikit-image, which sees the whole volume at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from skimage.measure import label, marching_cubes, mesh_surface_area, regionprops_table

from napari_unet.measurement.id_pages import ConnectedParts, IdPages
from napari_unet.measurement.measuring import Measured, measure
from napari_unet.measurement.object_table import measure_objects
from napari_unet.measurement.slice_regions import Columns
from napari_unet.measurement.tables import contact_table, object_table, slice_table
from napari_unet.measurement.units import Units
from tests.napari_unet.measurement.volumes import FAR_IDS, NM, blobs, touching
from training.formats.pixel_size import PixelSize

UNITS = Units.of(PixelSize(*NM))
PIXELS = Units.of(None)
BOX = [f"{axis}_{end}" for end in ("start", "stop") for axis in "zyx"]
PLANE_BOX = [name for name in BOX if not name.startswith("z")]


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return blobs()


@pytest.fixture(scope="module")
def image(ids: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 60000, ids.shape).astype(np.uint16)


@pytest.fixture(scope="module")
def measured(ids: np.ndarray, image: np.ndarray) -> Measured:
    return measure(IdPages(ids, "ids"), ids.shape, UNITS, image=image)


@pytest.fixture(scope="module")
def objects(measured: Measured) -> Columns:
    return measure_objects(measured)


def test_slices_are_as_scikit_image_measures_them(
    measured: Measured, ids: np.ndarray, image: np.ndarray
) -> None:
    table = slice_table(measured).columns
    names = {
        "area_px": "num_pixels",
        "perimeter_nm": "perimeter",
        "equivalent_diameter_nm": "equivalent_diameter_area",
        "feret_diameter_nm": "feret_diameter_max",
        "centroid_y_nm": "centroid-0",
        "centroid_x_nm": "centroid-1",
        "intensity_mean": "intensity_mean",
        "intensity_sd": "intensity_std",
        **{f"{name}_px": f"bbox-{place}" for place, name in enumerate(PLANE_BOX)},
    }
    properties = {name.partition("-")[0] for name in names.values()}
    for index, page in enumerate(ids):
        wanted = regionprops_table(
            page, image[index], properties=("label", *properties), spacing=NM[1:]
        )
        rows = table["slice"] == index
        assert table["object"][rows].tolist() == wanted["label"].tolist()
        for ours, theirs in names.items():
            np.testing.assert_allclose(table[ours][rows], wanted[theirs], err_msg=ours)
    np.testing.assert_allclose(table["area_um2"], table["area_px"] * 16e-6)


def test_objects_are_as_scikit_image_measures_them(
    objects: Columns, ids: np.ndarray, image: np.ndarray
) -> None:
    names = {
        "voxels": "num_pixels",
        "volume": "area",
        "equivalent_diameter": "equivalent_diameter_area",
        "intensity_mean": "intensity_mean",
        "intensity_sd": "intensity_std",
        **{name: f"bbox-{place}" for place, name in enumerate(BOX)},
    }
    properties = {name.partition("-")[0] for name in names.values()}
    wanted = regionprops_table(
        ids, image, properties=("label", "centroid", *properties), spacing=NM
    )
    assert objects["id"].tolist() == wanted["label"].tolist()
    for ours, theirs in names.items():
        np.testing.assert_allclose(objects[ours], wanted[theirs], err_msg=ours)
    for place, axis in enumerate("zyx"):
        np.testing.assert_allclose(objects[axis] * NM[place], wanted[f"centroid-{place}"])
    at_edge = [_is_at_edge(ids == one) for one in objects["id"].tolist()]
    assert objects["is_at_edge"].tolist() == at_edge
    assert 0 < sum(at_edge) < len(at_edge)


def _is_at_edge(mask: np.ndarray) -> bool:
    inner = mask[1:-1, 1:-1, 1:-1]
    return bool(mask.sum() > inner.sum())


def test_surface_and_diameter_are_those_of_marching_cubes(
    objects: Columns, ids: np.ndarray
) -> None:
    for place, one in enumerate(objects["id"].tolist()):
        vertices, faces, _, _ = marching_cubes(np.pad(ids == one, 1).astype(np.float32), 0.5)
        surface = vertices.astype(np.float64) * NM
        np.testing.assert_allclose(objects["surface"][place], mesh_surface_area(surface, faces))
        np.testing.assert_allclose(objects["feret_diameter"][place], pdist(surface).max())


def test_contacts_have_the_lengths_and_areas_of_what_touches() -> None:
    ids = touching()
    measured = measure(IdPages(ids, "ids"), ids.shape, UNITS, reach=0)
    table = contact_table(measured).columns
    pairs = zip(table["object"].tolist(), table["neighbour"].tolist(), strict=True)
    lengths = dict(zip(pairs, table["shared_border_nm"].tolist(), strict=True))
    assert lengths == {(1, 2): 2 * 4 * 4.0, (1, 3): 0.0, (2, 3): 0.0}
    overlaps = np.array([0, 4, 4]) * 16e-6
    np.testing.assert_allclose(table["overlap_um2"], overlaps)
    np.testing.assert_allclose(table["contact_area_um2"], overlaps + np.array([32 * 30e-6, 0, 0]))
    objects = object_table(measured, measure_objects(measured)).columns
    assert objects["neighbours"] == ["2 3", "1 3", "1 2", ""]
    slices = slice_table(measured).columns
    assert slices["neighbours"] == ["2", "1", "", "2", "1", ""]
    assert slices["shared_border_nm"].tolist() == [16, 16, 0, 16, 16, 0]


def test_contacts_reach_across_borders_of_0() -> None:
    ids = touching()
    measured = measure(IdPages(ids, "ids"), ids.shape, PIXELS, reach=1)
    table = contact_table(measured).columns
    pairs = [*zip(table["object"].tolist(), table["neighbour"].tolist(), strict=True)]
    assert pairs == [(1, 2), (1, 3), (2, 3), (2, 4)]
    assert table["shared_border_px"][3] == 4
    assert set(table) == {"object", "neighbour"} | {
        *("shared_border_px", "overlap_px2", "contact_area_px2")
    }


def test_ids_of_64_bits_stay_apart() -> None:
    ids = np.zeros((2, 8, 12), np.uint64)
    for place, one in enumerate(FAR_IDS):
        ids[:, 2:6, 4 * place : 4 * place + 3] = one
    ids[1, 2, 3] = FAR_IDS[1] - 1
    measured = measure(IdPages(ids, "ids"), ids.shape, PIXELS)
    table = object_table(measured, measure_objects(measured)).columns
    assert table["object"].tolist() == [7, FAR_IDS[1] - 1, FAR_IDS[1], FAR_IDS[2]]
    assert table["volume_voxels"].tolist() == [24, 1, 24, 24]
    assert table["neighbours"][0].split() == [str(FAR_IDS[1] - 1), str(FAR_IDS[1])]


@pytest.mark.parametrize(
    ("size", "ends"),
    [
        (None, ("perimeter_px", "feret_diameter_px", "surface_px2")),
        (PixelSize(None, 4, 4), ("perimeter_nm", "feret_diameter_px", "surface_px2")),
        (PixelSize(30, 4, 4), ("perimeter_nm", "feret_diameter_nm", "surface_um2")),
    ],
)
def test_columns_name_their_units(size: PixelSize | None, ends: tuple[str, ...]) -> None:
    ids = touching()
    measured = measure(IdPages(ids, "ids"), ids.shape, Units.of(size))
    table = object_table(measured, measure_objects(measured)).columns
    assert ends[0] in slice_table(measured).columns
    assert {*ends[1:]} <= {*table}
    assert ("volume_um3" in table) == ends[2].endswith("um2")
    of_pixels = measure(IdPages(ids, "ids"), ids.shape, PIXELS)
    if size is None or size.z is None:
        surface = object_table(of_pixels, measure_objects(of_pixels)).columns["surface_px2"]
        assert table["surface_px2"].tolist() == surface.tolist()


def test_pixels_that_are_not_square_have_no_perimeter() -> None:
    ids = touching()
    measured = measure(IdPages(ids, "ids"), ids.shape, Units.of(PixelSize(30, 4, 5)))
    assert not [name for name in slice_table(measured).columns if name.startswith("perimeter")]


@pytest.mark.parametrize("values", [(1, 1), (255, 255), (1, 2)])
def test_connected_parts_are_those_of_scikit_image(values: tuple[int, int]) -> None:
    random = np.random.default_rng(5).random((6, 20, 24))
    classes = np.where(random > 0.6, values[0], np.where(random < 0.2, values[1], 0))
    classes[2] = 0
    parts = ConnectedParts(IdPages(classes.astype(np.uint8), "classes"))
    found = np.stack([parts[index] for index in range(len(parts))])
    assert np.array_equal(found, label(classes, connectivity=1))


def test_ids_may_be_small_floats() -> None:
    """NumPy 2 compares them in their own 16 bits."""
    labels = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    np.testing.assert_array_equal(IdPages(labels, "it")[0], labels[0])
