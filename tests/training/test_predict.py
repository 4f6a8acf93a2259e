"""Prediction by MindSpore, in real processes, beside that of OpenVINO."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from safetensors.numpy import save_file

from napari_unet.prediction.predictor import load_predictor
from tests.stack_files import read_pixel_size
from tests.training.conftest import write_random_run
from tests.training.mindspore_alone import ROOT, run_there, write_blocker
from tests.training.networks.test_membrane_network import run_case
from training import predict
from training.devices.npus import Npu
from training.formats.pixel_size import PixelSize
from training.model.slice_view import SliceView, cut_window
from training.runs.run_directory import RunDirectory

SCRIPT = Path(predict.__file__).parent / "scripts" / "run_predict.sh"
PRECISION = 1e-3
MODULE = ("-m", "training.predict")
needs_mindspore = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Slices of 16 bit with pixel sizes, one of them with padding."""
    path = tmp_path / "a stack.tif"
    images = np.random.default_rng(1).integers(1, 2**16, (5, 50, 66), dtype=np.uint16)
    images[2, :12] = 0
    tifffile.imwrite(path, images, resolution=(2.5e6, 2.5e6), resolutionunit="CENTIMETER")
    return path


def command(*options: object) -> list[str]:
    return [sys.executable, "-P", *MODULE, *map(str, options)]


@needs_mindspore
@pytest.mark.parametrize(
    ("devices", "options"), [(1, ()), (2, ("--resample", "--region", "1:4,3:,:40"))]
)
def test_a_stack_is_predicted_as_by_openvino(
    random_run: RunDirectory, stack: Path, tmp_path: Path, devices: int, options: tuple[str, ...]
) -> None:
    mask, probability = tmp_path / "mask.tif", tmp_path / "probability.tif"
    result = run_there(
        tmp_path,
        *MODULE,
        *(
            "--run",
            random_run.path,
            "--input",
            stack,
            "--output",
            mask,
            "--probability",
            probability,
        ),
        *("--threshold", 0.4, "--device", "cpu", "--devices", devices, *options),
    )
    assert result.returncode == 0, result.stderr
    warning = "Warning: This stack's pixels are 4 nm, but the model was trained on pixels of 6 nm."
    assert result.stderr.count(warning) == (not options)
    found = tifffile.imread(probability)
    view = SliceView((4 / 6, 4 / 6)) if options else SliceView()
    predictor = load_predictor(random_run.path, precision="f32")
    pages = predictor.predict(tifffile.imread(stack), view=view)
    expected = np.stack([page for _, page in pages])
    assert expected.std() > 0.1 and not expected[2, :12].any()
    expected = expected[1:4, 3:, :40] if options else expected
    assert np.abs(found - expected).max() < PRECISION
    np.testing.assert_array_equal(tifffile.imread(mask) == 0, found >= 0.4)
    assert read_pixel_size(mask) == PixelSize(None, pytest.approx(4), pytest.approx(4))
    assert f"{len(expected)} of {len(expected)} slices" in result.stdout
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a run", "a stack.tif", "mask.tif", "probability.tif", "blocker"}


@needs_mindspore
def test_half_precision_is_near(random_run: RunDirectory, stack: Path, tmp_path: Path) -> None:
    probability = tmp_path / "probability.tif"
    options = ("--run", random_run.path, "--input", stack, "--output", tmp_path / "mask.tif")
    result = run_there(
        tmp_path, *MODULE, *options, "--probability", probability, "--precision", "float16"
    )
    assert result.returncode == 0, result.stderr
    pages = load_predictor(random_run.path, precision="f32").predict(tifffile.imread(stack))
    expected = np.stack([page for _, page in pages])
    difference = np.abs(tifffile.imread(probability) - expected).max()
    assert 1e-5 < difference < 0.02


@needs_mindspore
@pytest.mark.parametrize("devices", [1, 2])
def test_a_slice_that_can_not_be_used_leaves_no_result(
    random_run: RunDirectory, tmp_path: Path, devices: int
) -> None:
    """It is none of those that the scaling is chosen by. What was before it can be kept."""
    images = np.random.default_rng(1).random((30, 32, 32)).astype(np.float32)
    images[1, 3, 3] = np.nan
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, images)
    mask, left = tmp_path / "mask.tif", {"a run", "stack.tif", "blocker"}
    options = ("--run", random_run.path, "--input", stack, "--output", mask)
    options += ("--device", "cpu", "--keep", tmp_path / "kept")
    result = run_there(tmp_path, *MODULE, *options, "--devices", devices)
    assert result.returncode == 2, result.stdout
    assert f"Error: Slice 1 of {stack} has NaN" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"kept"} == left
    if devices > 1:  # the other one may have had no time for the first slice
        return
    assert {path.name for path in (tmp_path / "kept").glob("*.npz")} == {"0.npz"}
    images[1, 3, 3] = 0.5
    tifffile.imwrite(stack, images)
    result = run_there(tmp_path, *MODULE, *options, "--devices", 2)
    assert result.returncode == 0, result.stderr
    assert "Note: Slices done before: 1" in result.stdout
    assert f"The files of {stack} have changed since" in result.stdout + result.stderr
    assert {path.name for path in tmp_path.iterdir()} == left | {"mask.tif"}
    predictor = load_predictor(random_run.path, precision="f32")
    expected = np.stack([page for _, page in predictor.predict(images)])
    is_sure = np.abs(expected - predictor.card.threshold) > PRECISION
    found = tifffile.imread(mask) == 0
    np.testing.assert_array_equal(found[is_sure], (expected >= predictor.card.threshold)[is_sure])


@needs_mindspore
def test_an_ended_prediction_leaves_no_result_and_no_process(
    random_run: RunDirectory, tmp_path: Path
) -> None:
    stack = tmp_path / "long.tif"
    tifffile.memmap(stack, shape=(5000, 64, 64), dtype=np.uint8, bigtiff=True).flush()
    options = ("--run", random_run.path, "--input", stack, "--output", tmp_path / "mask.tif")
    arguments = command(*options, "--device", "cpu", "--devices", 2)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "of 5000 slices" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a run", "long.tif"}
    assert str(stack) not in subprocess.run(["ps", "ax"], capture_output=True, text=True).stdout


@needs_mindspore
def test_a_checkpoint_of_the_zoo_loads_and_predicts_here_and_there(tmp_path: Path) -> None:
    assert run_case("zoo_checkpoint_loads", tmp_path) == "equal"
    (zoo,) = tmp_path.glob("ckpt_*.ckpt")
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.random.default_rng(0).integers(0, 256, (80, 97), dtype=np.uint8))
    here, there = tmp_path / "here.tif", tmp_path / "there.tif"
    napari_unet = Path(sys.executable).with_name("napari-unet")
    options = ["-o", tmp_path / "mask.tif", "--probability", here, "--precision", "f32"]
    subprocess.run([napari_unet, "predict", zoo, stack, *options], check=True)
    result = run_there(
        tmp_path,
        *MODULE,
        *("--ckpt", zoo, "--input", stack, "--output", tmp_path / "m.tif", "--probability", there),
        *("--device", "cpu"),
    )
    assert result.returncode == 0, result.stderr
    found, expected = tifffile.imread(there), tifffile.imread(here)
    assert found.shape == expected.shape == (80, 97)
    assert np.abs(found - expected).max() < PRECISION
    assert np.ptp(expected) > 10 * PRECISION


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--threshold=2"], "The threshold 2.0 is out of range. Give 0 to 1."),
        (["--devices=-1"], "-1 devices can't predict. Give --devices=1 or more."),
        (["--device=abacus"], "The device 'abacus' is unknown."),
        (["--device_ids=a"], "device_ids is 'a', which is not a list of numbers."),
        (["--device_ids=1,2"], "No Ascend NPU is found"),
        (["--input=none.tif"], "none.tif"),
        (["--output=mask.png"], "mask.png is not named in a format that is written"),
        (["--output=there.tif"], "there.tif exists already."),
    ],
)
def test_what_can_not_be_predicted_is_said(
    random_run: RunDirectory,
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (tmp_path / "there.tif").touch()
    given = ["--run", str(random_run.path), "--input", str(stack), "--output", "mask.tif"]
    assert predict.main([*given, "--device=ascend", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "mask.tif").exists()


def test_no_mask_has_ids(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--run", "starter", "--input", "a.tif", "--output", "b.tif"]
    with pytest.raises(SystemExit, match="2"):
        predict.main([*given, "--convention=instances"])
    assert "invalid choice: 'instances'" in capsys.readouterr().err


def test_a_slice_that_takes_too_much_memory_is_refused_before_the_work(
    random_run: RunDirectory,
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**28))
    given = ["--run", str(random_run.path), "--input", str(stack), "--device=cpu", "--devices=2"]
    assert predict.main([*given, "--output", str(tmp_path / "mask.tif"), "--tta"]) == 2
    told = capsys.readouterr()
    assert f"A slice of {stack} takes about 0.5 GiB to predict, and 0.2 GiB are free." in told.err
    remedy = (
        "Predict on fewer devices, or a --region, or without --tta, or where there is more memory."
    )
    assert remedy in told.err and not told.out
    assert {path.name for path in tmp_path.iterdir()} == {"a run", "a stack.tif"}


def test_npus_need_not_be_joined(
    random_run: RunDirectory,
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three of a 910A's two groups are refused only because one is busy."""
    npus = [Npu(id, "910A", id == 4, 0, 0, id) for id in range(8)]
    monkeypatch.setattr("training.devices.npu_choice.find_npus", lambda: npus)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    given = ["--run", str(random_run.path), "--input", str(stack), "--device_ids=0,1,4"]
    assert predict.main([*given, "--output", str(tmp_path / "mask.tif")]) == 2
    assert "NPU 4 is busy." in capsys.readouterr().err


@pytest.mark.parametrize("is_script", [False, True])
def test_weights_of_no_network_are_refused(stack: Path, tmp_path: Path, is_script: bool) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, other)
    mask = tmp_path / "mask.tif"
    arguments = command("--ckpt", other, "--input", stack, "--output", mask)
    if is_script:
        arguments = [shutil.which("bash") or "/bin/bash", *map(str, (SCRIPT, stack, other, mask))]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        arguments, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert result.returncode == 2
    assert "other.safetensors holds the weights of another network" in result.stderr
    assert not mask.exists()


TALL = (3, 2500, 40)
"""Of slices that are three tiles high."""
FEW = (2, 4, 8, 16, 32)
"""Channels of medical."""
ALL_BANDS = "import training.model.slice_steps as steps; steps.BAND_PIXELS = {}\n"


@needs_mindspore
def test_bands_of_a_large_slice_are_shared_by_devices(
    random_run: RunDirectory, tmp_path: Path
) -> None:
    stack, whole, bands = (tmp_path / f"{name}.tif" for name in ("stack", "whole", "bands"))
    tifffile.imwrite(stack, np.random.default_rng(1).integers(1, 256, TALL[1:], dtype=np.uint8))
    given = ["--run", random_run.path, "--input", stack, "--output", "mask.tif", "--overwrite"]
    code = (
        ALL_BANDS.format(2**24)
        + predict_bands([*given, "--probability", whole])
        + ALL_BANDS.format(1)
        + predict_bands([*given, "--probability", bands, "--devices", 2])
    )
    output = run_code(tmp_path, code)
    assert "0 of 1 slices" in output and output.count("1 of 1 slices") == 2
    expected = tifffile.imread(whole)
    assert expected.shape == TALL[1:] and expected.std() > 0.1
    np.testing.assert_array_equal(tifffile.imread(bands), expected)


@needs_mindspore
def test_bands_of_what_is_resized_or_turned_are_as_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """medical, which has few channels here, sees the slice at half its height."""
    monkeypatch.setattr("training.presets.medical.WIDTHS", FEW)
    stack = tmp_path / "stack.tif"
    images = np.random.default_rng(1).integers(1, 256, (2000, 32), dtype=np.uint8)
    tifffile.imwrite(stack, images, resolution=(2.5e6, 2.5e6), resolutionunit="CENTIMETER")
    runs = {
        "compact": (write_random_run(tmp_path / "compact"), ["--tta", "--resample"]),
        "medical": (write_random_run(tmp_path / "medical", "medical", (0.5, 1.0)), []),
    }
    code = f"import training.presets.medical as medical; medical.WIDTHS = {FEW}\n"
    for many, height in (("whole", 2**24), ("bands", 1)):
        code += ALL_BANDS.format(height)
        for preset, (run, options) in runs.items():
            given = ["--run", run.path, "--input", stack, *options, "--output"]
            outputs = [f"{preset} {many} mask.tif", "--probability", f"{preset} {many}.tif"]
            code += predict_bands([*given, *outputs])
    assert "0 of 1 slices" in run_code(tmp_path, code)
    for preset in runs:
        whole, bands = (tifffile.imread(tmp_path / f"{preset} {m}.tif") for m in ("whole", "bands"))
        assert whole.shape == images.shape and whole.std() > 0.01, preset
        np.testing.assert_allclose(bands, whole, atol=1e-5)


def predict_bands(options: list[object]) -> str:
    """Write the line of Python that predicts on the CPU."""
    given = [*map(str, options), "--device", "cpu"]
    return f"from training.predict import main\nassert main({given!r}) == 0\n"


def run_code(folder: Path, code: str) -> str:
    """Run Python where nothing but MindSpore is; its workers predict bands as low as can be."""
    blocker = write_blocker(folder / "blocker")
    with (blocker / "sitecustomize.py").open("a") as file:
        file.write(ALL_BANDS.format(1))
    path = os.pathsep.join([str(blocker), str(ROOT)])
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_killed_prediction_goes_on_within_a_slice(
    random_run: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The network is replaced by what its probability would be."""
    pages = np.random.default_rng(1).integers(1, 256, TALL, dtype=np.uint8)
    stack, mask, probability = (tmp_path / f"{name}.tif" for name in ("stack", "mask", "p"))
    tifffile.imwrite(stack, pages, photometric="minisblack")
    done: list[int] = []

    def predict_steps(*given: Any) -> Iterator[np.ndarray]:
        *_, steps, first = given
        for number in range(first, len(steps)):
            if len(done) == 4 and first == 0:
                raise KeyboardInterrupt
            done.append(number)
            step = steps.step(number)
            yield cut_window(pages[step.index] / np.float32(255), step.view.window)

    monkeypatch.setattr(predict, "_predict_steps", predict_steps)
    monkeypatch.setattr("training.model.slice_steps.BAND_PIXELS", 1)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    given = ["--run", random_run.path, "--input", stack, "--output", mask, "--device=cpu"]
    given += ["--probability", probability, "--keep", tmp_path / "kept"]
    assert predict.main([*map(str, given)]) == 1
    assert not mask.exists() and len([*(tmp_path / "kept").glob("*.npz")]) == 4
    assert predict.main([*map(str, given)]) == 0
    assert done == [*range(9)]
    told = "Note: Slices done before: 1, and 1 of 3 bands of the next; it goes on after them."
    assert told in capsys.readouterr().out
    expected = pages / np.float32(255)
    np.testing.assert_array_equal(tifffile.imread(probability), expected)
    np.testing.assert_array_equal(tifffile.imread(mask) == 0, expected >= 0.5)
    assert not (tmp_path / "kept").exists()
