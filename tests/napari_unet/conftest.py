"""A portable model that needs no training, and no project that is open."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_unet.settings import hold
from tests.napari_unet.training_python.stand_ins import Index, serving, site_packages, write_wheels
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.presets.compact import FOLD, WIDTHS
from training.stacks.scaling import Scaling

REACH = 2
UINT8 = Scaling("uint8", 0.0, 255.0)
WriteModel = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_project() -> Iterator[None]:
    """No test finds the choices of a project that another one left open."""
    yield
    hold({})


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Another Python, with all packages that this one has."""
    environment = tmp_path / "named"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (folder,) = environment.glob("lib/python*/site-packages")
    (folder / "others.pth").write_text(site_packages())
    return environment / "bin" / "python"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheels(tmp_path_factory.mktemp("stand-ins") / "wheels")


@pytest.fixture
def no_internet(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python but this one, nor any index."""
    programs = tmp_path / "programs"
    programs.mkdir()
    name = f"python3.{sys.version_info.minor}"
    (programs / name).symlink_to(sys._base_executable)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def index(wheels: Path, no_internet: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip is told to use."""
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    with serving(wheels) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        yield index


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """``write_model(name, scaling=UINT8, **card)`` gives the file's path."""

    def write(
        name: str = "model.onnx",
        scaling: Scaling = UINT8,
        **values: object,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dark_is_membrane(ModelCard("compact", scaling, **values)))
        return path

    return write


def dark_is_membrane(card: ModelCard) -> bytes:
    """An ONNX model: the mean of 5 x 5 pixels, inverted."""
    return build_onnx(blurring_weights(), card)


def blurring_weights() -> dict[str, np.ndarray]:
    """Weights of compact with which it takes the mean of 5 x 5 pixels, times -8.

    Channels are the pixels of a block of 4 x 4. ReLU passes what is negative as well, because
    every channel is there twice: as it is, and with its sign changed.
    """
    first, second, third = WIDTHS
    pixels = FOLD**2
    shapes = {
        "down0.conv1": (first, pixels),
        "down0.conv2": (first, first),
        "down1.conv1": (second, first),
        "down1.conv2": (second, second),
        "down2.conv1": (third, second),
        "down2.conv2": (third, third),
        "merge1.conv1": (second, third // 4 + second),
        "merge1.conv2": (second, second),
        "merge0.conv1": (first, second // 4 + first),
        "merge0.conv2": (first, first),
    }
    weights = {name: np.zeros((*shape, 3, 3), np.float32) for name, shape in shapes.items()}
    for pixel in range(pixels):
        weights["down0.conv1"][[pixel, pixels + pixel], pixel, 1, 1] = 1, -1
    for channel in range(first):
        weights["down0.conv2"][channel, channel, 1, 1] = 1
        weights["merge0.conv1"][channel, second // 4 + channel, 1, 1] = 1
    reach = range(-REACH, REACH + 1)
    for y, x, down, right in itertools.product(range(FOLD), range(FOLD), reach, reach):
        (row, inner_y), (column, inner_x) = divmod(y + down, FOLD), divmod(x + right, FOLD)
        target, source = y * FOLD + x, inner_y * FOLD + inner_x
        kernel = weights["merge0.conv2"][:, :, 1 + row, 1 + column]
        share = 1 / len(reach) ** 2
        kernel[target, [source, pixels + source]] = share, -share
        kernel[pixels + target, [source, pixels + source]] = -share, share
    parameters = {f"{name}.weight": weight for name, weight in weights.items()}
    for name, (outputs, _) in shapes.items():
        norm = name.replace("conv", "norm")
        values = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1 - 1e-5}
        for key, value in values.items():
            parameters[f"{norm}.{key}"] = np.full(outputs, value, np.float32)
    logits = -8 * np.hstack([np.eye(pixels), -np.eye(pixels)])
    parameters["logits.weight"] = logits.astype(np.float32)[:, :, np.newaxis, np.newaxis]
    parameters["logits.bias"] = np.zeros(pixels, np.float32)
    return parameters
