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
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import TypeIn
from training.model.starter_model import starter_path

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
