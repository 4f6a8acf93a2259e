"""``napari-unet measure``: tables of objects from files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result
from skimage.measure import label

from napari_unet.cli.measure import command
from tests.napari_unet.measurement.volumes import FAR_IDS, NM, touching
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.label_classes import LabelClasses
from training.masks.writer_choice import write_stack


def write(path: Path, pixels: np.ndarray, *, is_sized: bool = True) -> Path:
    size = {"resolution": (1 / NM[2], 1 / NM[1]), "metadata": {"unit": "nm", "spacing": NM[0]}}
    options = size if is_sized else {"metadata": {}}
    options["metadata"] |= {"axes": "ZYX"}
    tifffile.imwrite(path, pixels, imagej=True, photometric="minisblack", **options)
    return path


def measure(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


def rows_of(path: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(path.read_text(encoding="utf-8").splitlines())]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write(tmp_path / "ids.tif", touching().astype(np.uint16))


def test_all_tables_and_the_summary(labels: Path, tmp_path: Path) -> None:
    image = write(tmp_path / "image.tif", np.full((3, 12, 12), 9, np.uint8))
    paths = {name: tmp_path / name for name in ("objects", "slices", "contacts", "json")}
    options = [
        part for name in ("slices", "contacts", "json") for part in (f"--{name}", paths[name])
    ]
    result = measure(labels, "-o", paths["objects"], "--image", image, *options)
    assert result.exit_code == 0
    objects = rows_of(paths["objects"])
    assert [row["object"] for row in objects] == ["1", "2", "3", "4"]
    assert objects[0]["volume_um3"] == f"{32 * 480e-9:.10g}"
    assert {row["intensity_mean"] for row in objects} == {"9"}
    assert [row["touches_border"] for row in objects] == ["1", "1", "1", "1"]
    assert [(row["slice"], row["object"]) for row in rows_of(paths["slices"])] == [
        *(("0", "1"), ("0", "2"), ("0", "4"), ("1", "1"), ("1", "2"), ("2", "3"))
    ]
    assert [row["neighbour"] for row in rows_of(paths["contacts"])] == ["2", "3", "3", "4"]
    summary = json.loads(paths["json"].read_text())
    voxels, stack = 32 + 24 + 8 + 8, 3 * 12 * 12
    assert (summary["objects"], summary["contacts"]) == (4, 4)
    assert summary["stack_um3"] == pytest.approx(stack * 480e-9)
    assert summary["objects_per_um3"] == pytest.approx(4 / (stack * 480e-9))
    assert summary["fraction"] == pytest.approx(voxels / stack)
    assert summary["distributions"]["volume_voxels"]["median"] == 16
    assert "Objects: 4, 4 of them at the stack's border" in result.output
    assert f"{voxels / stack:.1%} of the stack" in result.output


@pytest.mark.parametrize("kind", ["h5", "zarr", "mrc"])
def test_other_formats_are_measured_as_the_tif(labels: Path, tmp_path: Path, kind: str) -> None:
    path, ids = tmp_path / f"ids.{kind}", touching()
    if kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("volumes/labels/neuron_ids", data=ids.astype(np.uint64))
            file["volumes/labels/neuron_ids"].attrs["resolution"] = NM
    elif kind == "zarr":
        zarr.create_array(path, data=ids.astype(np.uint64))
    else:
        mrcfile.new(path, ids.astype(np.float32)).close()
    tables = [tmp_path / name for name in ("a.csv", "b.csv")]
    size = ["--pixel-size", ",".join(map(str, NM))]
    measure(labels, "-o", tables[0])
    assert measure(path, "-o", tables[1], *(size if kind != "h5" else ())).exit_code == 0
    assert tables[0].read_text() == tables[1].read_text()


def test_ids_of_64_bits_are_written_whole(tmp_path: Path) -> None:
    for number, wanted in enumerate((FAR_IDS, range(2**63 + 1, 2**63 + 21))):
        ids = np.zeros((2, 32, 16 * len(wanted)), np.uint64)
        for place, one in enumerate(wanted):
            ids[:, 8:24, 16 * place : 16 * place + 12] = one
        path, table = tmp_path / f"{number}.h5", tmp_path / f"{number}.csv"
        with h5py.File(path, "w") as file:
            file["labels"] = ids
        assert measure(path, "-o", table).exit_code == 0
        assert [row["object"] for row in rows_of(table)] == [*map(str, wanted)]


@pytest.mark.parametrize(
    ("size", "options", "is_told"),
    [
        ((50, 8, 8), (), True),
        ((25, *NM[1:]), (), True),
        ((NM[0], 1.001 * NM[1], NM[2]), (), False),
        ((None, *NM[1:]), (), False),
        ((50, 8, 8), ("--pixel-size", "50,8,8"), False),
    ],
)
def test_an_image_of_other_pixels_is_questioned(
    labels: Path, tmp_path: Path, size: tuple[Any, ...], options: tuple[str, ...], is_told: bool
) -> None:
    image, table = tmp_path / "image.tif", tmp_path / "a.csv"
    pixels = np.full((3, 12, 12), 9, np.uint8)
    write_stack(image, pixels, "uint8", is_label=False, pixel_size=PixelSize(*size))
    result = measure(labels, "-o", table, "--image", image, *options)
    sizes = " x ".join(f"{side:g}" for side in NM), " x ".join(f"{side:g}" for side in size if side)
    told = f"{labels} has pixels of {sizes[0]} nm and {image} of {sizes[1]} nm"
    assert [told in result.stderr, "has pixels of" in result.stderr] == [is_told, is_told]
    voxel = np.prod(size if options else NM) * 1e-9
    assert float(rows_of(table)[0]["volume_um3"]) == pytest.approx(32 * voxel)


@pytest.mark.parametrize("how", [(), ("--connected",)])
def test_a_2d_image_has_areas_and_no_volumes(tmp_path: Path, how: tuple[str, ...]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", touching()[0].astype(np.uint8))
    result = measure(tmp_path / "a.tif", "-o", tmp_path / "a.csv", *how)
    assert "is not known: all is measured in pixels" in result.output
    [first, *_] = rows_of(tmp_path / "a.csv")
    assert (first["area_px"], first["touches_border"]) == ("16", "0")
    assert not [name for name in first if name.startswith(("volume", "slice", "surface"))]


def test_a_mask_is_refused_and_its_parts_are_measured_when_asked(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.tif", np.where(touching() > 0, 255, 0).astype(np.uint8))
    table = tmp_path / "a.csv"
    with pytest.raises(UserError, match=r"mask\.tif is a mask: 255 is .* --connected"):
        measure(mask, "-o", table)
    assert not table.exists()
    assert measure(mask, "-o", table, "--connected").exit_code == 0
    assert [row["volume_voxels"] for row in rows_of(table)] == ["64", "8"]
    assert measure(mask, "-o", table, "--as-ids", "--overwrite").exit_code == 0
    assert [row["object"] for row in rows_of(table)] == ["255"]


def test_parts_say_of_which_value_they_are(tmp_path: Path) -> None:
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, 1, 1:7], labels[:, 4:6, 1:3], labels[:, 4:6, 5:7] = 2, 1, 2
    path, table = write(tmp_path / "classes.tif", labels), tmp_path / "a.csv"
    measure(path, "-o", table, "--connected", "--slices", tmp_path / "slices.csv")
    assert [row["value"] for row in rows_of(table)] == ["2", "1", "2"]
    assert [row["value"] for row in rows_of(tmp_path / "slices.csv")] == ["2", "1", "2"] * 2


def three_classes(folder: Path, classes: str, name: str = "classes.tif") -> Path:
    """Two parts of 2 and one of 1, of 6, 4 and 4 pixels in both slices; 9 is on 4 of the first."""
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, 1, 1:7], labels[:, 4:6, 1:3], labels[:, 4:6, 5:7] = 2, 1, 2
    labels[0, 7, 2:6] = 9
    named = LabelClasses.parse(classes)
    write_stack(path := folder / name, labels, labels.dtype, is_label=True, classes=named)
    return path


@pytest.mark.parametrize("name", ["classes.tif", "classes.zarr"])
def test_parts_of_classes_that_a_file_names_say_their_class(tmp_path: Path, name: str) -> None:
    path = three_classes(tmp_path, "membrane,mitochondria,nuclei,unknown=9", name)
    table, slices, summed = (tmp_path / name for name in ("a.csv", "slices.csv", "a.json"))
    result = measure(path, "-o", table, "--slices", slices, "--json", summed)
    assert "Connected parts of classes are objects." in result.output
    found = ["mitochondria", "membrane", "mitochondria"]
    assert [row["class"] for row in rows_of(table)] == found  # and nothing that is unknown
    assert [row["value"] for row in rows_of(table)] == ["2", "1", "2"]
    assert [row["class"] for row in rows_of(slices)] == found * 2
    by_class = {one["class"]: one for one in json.loads(summed.read_text())["classes"]}
    counts = {name: (one["objects"], one["fraction"]) for name, one in by_class.items()}
    assert counts == {"membrane": (1, 8 / 128), "mitochondria": (2, 20 / 128), "nuclei": (0, 0)}
    assert by_class["mitochondria"]["distributions"]["volume_voxels"]["mean"] == 10
    assert "mitochondria: 2, 2 of them at the stack's border" in result.output


def test_classes_can_be_named_and_measured_as_one_object_each(tmp_path: Path) -> None:
    path = three_classes(tmp_path, "membrane,mitochondria,unknown=9")
    table = tmp_path / "a.csv"
    result = measure(path, "-o", table, "--as-ids", "--classes", "inside,vesicles")
    found = [(row["object"], row["class"], row["volume_voxels"]) for row in rows_of(table)]
    assert found == [("1", "inside", "8"), ("2", "vesicles", "20"), ("9", "", "4")]
    assert "Without a class: 1," in result.output


def test_parts_are_written_by_the_ids_of_the_table(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.tif", np.where(touching() > 0, 255, 0).astype(np.uint8))
    table, parts = tmp_path / "a.csv", tmp_path / "parts.tif"
    measure(mask, "-o", table, "--connected", "--numbered", parts)
    assert np.array_equal(tifffile.imread(parts), label(touching() > 0, connectivity=1))
    measure(parts, "-o", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == table.read_text()
    before = mask.read_bytes()
    image = write(tmp_path / "image.tif", touching().astype(np.uint8))
    for numbered, how, problem in (
        (tmp_path / "b.tif", "--as-ids", "is for connected parts"),
        (mask, "--connected", "is the stack itself"),
        (image, "--connected", "is the image itself"),
    ):
        with pytest.raises(UserError, match=problem):
            options = ("--overwrite", "--numbered", numbered, "--image", image)
            measure(mask, "-o", table, how, *options)
    assert mask.read_bytes() == before and tifffile.imread(image).shape == touching().shape


def test_parts_do_not_replace_the_dataset_that_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = np.random.default_rng(0).random((3, 12, 12)), touching()
    options = ("--connected", "--overwrite", "--numbered", path / "labels")
    with pytest.raises(UserError, match="labels is the stack itself"):
        measure(path, "-o", tmp_path / "a.csv", *options)
    with h5py.File(path) as file:
        assert np.array_equal(file["labels"], touching())


def test_classes_are_questioned(tmp_path: Path) -> None:
    classes = np.zeros((2, 40, 40), np.uint8)
    classes[:, ::8, ::2], classes[:, 4::8, ::2] = 1, 2
    path = write(tmp_path / "classes.tif", np.repeat(np.repeat(classes, 4, 1), 4, 2))
    result = measure(path, "-o", tmp_path / "a.csv")
    assert "few values in many pieces" in result.output
    assert len(rows_of(tmp_path / "a.csv")) == 2


NOISE = np.random.default_rng(0).random((3, 12, 12))


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.zeros((3, 12, 12), np.uint8), r"has no objects: no value is above 0\."),
        (NOISE.astype(np.float32), r"Slice 0 of .* has the value 0\.\d+, which is no id\."),
        (np.full((3, 12, 12), np.nan, np.float32), r"Slice 0 of .*NaN"),
    ],
)
@pytest.mark.parametrize("how", [(), ("--connected",), ("--as-ids",)])
def test_what_has_no_ids_is_refused(
    tmp_path: Path, pixels: np.ndarray, problem: str, how: tuple[str, ...]
) -> None:
    path = write(tmp_path / "bad.tif", pixels)
    with pytest.raises(UserError, match=problem):
        measure(path, "-o", tmp_path / "a.csv", *how)
    assert not (tmp_path / "a.csv").exists()


def test_an_image_is_refused_unless_its_values_are_said_to_be_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "grey.tif", (255 * NOISE).astype(np.uint8))
    with pytest.raises(UserError, match=r"grey\.tif looks like an image"):
        measure(path, "-o", tmp_path / "a.csv")
    assert measure(path, "-o", tmp_path / "a.csv", "--as-ids").exit_code == 0


def test_values_below_0_are_no_objects(tmp_path: Path) -> None:
    ids = touching().astype(np.int16)
    ids[ids == 3] = -1
    path = write(tmp_path / "ids.tif", ids)
    measure(path, "-o", tmp_path / "a.csv")
    assert [row["object"] for row in rows_of(tmp_path / "a.csv")] == ["1", "2", "4"]


def test_an_image_of_another_shape_is_refused(labels: Path, tmp_path: Path) -> None:
    image = write(tmp_path / "image.tif", np.zeros((3, 10, 12), np.uint8))
    with pytest.raises(UserError, match=r"image\.tif has the shape \(3, 10, 12\)"):
        measure(labels, "-o", tmp_path / "a.csv", "--image", image)


def test_no_file_is_replaced_unasked(labels: Path, tmp_path: Path) -> None:
    table, before = tmp_path / "a.csv", labels.read_bytes()
    measure(labels, "-o", table)
    with pytest.raises(UserError, match="exists already"):
        measure(labels, "-o", table)
    twice = ("-o", table, "--json", tmp_path / "." / "a.csv")
    sheet = ("-o", tmp_path / "a.XLSX")
    wrong = "not named as a table is"
    for outputs, problem in ((twice, "named twice"), (("-o", labels), wrong), (sheet, wrong)):
        with pytest.raises(UserError, match=problem):
            measure(labels, "--overwrite", *outputs)
    assert labels.read_bytes() == before


def test_a_wrong_pixel_size_is_refused(labels: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("napari-unet")
    command = [program, "measure", labels, "-o", tmp_path / "a.csv", "--pixel-size", "0,4,4"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "0,4,4 is not a size in nm" in result.stderr


def test_memory_follows_slices(labels: Path, tmp_path: Path) -> None:
    path, slices = tmp_path / "many.tif", 40
    page = np.zeros((256, 256), np.uint16)
    page[20:200, 30:90], page[20:200, 120:200] = 1, 2
    with tifffile.TiffWriter(path) as writer:
        for _ in range(slices):
            writer.write(page, contiguous=False, photometric="minisblack")
    measure(labels, "-o", tmp_path / "first.csv")  # imports, and the table of cubes
    tracemalloc.start()
    measure(path, "-o", tmp_path / "a.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = slices * 256 * 256 * 8  # as ids of 64 bits
    assert peak < whole / 2
    assert rows_of(tmp_path / "a.csv")[0]["volume_voxels"] == str(180 * 60 * slices)


def test_meshes_and_skeletons_of_some_objects(labels: Path, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    table, meshes, lines = (tmp_path / name for name in ("a.csv", "meshes", "lines"))
    how = ("--meshes", meshes, "--skeletons", lines, "--ids", "1,4")
    result = measure(labels, "-o", table, *how)
    assert result.exit_code == 0
    assert {path.name for path in meshes.iterdir()} == {"1.ply", "4.ply"}
    assert {path.name for path in lines.iterdir()} == {"1.swc", "4.swc"}
    low, high = trimesh.load(meshes / "1.ply").bounds
    half = np.array(NM[::-1]) / 2  # the surface of the voxels 1 to 4, 1 to 4 and 0 to 1
    assert low + half == pytest.approx([4, 4, 0])
    assert high - half == pytest.approx([16, 16, 30])
    with pytest.raises(UserError, match=r"1\.ply exists already"):
        measure(labels, "-o", tmp_path / "b.csv", *how)
    assert not (tmp_path / "b.csv").exists()


def test_ids_without_files_of_objects_are_refused(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--ids is for meshes and skeletons"):
        measure(labels, "-o", tmp_path / "a.csv", "--ids", "1")
    with pytest.raises(UserError, match="'one' is no list of ids"):
        measure(labels, "-o", tmp_path / "a.csv", "--skeletons", tmp_path, "--ids", "one")
