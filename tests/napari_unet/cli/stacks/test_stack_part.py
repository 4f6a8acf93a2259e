"""A part of a stack, and a stack of another pixel size, by ``predict`` and ``segment``."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from scipy import ndimage

from napari_unet.cli import evaluate as evaluate_command
from napari_unet.cli import predict as predict_command
from napari_unet.cli import segment as segment_command
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.opening import open_stack

WriteModel = Callable[..., Path]
COMMANDS = {"predict": predict_command.command, "segment": segment_command.command}
MODEL_SIZE = PixelSize(50, 4, 4)


def run(command: str, *arguments: object) -> Result:
    commands = COMMANDS | {"evaluate": evaluate_command.command}
    return CliRunner().invoke(commands[command], [*map(str, arguments)], catch_exceptions=False)


def write_stack(path: Path, pixels: np.ndarray, size: float | None) -> Path:
    """A TIF as ImageJ writes it; ``size`` is that of its pixels in the plane, in nm."""
    known = {"unit": "nm", "spacing": 50} if size else {}
    resolution = (1 / size, 1 / size) if size else None
    metadata = {"axes": "ZYX", **known}
    tifffile.imwrite(path, pixels, imagej=True, resolution=resolution, metadata=metadata)
    return path


@pytest.fixture
def model(write_model: WriteModel) -> Path:
    return write_model(pixel_size=MODEL_SIZE)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Slices that are predicted in several tiles."""
    random = np.random.default_rng(0)
    return write_stack(tmp_path / "wide.tif", random.integers(0, 256, (5, 40, 1400), np.uint8), 4)


@pytest.mark.parametrize(
    ("region", "part"),
    [
        ("1:3", np.s_[1:3]),
        (",10:20", np.s_[:, 10:20]),
        (":,0:40,700:", np.s_[:, 0:40, 700:]),
        ("4:5,39:40,:1", np.s_[4:5, 39:40, :1]),
        ("2:, :30, 650:750", np.s_[2:, :30, 650:750]),
    ],
)
def test_a_region_is_what_it_is_in_the_whole(
    model: Path, wide: Path, tmp_path: Path, region: str, part: tuple[slice, ...]
) -> None:
    for name, options in (("whole", ()), ("part", ("--region", region))):
        outputs = ("-o", tmp_path / f"{name}.tif", "--probability", tmp_path / f"{name}-p.tif")
        result = run("predict", model, wide, *outputs, "--precision", "f32", *options)
        assert result.exit_code == 0, result.stderr
    for kind in ("", "-p"):
        whole, found = (tifffile.imread(tmp_path / f"{name}{kind}.tif") for name in WHOLE_AND_PART)
        np.testing.assert_array_equal(found.reshape(whole[part].shape), whole[part])
        with open_stack(tmp_path / f"part{kind}.tif") as stack:
            assert stack.pixel_size == MODEL_SIZE


WHOLE_AND_PART = ("whole", "part")


def test_results_begin_where_their_part_of_the_stack_does(model: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 256, (5, 40, 50), np.uint8)
        attributes = {"resolution": (50.0, 4.0, 4.0), "offset": (100.0, 2.0, -30.0)}
        file["raw"].attrs.update(attributes)
    for command, output in (("predict", "mask"), ("segment", "neurons")):
        path = tmp_path / "out.h5" / output
        run(command, model, tmp_path / "a.h5", "-o", path, "--region", "2:4,10:,5:")
        with h5py.File(tmp_path / "out.h5") as file:
            assert file[output].attrs["offset"].tolist() == [200, 42, -10]


def test_neurons_and_uncertainty_of_a_region_lie_in_it(
    model: Path, wide: Path, tmp_path: Path
) -> None:
    output, table = tmp_path / "out.tif", tmp_path / "unsure.csv"
    part = ("--region", "3:5,:,1200:1300")
    assert run("segment", model, wide, "-o", output, *part).exit_code == 0
    assert tifffile.imread(output).shape == (2, 40, 100)
    options = ("--uncertainty", table, "--overwrite", *part)
    assert run("predict", model, wide, "-o", output, *options).exit_code == 0
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    assert {int(row[1]) for row in rows} == {0, 1}
    assert all(int(row[3]) + int(row[5]) <= 100 for row in rows if row[0] == "region")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("0:6", r"The region reaches to 6 along Z, but .*wide\.tif to 5\. Give a region within"),
        (",,7:7", "The region is empty along X: 7:7"),
        (",30:20", "The region is empty along Y: 30:20"),
        ("9:", "The region is empty along Z: 9:5"),
    ],
)
def test_regions_that_are_not_in_the_stack_are_refused(
    model: Path, wide: Path, tmp_path: Path, command: str, region: str, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        run(command, model, wide, "-o", tmp_path / "out.tif", "--region", region)
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--region", "10"),
        ("--region", "1:2,3:4,5:6,7:8"),
        ("--region", "-3:4"),
        ("--region", "1:" + "9" * 5000),
        ("--pixel-size", "0"),
        ("--pixel-size", "4,4,4,4"),
        ("--pixel-size", "nan"),
        ("--pixel-size", "4 nm"),
    ],
)
def test_values_that_mean_nothing_are_refused(
    wide: Path, tmp_path: Path, option: str, value: str
) -> None:
    result = run("predict", "none.onnx", wide, "-o", tmp_path / "out.tif", f"{option}={value}")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


@pytest.fixture
def half(tmp_path: Path, images: np.ndarray) -> Path:
    """A stack of which the model was trained on pixels half as large."""
    return write_stack(tmp_path / "half.tif", images, 8)


@pytest.mark.parametrize("command", COMMANDS)
def test_another_pixel_size_is_warned_of(
    model: Path, half: Path, tmp_path: Path, command: str
) -> None:
    result = run(command, model, half, "-o", tmp_path / "out.tif")
    assert (
        "Warning: This stack's pixels are 8 nm, but the model was trained on pixels of 4 nm. "
        "Add --resample" in result.stderr
    )
    options = ("--overwrite", "--resample")
    assert (
        "pixels are" not in run(command, model, half, "-o", tmp_path / "out.tif", *options).stderr
    )


@pytest.mark.parametrize("size", [3.4, 4.0, 4.7])
def test_a_pixel_size_within_a_fifth_is_not_warned_of(
    model: Path, images: np.ndarray, tmp_path: Path, size: float
) -> None:
    stack = write_stack(tmp_path / "near.tif", images, size)
    result = run("predict", model, stack, "-o", tmp_path / "out.tif")
    assert result.exit_code == 0
    assert "nm" not in result.stderr


def test_slices_that_are_missing_in_a_folder_give_a_hint(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    for number in (1, 2, 4):
        tifffile.imwrite(folder / f"s{number}.tif", images[number])
    result = run("predict", model, folder, "-o", tmp_path / "out.tif")
    assert result.exit_code == 0
    assert "no slice between s2.tif and s4.tif" in result.stderr


def test_an_unknown_pixel_size_gives_a_hint_and_can_be_told(
    model: Path, images: np.ndarray, tmp_path: Path
) -> None:
    stack = write_stack(tmp_path / "unknown.tif", images, None)
    arguments = ("predict", model, stack, "-o", tmp_path / "out.tif", "--overwrite")
    told = run(*arguments).stderr
    assert "Hint: The model was trained on pixels of 4 nm" in told and "--pixel-size" in told
    assert "Warning" not in told
    with pytest.raises(UserError, match=r"pixel size of .*unknown\.tif is not known.*--pixel-size"):
        run(*arguments, "--resample")
    assert "pixels are 8 x 4 nm" in run(*arguments, "--pixel-size", "8,4").stderr
    assert run(*arguments, "--pixel-size", "8", "--resample").exit_code == 0
    with open_stack(tmp_path / "out.tif") as result:
        assert result.pixel_size == PixelSize(None, 8, 8)


def test_a_model_without_a_pixel_size_can_not_be_resampled_to(
    write_model: WriteModel, half: Path, tmp_path: Path
) -> None:
    arguments = ("predict", write_model(), half, "-o", tmp_path / "out.tif")
    with pytest.raises(UserError, match=r"model\.onnx does not know the pixel size"):
        run(*arguments, "--resample")
    assert "nm" not in run(*arguments).stderr


def test_resampling_predicts_as_at_the_model_s_pixel_size(
    model: Path, half: Path, images: np.ndarray, tmp_path: Path
) -> None:
    """The model takes means of 5 x 5 of its pixels, which are 2.5 x 2.5 of the stack's."""
    fine = ndimage.zoom(images / 127.5 - 1, (1, 2, 2), order=3, mode="nearest", grid_mode=True)
    logits = -16 * ndimage.uniform_filter(fine, (0, 5, 5), mode="mirror")
    means = (1 / (1 + np.exp(-logits))).reshape(7, 61, 2, 83, 2).mean((2, 4))
    errors = []
    for options in ((), ("--resample",)):
        outputs = ("-o", tmp_path / "out.tif", "--probability", tmp_path / "p.tif", "--overwrite")
        result = run("predict", model, half, *outputs, "--precision", "f32", *options)
        assert result.exit_code == 0, result.stderr
        errors.append(np.abs(tifffile.imread(tmp_path / "p.tif") - means)[:, 4:-4, 4:-4].mean())
    assert errors[1] < 0.6 * errors[0], errors
    neurons = tmp_path / "neurons.tif"
    assert run("segment", model, half, "-o", neurons, "--resample").exit_code == 0
    assert tifffile.imread(neurons).shape == images.shape


def test_a_model_is_evaluated_at_its_pixel_size(
    model: Path, half: Path, membrane: np.ndarray, tmp_path: Path
) -> None:
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    write_stack(tmp_path / "labels.tif", labels, 8)
    files = ("--image", half, "--labels", tmp_path / "labels.tif")
    told, resampled = run("evaluate", model, *files), run("evaluate", model, *files, "--resample")
    assert "Warning: This stack's pixels are 8 nm, but" in told.stderr
    assert "pixels are" not in resampled.stderr and resampled.exit_code == 0
    assert told.stdout.splitlines()[-1] != resampled.stdout.splitlines()[-1]
