"""Results written by the ending of their names."""

from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result

from napari_unet.cli import evaluate, predict, segment
from tests.test_imports import imported_by
from training.errors import UserError
from training.opening import open_stack

WriteModel = Callable[..., Path]
COMMANDS = {"predict": predict.command, "segment": segment.command}


@pytest.fixture
def invoke(write_model: WriteModel, tmp_path: Path, images: np.ndarray) -> Callable[..., Result]:
    """``invoke("predict", "-o", "a.zarr")`` in a folder with stack.tif of 4 x 4 x 50 nm."""
    tifffile.imwrite(
        tmp_path / "stack.tif", images, imagej=True, resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 50},
    )  # fmt: skip
    model = write_model()

    def run(command: str, *arguments: str) -> Result:
        is_file = [Path(part).suffix or "/" in part for part in arguments]
        paths = [
            str(tmp_path / part) if is_one else part
            for part, is_one in zip(arguments, is_file, strict=True)
        ]
        stack = str(tmp_path / "stack.tif")
        given = [str(model), stack, *paths]
        return CliRunner().invoke(COMMANDS[command], given, catch_exceptions=False)

    return run


def test_a_prediction_in_each_format(invoke: Callable[..., Result], tmp_path: Path) -> None:
    invoke("predict", "-o", "mask.tif", "--probability", "p.tif")
    invoke("predict", "-o", "all.h5/mask", "--probability", "all.h5/p", "--submission", "s.mrc")
    result = invoke("predict", "-o", "mask.zarr", "--probability", "p.zarr")
    assert f"probability: {tmp_path / 'p.zarr'}" in result.stdout
    mask, probability = (tifffile.imread(tmp_path / name) for name in ("mask.tif", "p.tif"))
    with h5py.File(tmp_path / "all.h5") as file:
        np.testing.assert_array_equal(file["mask"], mask)
        np.testing.assert_array_equal(file["p"], probability)
        assert file["mask"].attrs["resolution"].tolist() == [50, 4, 4]
    with mrcfile.open(tmp_path / "s.mrc") as file:
        np.testing.assert_array_equal(file.data, 1 - probability)
        assert file.voxel_size.tolist() == pytest.approx((40, 40, 500))
    labels = zarr.open_group(tmp_path / "mask.zarr/labels/mask", mode="r")
    np.testing.assert_array_equal(labels["0"], mask)
    [multiscale] = labels.attrs["ome"]["multiscales"]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [50, 4, 4]
    image = zarr.open_group(tmp_path / "p.zarr", mode="r")
    np.testing.assert_array_equal(image["0"], probability)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_probabilities_of_fewer_bits(
    invoke: Callable[..., Result], tmp_path: Path, dtype: str
) -> None:
    """Those of the nearest value; the mask is of all bits, and the smaller sizes have them too."""
    few = ["--probability-dtype", dtype]
    invoke("predict", "-o", "m.tif", "--probability", "p.tif", "--submission", "s.tif")
    invoke("predict", "-o", "m.zarr", "--probability", "p.zarr", *few)
    invoke("predict", "-o", "a.h5/m", "--probability", "a.h5/p", "--submission", "a.h5/s", *few)
    whole = tifffile.imread(tmp_path / "p.tif")
    expected = np.rint(whole * 255) if dtype == "uint8" else np.float16(whole)
    assert len(np.unique(expected)) > 2
    image = zarr.open_group(tmp_path / "p.zarr", mode="r")
    labels = zarr.open_group(tmp_path / "m.zarr/labels/m", mode="r")
    assert {image[level].dtype for level in image.array_keys()} == {np.dtype(dtype)}
    np.testing.assert_array_equal(image["0"], expected)
    np.testing.assert_array_equal(labels["0"], tifffile.imread(tmp_path / "m.tif"))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["p"].dtype == dtype
        np.testing.assert_array_equal(file["p"], expected)
        np.testing.assert_array_equal(file["s"], tifffile.imread(tmp_path / "s.tif"))
    with open_stack(tmp_path / "p.zarr") as stack:
        np.testing.assert_array_equal(stack[0], expected[0])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--probability", "p.mrc", "--probability-dtype", "uint8"], r"uint8, .* to MRC"),
        (["--probability", "p.tif", "--probability-dtype", "float16"], r"float16, .* to TIF"),
        (["--probability-dtype", "uint8"], "Give --probability too"),
    ],
)
def test_probabilities_that_a_format_has_not(
    invoke: Callable[..., Result], tmp_path: Path, arguments: list[str], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        invoke("predict", "-o", "m.tif", *arguments)
    assert not (tmp_path / "m.tif").exists()


def test_neurons_are_labels(invoke: Callable[..., Result], tmp_path: Path) -> None:
    invoke("segment", "-o", "n.tif")
    invoke("segment", "-o", "n.h5/neurons")
    invoke("segment", "-o", "n.zarr")
    neurons = tifffile.imread(tmp_path / "n.tif")
    with h5py.File(tmp_path / "n.h5") as file:
        np.testing.assert_array_equal(file["neurons"], neurons)
    labels = zarr.open_group(tmp_path / "n.zarr/labels/n", mode="r")
    np.testing.assert_array_equal(labels["0"], neurons)
    assert "image-label" in labels.attrs["ome"]


@pytest.mark.parametrize("name", ["a.zarr", "a.h5/mask"])
def test_what_is_written_is_evaluated(
    invoke: Callable[..., Result], tmp_path: Path, membrane: np.ndarray, name: str
) -> None:
    labels = tmp_path / "labels.tif"
    tifffile.imwrite(labels, np.where(membrane, 0, 255).astype(np.uint8))
    invoke("predict", "-o", name)
    arguments = [tmp_path / name, "--image", tmp_path / "stack.tif", "--labels", labels]
    arguments += ["--data", tmp_path]
    result = CliRunner().invoke(evaluate.command, list(map(str, arguments)), catch_exceptions=False)
    assert "Mask: 0 is membrane" in result.stdout


def test_the_older_ome_zarr(
    write_model: WriteModel, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    model, stack = str(write_model()), str(tmp_path / "stack.tif")
    arguments = [model, stack, "-o", str(tmp_path / "a.zarr"), "--ome-zarr", "0.4"]
    for command in COMMANDS.values():
        result = CliRunner().invoke(command, [*arguments, "--overwrite"], catch_exceptions=False)
        assert result.exit_code == 0
        labels = zarr.open_group(tmp_path / "a.zarr/labels/a", mode="r", zarr_format=2)
        assert labels.attrs["multiscales"][0]["version"] == "0.4"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "mask.png"], r"mask\.png is not named in a format"),
        (["-o", "mask.mrc"], "for probabilities alone"),
        (["-o", "a.zarr", "--probability", "a.zarr"], "the same name"),
        (["-o", "a.zarr/labels/x", "--probability", "a.zarr"], "the same name"),
    ],
)
def test_what_can_t_be_written_is_refused(
    invoke: Callable[..., Result], arguments: list[str], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        invoke("predict", *arguments)


def test_the_folder_that_holds_the_stack_is_not_replaced(
    write_model: WriteModel, tmp_path: Path, images: np.ndarray
) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("raw", data=images)
    arguments = [write_model(), tmp_path / "a.zarr/raw", "-o", tmp_path / "a.zarr", "--overwrite"]
    with pytest.raises(UserError, match="is the stack itself"):
        CliRunner().invoke(predict.command, list(map(str, arguments)), catch_exceptions=False)
    np.testing.assert_array_equal(group["raw"], images)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_part_of_the_stack_is_not_replaced(
    write_model: WriteModel, tmp_path: Path, images: np.ndarray, command: str
) -> None:
    file, folder = tmp_path / "a.h5", tmp_path / "slices"
    with h5py.File(file, "w") as opened:
        opened["volumes/raw"] = images
    folder.mkdir()
    for place, page in enumerate(images):
        tifffile.imwrite(folder / f"{place}.tif", page)
    model = write_model()
    for stack, output, problem in (
        (file, file / "volumes/raw", "raw is the stack itself"),
        (folder, folder / "3.tif", "3.tif is a slice of .*slices"),
    ):
        arguments = [*map(str, (model, stack, "-o", output, "--overwrite"))]
        with pytest.raises(UserError, match=problem):
            CliRunner().invoke(COMMANDS[command], arguments, catch_exceptions=False)
    with open_stack(file) as raw, open_stack(folder) as pages:
        np.testing.assert_array_equal(raw[3], images[3])
        np.testing.assert_array_equal(pages[3], images[3])
    beside = [*map(str, (model, file, "-o", file / "volumes/found", "--overwrite"))]
    CliRunner().invoke(COMMANDS[command], beside, catch_exceptions=False)
    with open_stack(file / "volumes/raw") as raw, open_stack(file / "volumes/found") as found:
        np.testing.assert_array_equal(raw[3], images[3])
        assert found.shape == images.shape


def test_many_results_do_not_go_to_a_stack(invoke: Callable[..., Result], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all\.h5 is the name of a file"):
        invoke("predict", "other.tif", "-o", "all.h5")


def test_no_library_of_a_format_is_imported_before_it_is_used() -> None:
    commands = ["napari_unet.cli.predict", "napari_unet.cli.segment"]
    assert not imported_by(commands) & {"h5py", "mrcfile", "zarr", "tensorstore", "rsciio"}
