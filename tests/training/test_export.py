"""Models exported for other programs: loaded again, and computing the same."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_unet.prediction.predictor import load_predictor
from tests.training.mindspore_alone import run_there
from training import export
from training.runs.run_directory import RunDirectory

needs_mindspore = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")
COMPARE = """
import sys
import mindspore, numpy as np
from mindspore import Tensor, nn
loaded = nn.GraphCell(mindspore.load(sys.argv[1]))
np.save(sys.argv[2], loaded(Tensor(np.load(sys.argv[3]))).asnumpy())
"""


@needs_mindspore
def test_mindir_needs_mindspore_alone_and_computes_what_openvino_does(
    random_run: RunDirectory, tmp_path: Path
) -> None:
    model = tmp_path / "model.mindir"
    options = ("--run", random_run.path, "--output", model)
    result = run_there(tmp_path, "-m", "training.export", *options)
    assert result.returncode == 0, result.stderr
    assert "image is (1, 1, 512, 512) float32" in result.stdout
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)
    predictor = load_predictor(random_run.path, precision="f32")
    scaled = predictor.card.scaling.apply(pixels)[np.newaxis, np.newaxis]
    np.save(tmp_path / "image.npy", scaled)
    files = [model, tmp_path / "found.npy", tmp_path / "image.npy"]
    result = run_there(tmp_path, "-c", COMPARE, *files)
    assert result.returncode == 0, result.stderr
    found = np.load(tmp_path / "found.npy")[0, 0]
    assert np.abs(found - predictor.predict_slice(pixels)).max() < 1e-3


@needs_mindspore
def test_onnx_is_compared_and_has_its_line_for_atc(
    random_run: RunDirectory, tmp_path: Path
) -> None:
    model = tmp_path / "a model.onnx"
    command = [sys.executable, "-m", "training.export", "--run", random_run.path, "--output", model]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    load_predictor(model)
    (line,) = [line for line in done.stdout.splitlines() if "atc" in line]
    _, *words = shlex.split(line[line.index("atc") :])
    assert words == [
        f"--model={model}",
        "--framework=5",
        "--soc_version=Ascend310P3",
        "--input_shape=image:1,1,512,512",
        f"--output={model.with_suffix('')}",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("model.air", "neither MindIR nor ONNX"), ("there.onnx", "there.onnx exists already")],
)
def test_what_can_not_be_exported_is_said(
    random_run: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    sentence: str,
) -> None:
    (tmp_path / "there.onnx").touch()
    assert export.main(["--run", str(random_run.path), "--output", str(tmp_path / name)]) == 2
    assert sentence in capsys.readouterr().err


@needs_mindspore
def test_onnx_asks_for_its_package(random_run: RunDirectory, tmp_path: Path) -> None:
    options = ("--run", random_run.path, "--output", tmp_path / "model.onnx")
    result = run_there(tmp_path, "-m", "training.export", *options)
    assert result.returncode == 2
    assert "The package onnx is missing" in result.stderr
