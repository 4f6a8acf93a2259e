"""Many stacks in one command: a night that goes on after a bad file, and after a kill."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from napari_unet.cli import predict, segment
from tests.terminal import interrupt, start_on_terminal
from training.opening import read_stack

WriteModel = Callable[..., Path]
COMMANDS = {"predict": predict.command, "segment": segment.command}
PROGRAM = Path(sys.executable).with_name("napari-unet")


def invoke(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(COMMANDS[command], list(map(str, arguments)))


def write_stacks(folder: Path, pixels: np.ndarray, count: int) -> list[Path]:
    """``count`` stacks of two small slices, s00.tif and so on."""
    folder.mkdir(exist_ok=True)
    stacks = [folder / f"s{index:02}.tif" for index in range(count)]
    for stack in stacks:
        tifffile.imwrite(stack, pixels[:2, :32, :32], photometric="minisblack")
    return stacks


@pytest.fixture
def stacks(tmp_path: Path, images: np.ndarray) -> list[Path]:
    return write_stacks(tmp_path / "night", images, 3)


@pytest.mark.parametrize("command", COMMANDS)
def test_forty_stacks_of_which_one_is_truncated(
    write_model: WriteModel, tmp_path: Path, images: np.ndarray, command: str
) -> None:
    stacks = write_stacks(tmp_path / "night", images, 40)
    bad = stacks[17]
    bad.write_bytes(bad.read_bytes()[:-500])
    out = tmp_path / "new" / "results"
    result = invoke(command, write_model(), *stacks, "-o", out)
    assert result.exit_code == 1
    assert {path.name for path in out.iterdir()} == {path.name for path in stacks} - {bad.name}
    lines = result.stdout.splitlines()
    assert all(
        any(str(out / stack.name) in line for line in lines) for stack in stacks if stack != bad
    )
    assert lines[-1] == "Of 40 stacks: 39 done and 1 failed."
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and str(bad) in errors[0]


def test_a_killed_night_goes_on(
    write_model: WriteModel, tmp_path: Path, images: np.ndarray
) -> None:
    stacks = write_stacks(tmp_path / "night", images, 40)
    long = stacks[20]
    tifffile.memmap(long, shape=(2000, 512, 512), dtype=np.uint8, bigtiff=True).flush()
    arguments = [write_model(), *stacks, "-o", tmp_path / "masks"]
    masks = tmp_path / "masks"
    night = start_on_terminal([PROGRAM, "predict", *arguments], until=r" [1-9]\d*/2000")
    night.kill(signal.SIGKILL)
    night.wait()
    first = {path: path.stat().st_mtime_ns for path in masks.glob("*.tif")}
    assert {path.name for path in first} == {stack.name for stack in stacks[:20]}
    assert len(list(masks.glob(".*"))) == 1, "half a file"
    tifffile.imwrite(long, images[:2, :32, :32], photometric="minisblack")
    result = invoke("predict", *arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "Of 40 stacks: 20 done and 20 already there."
    assert {path.name for path in masks.iterdir()} == {stack.name for stack in stacks}
    assert {path: path.stat().st_mtime_ns for path in first} == first


def test_interrupting_sums_up_and_leaves_whole_files(
    write_model: WriteModel, stacks: list[Path], tmp_path: Path
) -> None:
    tifffile.memmap(stacks[1], shape=(2000, 512, 512), dtype=np.uint8, bigtiff=True).flush()
    command = [PROGRAM, "predict", write_model(), *stacks, "-o", tmp_path / "masks"]
    code, text = interrupt(start_on_terminal(command, until=r" [1-9]\d*/2000"))
    assert code == 1
    assert "Interrupted. Of 3 stacks: 1 done and 2 not done." in text
    assert "Traceback" not in text
    assert [path.name for path in (tmp_path / "masks").iterdir()] == [stacks[0].name]


def test_each_kind_of_result_has_a_folder(
    write_model: WriteModel, stacks: list[Path], tmp_path: Path
) -> None:
    model = write_model()
    assert invoke("predict", model, *stacks[:2], "-o", tmp_path / "masks").exit_code == 0
    kinds = ("probability", "submission", "uncertainty")
    options = [part for kind in kinds for part in (f"--{kind}", tmp_path / kind)]
    result = invoke("predict", model, *stacks, "-o", tmp_path / "masks", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("mask: ") == 1, "those of the first two are there"
    for kind, ending in (("masks", "tif"), ("probability", "tif"), ("uncertainty", "csv")):
        names = sorted(path.name for path in (tmp_path / kind).iterdir())
        assert names == [f"{stack.stem}.{ending}" for stack in stacks]
    probability, submission = (
        tifffile.imread(tmp_path / kind / stacks[2].name) for kind in kinds[:2]
    )
    np.testing.assert_array_equal(submission, 1 - probability)


def test_overwrite_makes_them_again(
    write_model: WriteModel, stacks: list[Path], tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / stacks[0].name).write_text("mine")
    arguments = (write_model(), *stacks, "-o", masks)
    assert invoke("predict", *arguments).exit_code == 0
    assert (masks / stacks[0].name).read_text() == "mine"
    result = invoke("predict", *arguments, "--overwrite")
    assert result.stdout.splitlines()[-1] == "Of 3 stacks: 3 done."
    assert tifffile.imread(masks / stacks[0].name).shape == (2, 32, 32)


def test_one_stack_into_a_folder(
    write_model: WriteModel, stacks: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "masks").mkdir()
    result = invoke("predict", write_model(), stacks[0], "-o", tmp_path / "masks")
    assert result.exit_code == 0, result.stderr
    assert "Of 1 stack: 1 done." in result.stdout
    assert (tmp_path / "masks" / stacks[0].name).is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_two_stacks_of_one_name_are_refused_before_any_work(
    stacks: list[Path], tmp_path: Path, command: str
) -> None:
    other = tmp_path / "S00.tif"
    other.write_bytes(stacks[0].read_bytes())
    result = invoke(command, "none.onnx", *stacks, other, "-o", tmp_path / "out")
    assert f"{stacks[0]} and {other} have the same name" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        (["-o", "mask.tif"], "mask.tif is the name of a file"),
        (["-o", "file"], "file can't be written"),
        (["-o", "a", "--probability", "a"], "Two results have the same folder"),
    ],
)
def test_results_of_many_stacks_need_folders(
    stacks: list[Path],
    tmp_path: Path,
    outputs: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = invoke("predict", "none.onnx", *stacks, *outputs)
    assert problem in str(result.exception)


def test_stacks_are_not_overwritten(write_model: WriteModel, stacks: list[Path]) -> None:
    content = stacks[0].read_bytes()
    result = invoke("predict", write_model(), *stacks, "-o", stacks[0].parent, "--overwrite")
    assert result.exit_code == 1
    assert result.stderr.count("is the stack itself") == 3
    assert stacks[0].read_bytes() == content


@pytest.mark.parametrize("file_format", ["zarr", "h5", "mrc"])
def test_results_of_another_format_are_skipped_as_well(
    write_model: WriteModel, stacks: list[Path], tmp_path: Path, file_format: str
) -> None:
    folders = ("-o", tmp_path / "masks", "--probability", tmp_path / "p")
    arguments = (write_model(), *folders, "--format", file_format)
    assert invoke("predict", *arguments, stacks[0]).exit_code == 0
    result = invoke("predict", *arguments, *stacks)
    assert result.stdout.splitlines()[-1] == "Of 3 stacks: 2 done and 1 already there."
    in_mask = "tif" if file_format == "mrc" else file_format
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {
        f"{stack.stem}.{in_mask}" for stack in stacks
    }
    assert read_stack(tmp_path / f"p/s02.{file_format}").dtype == np.float32
    mask = tmp_path / (
        "masks/s02.zarr/labels/s02" if file_format == "zarr" else f"masks/s02.{in_mask}"
    )
    assert set(np.unique(read_stack(mask, "labels"))) <= {0, 255}


def test_a_format_beside_the_name_of_a_file_is_refused(stacks: list[Path]) -> None:
    result = invoke("segment", "none.onnx", stacks[0], "-o", "a.tif", "--format", "zarr")
    assert "a.tif says its format by its ending" in str(result.exception)
