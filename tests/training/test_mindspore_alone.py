"""Training needs MindSpore, what it brings, and tifffile: a server has nothing of ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import training
from napari_unet.prediction.predictor import load_predictor
from tests.training.conftest import small_stack
from tests.training.mindspore_alone import run_there
from training.runs.run_directory import RunDirectory

pytestmark = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    source = Path(training.__file__).parent
    files = [path.relative_to(source.parent).with_suffix("") for path in source.rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in files]
    formats, masks = "training.formats.zarr_folders", "training.masks"
    for name in (f"{formats}.zarr_stack", f"{formats}.chunk_codec"):
        names.remove(name)  # whoever opens a Zarr is told what is missing
    for name in (f"{masks}.zarr_chunks", f"{masks}.chunk_files"):
        names.remove(name)
    code = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    result = run_there(tmp_path, "-c", code)
    assert result.returncode == 0, result.stderr
    (tmp_path / "a.zarr").mkdir()
    opened = f"from training.opening import open_stack; open_stack('{tmp_path}/a.zarr')"
    assert "zarr is not installed, which reads it" in run_there(tmp_path, "-c", opened).stderr
    assert run_there(tmp_path, "-c", "import onnx").returncode == 1
    assert run_there(tmp_path, "-c", "import napari_unet").returncode == 1


def test_a_training_there_gives_a_model_that_predicts_here(
    small_folder: Path, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    result = run_there(
        tmp_path,
        *("-m", "training.train", "--data_url", small_folder, "--run_dir", run.path),
        *("--preset", "compact", "--device", "cpu", "--steps", 2, "--batchsize", 2),
    )
    assert result.returncode == 0, result.stderr
    assert run.best.exists() and not run.onnx.exists()
    images, _ = small_stack()
    probabilities = [page for _, page in load_predictor(run.path).predict(images)]
    assert np.shape(probabilities) == images.shape
    assert run.onnx.exists()
