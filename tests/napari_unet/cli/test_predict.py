import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from napari_unet.cli import predict as predict_command
from napari_unet.cli import segment as segment_command
from napari_unet.prediction.openvino_runtime import import_openvino
from tests.pixel_kinds import DIFFERENT, pixel_kind
from tests.stack_files import read_pixel_size
from tests.terminal import interrupt, start_on_terminal
from training.errors import UserError
from training.stacks.scaling import Scaling
from training.stacks.synthetic import synthetic_stack

WriteModel = Callable[..., Path]
COMMANDS = {"predict": predict_command.command, "segment": segment_command.command}


def predict(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("napari-unet"), "predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def stack(tmp_path: Path, images: np.ndarray) -> Path:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, images, imagej=True, resolution=(0.25, 0.25),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 50},
    )  # fmt: skip
    return path


def test_all_results(
    write_model: WriteModel, stack: Path, tmp_path: Path, membrane: np.ndarray
) -> None:
    paths = [tmp_path / name for name in ("mask.tif", "probability.tif", "submission.tif")]
    table = tmp_path / "unsure.csv"
    result = predict(
        write_model(), stack, "-o", paths[0], "--probability", paths[1], "--submission", paths[2],
        "--uncertainty", table,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert all(str(path) in result.stdout for path in [*paths, table])
    lines = table.read_text().splitlines()
    assert lines[0] == "kind,z,y,x,height,width,score"
    assert sorted(line.split(",")[1] for line in lines if line.startswith("slice,")) == list(
        "0123456"
    )
    mask, probability, submission = map(tifffile.imread, paths)
    assert (mask.dtype, probability.dtype, submission.dtype) == ("uint8", "float32", "float32")
    np.testing.assert_array_equal(mask == 0, probability >= 0.5)
    np.testing.assert_array_equal(submission, 1 - probability)
    assert (membrane == (mask == 0)).mean() > 0.9
    assert {read_pixel_size(path) for path in paths} == {read_pixel_size(stack)}


def test_options_of_the_mask(write_model: WriteModel, stack: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.tif"
    result = predict(
        write_model(), stack, "-o", mask, "--convention", "membrane", "--threshold", 0.9,
        "--compression", "none", "--probability", tmp_path / "p.tif", "--precision", "f32",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    probability = tifffile.imread(tmp_path / "p.tif")
    np.testing.assert_array_equal(tifffile.imread(mask) == 255, probability >= 0.9)
    with tifffile.TiffFile(mask) as file:
        assert file.pages[0].compression == 1


def test_a_processor_that_is_told_to_do_less_than_bf16(
    write_model: WriteModel, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MindSpore needs it, and as what a training starts inherits it."""
    model = write_model()
    promises = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    predict(model, stack, "-o", tmp_path / "before.tif")  # what is compiled is kept
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    result = predict(model, stack, "-o", tmp_path / "auto.tif")
    assert (result.returncode, result.stderr) == (0, "")
    if "BF16" not in promises:
        pytest.skip("this processor has no bf16")
    result = predict(model, stack, "-o", tmp_path / "bf16.tif", "--precision", "bf16")
    assert result.returncode == 2
    assert result.stderr.startswith("Error: OpenVINO can't compute in bf16 on this CPU. Choose")


def test_a_2d_image(write_model: WriteModel, tmp_path: Path, images: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "image.tif", images[0])
    result = predict(write_model(), tmp_path / "image.tif", "-o", tmp_path / "mask.tif")
    assert result.returncode == 0, result.stderr
    assert tifffile.imread(tmp_path / "mask.tif").shape == images[0].shape


def test_neither_mindspore_nor_a_window_is_needed(
    write_model: WriteModel, stack: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['mindspore', 'napari', 'qtpy', 'imagecodecs']);"
        "from napari_unet.cli.main import main; main()"
    )
    arguments = ["predict", write_model(), stack, "-o", tmp_path / "mask.tif"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    assert tifffile.imread(tmp_path / "mask.tif").ndim == 3


def test_interrupting_leaves_no_file(write_model: WriteModel, tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    tifffile.memmap(path, shape=(2000, 512, 512), dtype=np.uint8, bigtiff=True).flush()
    command = [Path(sys.executable).with_name("napari-unet"), "predict", write_model(), path]
    command += ["-o", tmp_path / "mask.tif"]
    code, _ = interrupt(start_on_terminal(command, until=r" [1-9]\d*/2000"))
    assert code == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["long.tif", "model.onnx"]


def test_memory_does_not_grow_with_the_stack(write_model: WriteModel, tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    shape = (2000, 1024, 1024)  # 2 GB, of which the file system stores nothing
    tifffile.memmap(path, shape=shape, dtype=np.uint8, bigtiff=True).flush()
    code = """
import sys
from pathlib import Path
from napari_unet.prediction.predictor import load_predictor
from training.opening import open_stack

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(found.split()[1])  # kilobytes; ru_maxrss would be those of pytest, where larger

predictions = load_predictor(sys.argv[2]).predict(open_stack(Path(sys.argv[1])))
for _ in range(3):
    next(predictions)
early = peak()
for _ in range(40):
    next(predictions)
print(early, peak() - early)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path), str(write_model())],
        capture_output=True,
        text=True,
        check=True,
    )
    early, growth = map(int, result.stdout.split())
    assert early < 1_000_000
    assert growth < 50_000  # 40 slices kept would be 40 MB of images, 160 MB of probability


@pytest.mark.parametrize("bad", ["missing", "not a TIF", "truncated", "RGB", "NaN"])
def test_bad_stacks(write_model: WriteModel, tmp_path: Path, images: np.ndarray, bad: str) -> None:
    path = tmp_path / "bad.tif"
    if bad == "not a TIF":
        path.write_text("text")
    elif bad == "truncated":
        tifffile.imwrite(path, images)
        path.write_bytes(path.read_bytes()[:-500])
    elif bad == "RGB":
        tifffile.imwrite(path, np.stack([images] * 3, -1), photometric="rgb")
    elif bad == "NaN":
        tifffile.imwrite(path, np.full((5, 8, 8), np.nan, np.float32))
    result = predict(write_model(), path, "-o", tmp_path / "mask.tif")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "bad.tif" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "mask.tif").exists()
    assert not list(tmp_path.glob(".*"))


def test_existing_results_are_kept(write_model: WriteModel, stack: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.tif"
    mask.write_text("mine")
    arguments = (write_model(), stack, "-o", mask)
    result = predict(*arguments)
    assert (result.returncode, mask.read_text()) == (2, "mine")
    assert "exists already" in result.stderr
    assert predict(*arguments, "--overwrite").returncode == 0
    assert tifffile.imread(mask).ndim == 3


def test_the_file_that_a_result_s_name_links_to_is_written(
    write_model: WriteModel, stack: Path, tmp_path: Path
) -> None:
    mask, table = tmp_path / "mask.tif", tmp_path / "unsure.csv"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for link in (mask, table):
        link.symlink_to(elsewhere / link.name)
    result = predict(write_model(), stack, "-o", mask, "--uncertainty", table)
    assert result.returncode == 0, result.stderr
    assert all(link.is_symlink() for link in (mask, table))
    assert tifffile.imread(elsewhere / mask.name).ndim == 3
    assert sorted(elsewhere.iterdir()) == [elsewhere / mask.name, elsewhere / table.name]


def test_results_are_not_written_into_a_pipe(stack: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.tif"
    os.mkfifo(mask)
    result = predict(tmp_path / "none.onnx", stack, "-o", mask, "--overwrite")
    assert result.returncode == 2
    assert f"{mask} is a pipe or a device." in result.stderr
    assert mask.is_fifo()


def test_the_stack_is_not_overwritten(write_model: WriteModel, stack: Path) -> None:
    content = stack.read_bytes()
    result = predict(write_model(), stack, "-o", stack, "--overwrite")
    assert result.returncode == 2
    assert "is the stack itself" in result.stderr
    assert stack.read_bytes() == content


@pytest.mark.parametrize("command", COMMANDS)
def test_links_that_form_a_ring_are_refused(
    write_model: WriteModel, tmp_path: Path, command: str
) -> None:
    ring = tmp_path / "ring.tif"
    ring.symlink_to(ring)
    arguments = [str(write_model()), str(ring), "-o", str(tmp_path / "mask.tif")]
    with pytest.raises(UserError, match=r"ring\.tif can't be read: Too many levels"):
        CliRunner().invoke(COMMANDS[command], arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("predict", "--threshold", "nan"),
        ("predict", "--threshold", "1.5"),
        ("segment", "--threshold", "nan"),
        ("segment", "--seeds", "nan"),
        ("predict", "--convention", "instances"),
        ("predict", "--convention", "sparse"),
    ],
)
def test_values_that_mean_nothing_are_refused(
    stack: Path, tmp_path: Path, command: str, option: str, value: str
) -> None:
    arguments = ["none.onnx", str(stack), "-o", str(tmp_path / "mask.tif"), option, value]
    result = CliRunner().invoke(COMMANDS[command], arguments)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


def test_two_results_of_one_name(write_model: WriteModel, stack: Path, tmp_path: Path) -> None:
    name = tmp_path / "same.tif"
    result = predict(write_model(), stack, "-o", name, "--probability", name)
    assert result.returncode == 2
    assert "the same name" in result.stderr


def test_outputs_are_checked_before_the_model_is_loaded(stack: Path, tmp_path: Path) -> None:
    result = predict(tmp_path / "none.onnx", stack, "-o", tmp_path / "none" / "mask.tif")
    assert result.returncode == 2
    assert "there is no folder" in result.stderr


@pytest.fixture
def predict_kind(write_model: WriteModel, tmp_path: Path) -> Callable[..., Result]:
    """``predict_kind(stack, command)`` with a model that was trained on tissue."""
    model = write_model(scaling=Scaling.of(synthetic_stack(5, 96)[0]))

    def run(stack: np.ndarray, command: str = "predict") -> Result:
        tifffile.imwrite(tmp_path / "kind.tif", stack, photometric="minisblack")
        arguments = [model, tmp_path / "kind.tif", "-o", tmp_path / "out.tif"]
        return CliRunner().invoke(COMMANDS[command], list(map(str, arguments)))

    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", DIFFERENT)
def test_a_stack_that_differs_from_the_training_stack_is_warned_of(
    predict_kind: Callable[..., Result], kind: str, command: str
) -> None:
    result = predict_kind(pixel_kind(synthetic_stack(5, 96, seed=1)[0], kind), command)
    assert result.exit_code == 0, result.stderr
    assert f"Warning: This stack {DIFFERENT[kind]}" in result.stderr
    assert "first, in Fiji by" in result.stderr


def test_a_stack_of_one_value_is_warned_of(predict_kind: Callable[..., Result]) -> None:
    result = predict_kind(np.full((3, 64, 64), 7, np.uint16))
    assert "Warning: All pixels of this stack are 7" in result.stderr
    assert "Fiji" not in result.stderr


def test_a_stack_like_the_training_stack_is_not_warned_of(
    predict_kind: Callable[..., Result],
) -> None:
    result = predict_kind(synthetic_stack(5, 96, seed=1)[0])
    assert result.exit_code == 0, result.stderr
    assert "Warning" not in result.stderr


@pytest.mark.parametrize(("grey", "found"), [(20, "Raise"), (230, "Lower")])
def test_a_mask_that_is_nearly_full_or_empty_is_warned_of(
    write_model: WriteModel, tmp_path: Path, grey: int, found: str
) -> None:
    """A model of before does not know its stack, so nothing else is warned of."""
    stack = np.random.default_rng(0).integers(grey, grey + 20, (5, 64, 64), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    arguments = [write_model(), tmp_path / "stack.tif", "-o", tmp_path / "out.tif"]
    result = CliRunner().invoke(COMMANDS["predict"], list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    assert "% of the pixels are membrane" in result.stderr
    assert f"{found} the threshold" in result.stderr
    assert "This stack" not in result.stderr
