"""ONNX Runtime beside OpenVINO: the same probabilities, and no device taken for another."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_unet.prediction import onnx_runtime
from napari_unet.prediction.engine import list_engines
from napari_unet.prediction.live_prediction import LivePrediction
from napari_unet.prediction.onnx_runtime import Provider
from napari_unet.prediction.predictor import Predictor, load_predictor
from napari_unet.prediction.stack_prediction import predict_slices
from napari_unet.settings import Settings, remember
from tests.control_groups import control_group
from tests.napari_unet.conftest import WriteModel
from tests.napari_unet.prediction.test_seams import (
    MEDICAL_WIDTH,
    compact_parameters,
    medical_parameters,
)
from training.errors import UserError
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.resources.limits import usable_cores
from training.stacks.scaling import Scaling

needs_onnxruntime = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="without the extra onnxruntime"
)


@needs_onnxruntime
@pytest.mark.parametrize("preset", ["compact", "medical"])
def test_onnx_runtime_computes_what_openvino_does(
    images: np.ndarray, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.presets.medical.WIDTHS", (MEDICAL_WIDTH,) * 5)
    parameters = compact_parameters() if preset == "compact" else medical_parameters(MEDICAL_WIDTH)
    content = build_onnx(parameters, ModelCard(preset, Scaling("uint8", 0.0, 255.0)))
    expected, found = (
        np.stack([page for _, page in Predictor(Path(), content, **how).predict(images)])
        for how in ({"precision": "f32"}, {"engine": "onnxruntime"})
    )
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.skipif(usable_cores() < 2, reason="there is one core")
@pytest.mark.parametrize(
    "engine", ["openvino", pytest.param("onnxruntime", marks=needs_onnxruntime)]
)
def test_a_limit_of_cores_is_one_of_threads(write_model: WriteModel, engine: str) -> None:
    """Neither engine asks for it: their threads would wait for each other's turns."""
    code = (
        "import os, sys, numpy as np\n"
        "from napari_unet.prediction.predictor import load_predictor\n"
        "predictor = load_predictor(sys.argv[1], engine=sys.argv[2])\n"
        "predictor.predict_slice(np.zeros((64, 64), np.uint8))\n"
        "print(predictor.parallel, len(os.listdir('/proc/self/task')))"
    )
    command = [sys.executable, "-c", code, str(write_model()), engine]
    with control_group(cores=1) as words:
        told = [subprocess.check_output([*begin, *command], text=True) for begin in ([], words)]
    (_, most), (parallel, threads) = (tuple(map(int, line.split())) for line in told)
    assert parallel == 1
    assert threads < most


@needs_onnxruntime
def test_a_device_is_never_the_cpu_unless_it_is_named(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(device: str) -> str:
        with pytest.raises(UserError) as refused:
            load_predictor(write_model(), engine="onnxruntime", device=device)
        return str(refused.value)

    assert "has no CANNExecutionProvider" in refusal("cann")
    assert "There is no device abacus for ONNX Runtime" in refusal("abacus")
    # A provider that is there, and lacks every operation of the network.
    provider = Provider("AzureExecutionProvider", "onnxruntime", {})
    monkeypatch.setitem(onnx_runtime.PROVIDERS, "cuda", provider)
    assert "can't compute this network on cuda" in refusal("cuda")


def test_without_onnx_runtime_its_pip_line_is_said(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert list_engines() == [("openvino", "cpu")]
    with pytest.raises(UserError, match=r"pip install 'napari-unet-mindspore\[onnxruntime\]'"):
        load_predictor(write_model(), engine="onnxruntime")


def test_the_window_predicts_as_its_settings_say(
    write_model: WriteModel, images: np.ndarray
) -> None:
    remember(Settings(engine="onnxruntime", device="abacus"))
    prediction = LivePrediction.empty(images.shape, 0.5)
    with pytest.raises(UserError, match="ONNX Runtime"):
        list(predict_slices(write_model(), images, [0], prediction))
