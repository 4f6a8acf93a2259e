"""A prediction by the server's MindSpore, on two workers, beside that of OpenVINO here."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launchers.servers.profiles import save_profile
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.class_model import write_class_run
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import TypeIn
from training.model.starter_model import starter_path
from training.opening import open_stack

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore"),
]


def test_two_workers_on_the_server_predict_as_this_computer(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    python = shlex.quote(os.fspath(Path(sys.executable).parent))
    save_profile(sshd.profile(name="lab", activate=f"export PATH={python}:$PATH", devices=2))
    command = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
    done = type_in(*command, "--probability", "probability.tif")
    assert done.code == 0, done
    assert "Membranes are" in done.output or "Whether membranes" in done.output
    pages = load_predictor(starter_path(), precision="f32").predict(tifffile.imread("stack.tif"))
    expected = np.stack([page for _, page in pages])
    assert np.abs(tifffile.imread("probability.tif") - expected).max() < 1e-3
    assert expected.std() > 0.01


def test_a_server_predicts_classes_that_come_home_with_their_names(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    python = shlex.quote(os.fspath(Path(sys.executable).parent))
    save_profile(sshd.profile(name="lab", activate=f"export PATH={python}:$PATH", devices=2))
    write_class_run(folder / "run")
    greys = np.repeat(np.array([20, 128, 235], np.uint8), 16)  # one for each class
    noise = np.random.default_rng(0).integers(0, 9, (3, 20, 48), dtype=np.uint8)
    tifffile.imwrite("stack.tif", greys + noise, photometric="minisblack")
    command = ("predict", "run", "stack.tif", "--remote=lab", "-o")
    refused = type_in(*command, "a.zarr", "--class", "nucleus")
    assert refused.code == 2 and "has no class nucleus" in refused.errors
    chosen = "--threshold", "mitochondria=0.2"
    done = type_in(*command, "classes.tif", *chosen)
    assert done.code == 0, done
    predictor = load_predictor(folder / "run", precision="f32", of_class=None)
    pages = [page for _, page in predictor.predict(tifffile.imread("stack.tif"))]
    expected = np.stack([predictor.classes.decide(page, {"mitochondria": 0.2}) for page in pages])
    certain = np.stack([np.abs(page[2] - 0.2) > 0.01 for page in pages])
    assert any((predictor.classes.decide(page)[page[2] > 0.2] != 2).any() for page in pages)
    np.testing.assert_array_equal(tifffile.imread("classes.tif")[certain], expected[certain])
    assert len(np.unique(expected[certain])) == 3
    with open_stack(Path("classes.tif")) as stack:
        assert stack.label_note is not None and stack.label_note.classes == predictor.classes
    done = type_in(*command, "one.tif", "--class", "mitochondria", "--probability", "p.tif")
    assert done.code == 0, done
    mitochondria = np.stack([page[2] for page in pages])
    np.testing.assert_allclose(tifffile.imread("p.tif"), mitochondria, atol=1e-3)
